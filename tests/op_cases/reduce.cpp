#include "tests/op_cases/rows.h"

namespace wengert::test {

void add_reductions(Table& t) {
  struct Reduction {
    const char* name;
    Tensor (*all)(In);
    Tensor (*rows)(In);
    Tensor (*columns)(In);
    double (*reference)(const Values&);
    bool int64;
    bool empty;  // has a value for nothing
  };
  static constexpr auto reductions = std::array{
      Reduction{"sum", [](In in) { return sum(in[0]); }, [](In in) { return sum(in[0], {-1}); },
                [](In in) {
                  return sum(in[0], {0, 2}, true);
                },
                sum_of, true, true},
      Reduction{"mean", [](In in) { return mean(in[0]); }, [](In in) { return mean(in[0], {-1}); },
                [](In in) {
                  return mean(in[0], {0, 2}, true);
                },
                mean_of, false, false},
      Reduction{"max", [](In in) { return max(in[0]); }, [](In in) { return max(in[0], {-1}); },
                [](In in) {
                  return max(in[0], {0, 2}, true);
                },
                max_of, true, false},
      Reduction{"min", [](In in) { return min(in[0]); }, [](In in) { return min(in[0], {-1}); },
                [](In in) {
                  return min(in[0], {0, 2}, true);
                },
                min_of, true, false},
      Reduction{"logsumexp", [](In in) { return logsumexp(in[0]); }, [](In in) { return logsumexp(in[0], {-1}); },
                [](In in) {
                  return logsumexp(in[0], {0, 2}, true);
                },
                logsumexp_of, false, false},
      Reduction{"prod", [](In in) { return prod(in[0]); }, [](In in) { return prod(in[0], {-1}); },
                [](In in) {
                  return prod(in[0], {0, 2}, true);
                },
                prod_of, false, true},
      Reduction{"var", [](In in) { return var(in[0]); }, [](In in) { return var(in[0], {-1}); },
                [](In in) {
                  return var(in[0], {0, 2}, {.keepdims = true});
                },
                var_of, false, false},
      Reduction{"std", [](In in) { return std(in[0]); }, [](In in) { return std(in[0], {-1}); },
                [](In in) {
                  return std(in[0], {0, 2}, {.keepdims = true});
                },
                std_of, false, false},
      Reduction{"median", [](In in) { return median(in[0]); }, [](In in) { return median(in[0], {-1}); },
                [](In in) {
                  return median(in[0], {0, 2}, true);
                },
                median_of, false, false},
      Reduction{"norm", [](In in) { return norm(in[0], 2); }, [](In in) { return norm(in[0], 2, {-1}); },
                [](In in) {
                  return norm(in[0], 2, {0, 2}, true);
                },
                [](const Values& v) { return norm_of(v, 2); }, false, true},
  };
  // One reference per op and form: plain function pointers cannot carry which op they serve.
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (
        [&] {
          constexpr Reduction r = reductions[I];
          OpCase row{.name = r.name, .inputs = {separated({2, 3, 4})}, .int64 = r.int64};
          row.variant = "all axes";
          row.f = r.all;
          row.reference = [](From in) { return number(reductions[I].reference(in[0].data)); };
          row.big = {{40, 50, 100}};
          if (r.empty) row.empty = {{2, 0}};
          t.push_back(row);
          row.variant = "last axis";
          row.f = r.rows;
          row.reference = [](From in) { return reduce(in[0], {2}, reductions[I].reference); };
          row.empty = {{0, 3}};
          t.push_back(row);
          row.variant = "two axes kept";
          row.f = r.columns;
          row.reference = [](From in) { return reshaped(reduce(in[0], {0, 2}, reductions[I].reference), {1, 3, 1}); };
          row.empty.clear();
          t.push_back(row);
        }(),
        ...);
  }(std::make_index_sequence<reductions.size()>());
  t.push_back({.name = "argmax",
               .inputs = {separated({2, 3, 4})},
               .f = [](In in) { return argmax(in[0], 1); },
               .reference = [](From in) { return reduce(in[0], {1}, argmax_of); },
               .gradient = false,
               .int64 = true,
               .big = {{40, 50, 100}},
               .empty = {{0, 3, 2}}});
  t.push_back({.name = "argmin",
               .inputs = {separated({2, 3, 4})},
               .f = [](In in) { return argmin(in[0], 1); },
               .reference =
                   [](From in) {
                     return reduce(in[0], {1},
                                   [](const Values& v) { return std::min_element(v.begin(), v.end()) - v.begin(); });
                   },
               .gradient = false,
               .int64 = true,
               .big = {{40, 50, 100}},
               .empty = {{0, 3, 2}}});
  for (const auto& [name, f, reference] : {std::tuple(
                                               "any",
                                               +[](In in) {
                                                 return any(in[0], {0, 2});
                                               },
                                               +any_of),
                                           std::tuple(
                                               "all",
                                               +[](In in) {
                                                 return all(in[0], {0, 2});
                                               },
                                               +all_of)}) {
    // Conditions hold zeros too.
    t.push_back({.name = name,
                 .inputs = {condition({2, 3, 2})},
                 .f = f,
                 .reference = reference == any_of ? +[](From in) { return reduce(in[0], {0, 2}, any_of); }
                                                  : +[](From in) { return reduce(in[0], {0, 2}, all_of); },
                 .gradient = false,
                 .int64 = true,
                 .big = {{40, 50, 100}},
                 .empty = {{0, 3, 2}}});
  }
  t.push_back(
      {.name = "var",
       .variant = "of a population",
       .inputs = {real({2, 3, 4})},
       .f = [](In in) { return var(in[0], {1}, {.correction = 0}); },
       .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return var_of(v) * 2 / 3; }); },
       .big = {{40, 50, 100}}});
  t.push_back({.name = "norm",
               .variant = "p = 1",
               .inputs = {nonzero({2, 3, 4})},
               .f = [](In in) { return norm(in[0], 1, {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return norm_of(v, 1); }); }});
  t.push_back({.name = "norm",
               .variant = "p = 2.5",
               .inputs = {nonzero({2, 3, 4})},
               .f = [](In in) { return norm(in[0], 2.5, {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return norm_of(v, 2.5); }); },
               .big = {{40, 50, 100}}});
  t.push_back({.name = "norm",
               .variant = "p = infinity",
               .inputs = {{.shape = {2, 3, 4}, .kind = Input::Kind::separated, .low = -2.03, .high = 1.87}},
               .f = [](In in) { return norm(in[0], std::numeric_limits<double>::infinity(), {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, largest_size); }});
  t.push_back({.name = "sum_to",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return sum_to(in[0], {3, 1});
                   },
               .reference =
                   [](From in) {
                     return reshaped(reduce(in[0], {0, 2}, sum_of), {3, 1});
                   },
               .int64 = true,
               .big = {{40, 3, 1000}},
               .empty = {{0, 3, 2}}});
}

