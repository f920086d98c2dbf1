#include "tests/op_cases/window.h"

namespace wengert::test {

namespace {

/// `f(values, window's size)` of each window of a batch of images.
template <class F>
Array pooled(const Array& x, const Window& window, F f) {
  return make({x.shape[0], x.shape[1], window.rows(x.shape[2]), window.columns(x.shape[3])}, [&](const Index& i) {
    Values values;
    window.visit(x.shape, i[2], i[3], [&](auto, auto, auto row, auto column) {
      values.push_back(x({i[0], i[1], row, column}));
    });
    return f(values, static_cast<double>(window.kernel.rows * window.kernel.columns));
  });
}

}  // namespace

void add_pooling(Table& t) {
  t.push_back({.name = "maxpool2d",
               .inputs = {separated({2, 2, 4, 6})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0], {2, 3});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {2, 3}, .stride = {2, 3}},
                                   [](const Values& v, double) { return max_of(v); });
                   },
               .big = {{8, 16, 24, 30}},
               .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "maxpool2d",
               .variant = "overlapping, padded",
               .inputs = {separated({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0] - 10, {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {3, 3}, .stride = 2, .before = 1, .after = 1},
                                   [](const Values& v, double) { return max_of(v) - 10; });
                   },
               .big = {{8, 16, 24, 30}},
               .error_prefix = "-"});
  t.push_back({.name = "maxpool2d",
               .variant = "image",
               .inputs = {separated({4, 4})},
               .f = [](In in) { return maxpool2d(in[0], 2); },
               .reference =
                   [](From in) {
                     return reshaped(pooled(reshaped(in[0], {1, 1, 4, 4}), {.kernel = 2, .stride = 2},
                                            [](const Values& v, double) { return max_of(v); }),
                                     {2, 2});
                   }});
  t.push_back({.name = "avgpool2d",
               .inputs = {real({2, 2, 4, 6})},
               .f =
                   [](In in) {
                     return avgpool2d(in[0], {2, 3});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {2, 3}, .stride = {2, 3}},
                                   [](const Values& v, double size) { return sum_of(v) / size; });
                   },
               .big = {{8, 16, 24, 30}},
               .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "avgpool2d",
               .variant = "overlapping, padded",
               .inputs = {real({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return avgpool2d(in[0], {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {3, 3}, .stride = 2, .before = 1, .after = 1},
                                   [](const Values& v, double size) { return sum_of(v) / size; });
                   },
               .big = {{8, 16, 24, 30}}});
}

}  // namespace wengert::test
