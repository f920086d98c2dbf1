#include "tests/op_cases/rows.h"

namespace wengert::test {

void add_index_ops(Table& t) {
  t.push_back(
      {.name = "gather",
       .inputs = {real({3, 4}), index_below(4, {2, 5})},
       .f = [](In in) { return gather(in[0], 1, in[1]); },
       .reference =
           [](From in) {
             return make({2, 5}, [&](const Index& i) { return in[0]({i[0], static_cast<std::int64_t>(in[1](i))}); });
           },
       .int64 = true,
       .big = {{300, 400}, {300, 500}},
       .empty = {{3, 4}, {0, 5}}});
  t.push_back(
      {.name = "gather",
       .variant = "leading axis",
       .inputs = {real({3, 4}), index_below(3, {2, 4})},
       .f = [](In in) { return gather(in[0], 0, in[1]); },
       .reference =
           [](From in) {
             return make({2, 4}, [&](const Index& i) { return in[0]({static_cast<std::int64_t>(in[1](i)), i[1]}); });
           },
       .int64 = true,
       .big = {{300, 400}, {500, 400}}});
  t.push_back({.name = "scatter_add",
               .inputs = {real({3, 4}), index_below(4, {2, 5}), real({2, 5})},
               .f = [](In in) { return scatter_add(in[0], 1, in[1], in[2]); },
               .reference =
                   [](From in) {
                     Array result = in[0];
                     make({2, 5}, [&](const Index& i) {
                       return result.at({i[0], static_cast<std::int64_t>(in[1](i))}) += in[2](i);
                     });
                     return result;
                   },
               .int64 = true,
               .big = {{300, 400}, {300, 500}, {300, 500}},
               .empty = {{3, 4}, {0, 5}, {0, 5}}});
  t.push_back({.name = "index_select",
               .inputs = {real({3, 4}), index_below(3, {5})},
               .f = [](In in) { return index_select(in[0], 0, in[1]); },
               .reference =
                   [](From in) {
                     return make({5, 4}, [&](const Index& i) {
                       return in[0]({static_cast<std::int64_t>(in[1]({i[0]})), i[1]});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}, {350}},
               .empty = {{3, 4}, {0}}});
  t.push_back({.name = "index_select",
               .variant = "last axis",
               .inputs = {real({3, 4}), index_below(4, {5})},
               .f = [](In in) { return index_select(in[0], -1, in[1]); },
               .reference =
                   [](From in) {
                     return make({3, 5}, [&](const Index& i) {
                       return in[0]({i[0], static_cast<std::int64_t>(in[1]({i[1]}))});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}, {350}}});
  t.push_back({.name = "one_hot",
               .inputs = {index_below(4, {2, 3})},
               .f = [](In in) { return one_hot(in[0], 4); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) -> double {
                       return in[0]({i[0], i[1]}) == static_cast<double>(i[2]);
                     });
                   },
               .gradient = false,
               .big = {{300, 200}},
               .empty = {{0, 3}}});
}

namespace {

std::int64_t integer(double value) { return static_cast<std::int64_t>(value); }

}  // namespace

void add_more_index_ops(Table& t) {
  t.push_back({.name = "index",
               .variant = "numbers, slices and new axes",
               .inputs = {real({3, 4, 2, 5})},
               .f =
                   [](In in) {
                     return in[0].index({-1, Ellipsis, NewAxis, Slice(3, {}, -2)});
                   },
               .reference =
                   [](From in) {
                     return make({4, 2, 1, 2}, [&](const Index& i) { return in[0]({2, i[0], i[1], 3 - 2 * i[3]}); });
                   },
               .int64 = true,
               .empty = {{3, 0, 2, 5}}});
  t.push_back({.name = "index",
               .variant = "one tensor",
               .inputs = {real({2, 4, 3}), index_below(4, {2, 3})},
               .f =
                   [](In in) {
                     return in[0].index({Slice(), in[1] - 4, Slice(1)});
                   },
               .reference =
                   [](From in) {
                     return make({2, 2, 3, 2}, [&](const Index& i) {
                       return in[0]({i[0], integer(in[1]({i[1], i[2]})), i[3] + 1});
                     });
                   },
               .int64 = true,
               .empty = {{2, 4, 3}, {0, 3}},
               .error_prefix = "-"});
  t.push_back({.name = "index",
               .variant = "two tensors apart",
               .inputs = {real({3, 2, 4}), index_below(3, {2, 1}), index_below(4, {3})},
               .f =
                   [](In in) {
                     return index(in[0], {in[1], Ellipsis, in[2]});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 2}, [&](const Index& i) {
                       return in[0]({integer(in[1]({i[0]})), i[2], integer(in[2]({i[1]}))});
                     });
                   },
               .int64 = true});
  t.push_back({.name = "scatter",
               .inputs = {real({3, 4}), index_below(4, {2, 5}), real({2, 5})},
               .f = [](In in) { return scatter(in[0], 1, in[1], in[2]); },
               .reference =
                   [](From in) {
                     Array result = in[0];
                     make({2, 5}, [&](const Index& i) { return result.at({i[0], integer(in[1](i))}) = in[2](i); });
                     return result;
                   },
               .int64 = true,
               .big = {{300, 400}, {300, 500}, {300, 500}},
               .empty = {{3, 4}, {0, 5}, {0, 5}}});
  t.push_back(
      {.name = "take_along_dim",
       .inputs = {real({3, 1, 4}), index_below(4, {2, 5})},
       .f = [](In in) { return take_along_dim(in[0], -1, unsqueeze(in[1], 0)); },
       .reference =
           [](From in) {
             return make({3, 2, 5}, [&](const Index& i) { return in[0]({i[0], 0, integer(in[1]({i[1], i[2]}))}); });
           },
       .int64 = true,
       .empty = {{0, 1, 4}, {2, 5}},
       .error_prefix = "-"});
  t.push_back({.name = "take_along_dim",
               .variant = "same shape off the axis",
               .inputs = {real({3, 4}), index_below(3, {2, 4})},
               .f = [](In in) { return take_along_dim(in[0], 0, in[1]); },
               .reference =
                   [](From in) {
                     return make({2, 4}, [&](const Index& i) { return in[0]({integer(in[1](i)), i[1]}); });
                   },
               .int64 = true,
               .big = {{300, 400}, {500, 400}}});
  t.push_back({.name = "masked_fill",
               .inputs = {real({2, 3, 4}), condition({3, 1})},
               .f = [](In in) { return masked_fill(in[0], in[1], -7); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return in[1]({i[1], 0}) != 0 ? -7 : in[0](i); });
                   },
               .int64 = true,
               .big = {{20, 30, 100}, {30, 1}},
               .empty = {{0, 3, 4}, {3, 1}}});
  t.push_back(
      {.name = "embedding",
       .inputs = {real({5, 3}), index_below(5, {2, 4})},
       .f = [](In in) { return embedding(in[0], in[1]); },
       .reference =
           [](From in) {
             return make({2, 4, 3}, [&](const Index& i) { return in[0]({integer(in[1]({i[0], i[1]})), i[2]}); });
           },
       .int64 = true,
       .big = {{500, 30}, {40, 100}},
       .empty = {{5, 3}, {0, 4}}});
}

}  // namespace wengert::test