namespace {

/// Along axis 1 of x: [a, n, b], from `f(values along the axis)`, which gives as many.
template <class F>
Array along_axis_1(const Array& x, F f) {
  return make(x.shape, [&](const Index& i) {
    Values values;
    for (std::int64_t k = 0; k < x.shape[1]; ++k) values.push_back(x({i[0], k, i[2]}));
    return f(values)[static_cast<std::size_t>(i[1])];
  });
}

Values cumsum_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] += v[i - 1];
  return v;
}
Values cumprod_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] *= v[i - 1];
  return v;
}
Values sorted(Values v) {
  std::sort(v.begin(), v.end());
  return v;
}
Values places_in_order(const Values& v) {
  Values places;
  for (const double x : sorted(v)) places.push_back(static_cast<double>(std::find(v.begin(), v.end(), x) - v.begin()));
  return places;
}

}  // namespace

void add_scans_and_sorts(Table& t) {
  const OpCase axis_1{
      .inputs = {separated({2, 5, 3})}, .big = {{20, 500, 10}}, .empty = {{2, 0, 3}}, .float32_tolerance = 3e-5};
  OpCase row = axis_1;
  row.name = "cumsum";
  row.f = [](In in) { return cumsum(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], cumsum_of); };
  row.int64 = true;
  t.push_back(row);
  row.name = "cumprod";
  row.f = [](In in) { return cumprod(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], cumprod_of); };
  t.push_back(row);
  row.name = "sort";
  row.f = [](In in) { return sort(in[0], 1).values; };
  row.reference = [](From in) { return along_axis_1(in[0], sorted); };
  t.push_back(row);
  row.variant = "descending";
  row.f = [](In in) { return sort(in[0], 1, true).values; };
  row.reference = [](From in) {
    return along_axis_1(in[0], [](const Values& v) {
      const Values up = sorted(v);
      return Values(up.rbegin(), up.rend());
    });
  };
  t.push_back(row);
  row.variant = "";
  row.name = "topk";
  row.f = [](In in) { return topk(in[0], 2, 1).values; };
  row.empty = {{0, 5, 3}};
  row.reference = [](From in) {
    return make({2, 2, 3}, [&](const Index& i) {
      const Array up = along_axis_1(in[0], sorted);
      return up({i[0], 4 - i[1], i[2]});
    });
  };
  t.push_back(row);
  row.variant = "smallest";
  row.f = [](In in) { return topk(in[0], 1, 1, false).values; };
  row.reference = [](From in) { return reshaped(reduce(in[0], {1}, min_of), {2, 1, 3}); };
  t.push_back(row);
  row.variant = "";
  row.name = "max_with_index";
  row.f = [](In in) { return max_with_index(in[0], 1).values; };
  row.reference = [](From in) { return reduce(in[0], {1}, max_of); };
  t.push_back(row);
  row.name = "min_with_index";
  row.f = [](In in) { return min_with_index(in[0], 1, true).values; };
  row.reference = [](From in) { return reshaped(reduce(in[0], {1}, min_of), {2, 1, 3}); };
  t.push_back(row);
  row.name = "argsort";
  row.f = [](In in) { return argsort(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], places_in_order); };
  row.gradient = false;
  row.int64 = false;  // truncated numbers may be equal
  t.push_back(row);
}

}  // namespace wengert::test
