#include "tests/op_cases/rows.h"

namespace wengert::test {

void add_shape_ops(Table& t) {
  t.push_back({.name = "reshape",
               .variant = "list",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return reshape(in[0], {4, -1});
                   },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {4, 6});
                   },
               .int64 = true,
               .empty = {{4, 0}}});
  t.push_back({.name = "reshape",
               .variant = "shape",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return reshape(in[0], Shape{4, 6});
                   },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {4, 6});
                   },
               .int64 = true});
  t.push_back({.name = "flatten",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return flatten(in[0], 1); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {2, 12});
                   },
               .int64 = true,
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "transpose",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return transpose(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 4, 3}, [&](const Index& i) { return in[0]({i[0], i[2], i[1]}); });
                   },
               .int64 = true,
               .big = {{3, 300, 200}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "transpose",
               .variant = "outer axes",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return transpose(in[0], 0, 1); },
               .reference =
                   [](From in) {
                     return make({3, 2, 4}, [&](const Index& i) { return in[0]({i[1], i[0], i[2]}); });
                   },
               .int64 = true});
  t.push_back({.name = "permute",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return permute(in[0], {2, 0, 1});
                   },
               .reference =
                   [](From in) {
                     return make({4, 2, 3}, [&](const Index& i) { return in[0]({i[1], i[2], i[0]}); });
                   },
               .int64 = true,
               .big = {{30, 50, 100}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "squeeze",
               .inputs = {real({1, 3, 1, 2})},
               .f = [](In in) { return squeeze(in[0]); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {3, 2});
                   },
               .int64 = true,
               .empty = {{1, 0}}});
  t.push_back({.name = "squeeze",
               .variant = "one axis",
               .inputs = {real({1, 3, 1, 2})},
               .f = [](In in) { return squeeze(in[0], {-2}); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {1, 3, 2});
                   },
               .int64 = true});
  t.push_back({.name = "unsqueeze",
               .inputs = {real({3, 2})},
               .f = [](In in) { return unsqueeze(in[0], -1); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {3, 2, 1});
                   },
               .int64 = true,
               .empty = {{0, 3}}});
  t.push_back({.name = "broadcast_to",
               .inputs = {real({3, 1})},
               .f =
                   [](In in) {
                     return broadcast_to(in[0], {2, 3, 5});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 5}, [&](const Index& i) { return in[0]({i[1]}); });
                   },
               .int64 = true});
  t.push_back({.name = "broadcast_to",
               .variant = "leading axis",
               .inputs = {real({3, 2})},
               .f =
                   [](In in) {
                     return broadcast_to(in[0], {4, in[0].dim(0), in[0].dim(1)});
                   },
               .reference =
                   [](From in) {
                     return make({4, 3, 2}, [&](const Index& i) { return in[0]({i[1], i[2]}); });
                   },
               .int64 = true,
               .big = {{300, 100}},
               .empty = {{0, 2}},
               .error_prefix = "-"});
  t.push_back({.name = "cat",
               .inputs = {real({2, 3}), real({2, 1}), real({2, 2})},
               .f = [](In in) { return cat(in, 1); },
               .reference =
                   [](From in) {
                     return make({2, 6}, [&](const Index& i) {
                       return i[1] < 3 ? in[0](i) : i[1] < 4 ? in[1]({i[0], i[1] - 3}) : in[2]({i[0], i[1] - 4});
                     });
                   },
               .int64 = true,
               .big = {{200, 300}, {200, 200}, {200, 100}},
               .empty = {{0, 3}, {0, 1}, {0, 0}}});
  t.push_back(
      {.name = "stack",
       .inputs = {real({2, 3}), real({2, 3})},
       .f = [](In in) { return stack(in, 1); },
       .reference =
           [](From in) {
             return make({2, 2, 3}, [&](const Index& i) { return in[static_cast<std::size_t>(i[1])]({i[0], i[2]}); });
           },
       .int64 = true,
       .big = {{200, 300}, {200, 300}},
       .empty = {{0, 3}, {0, 3}}});
  t.push_back({.name = "slice",
               .variant = "with a step",
               .inputs = {real({3, 7})},
               .f = [](In in) { return slice(in[0], 1, 1, -1, 2); },
               .reference =
                   [](From in) {
                     return make({3, 3}, [&](const Index& i) { return in[0]({i[0], 1 + 2 * i[1]}); });
                   },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 3}}});
  t.push_back({.name = "slice",
               .variant = "leading axis",
               .inputs = {real({5, 2})},
               .f = [](In in) { return slice(in[0], 0, 1, 4); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) { return in[0]({1 + i[0], i[1]}); });
                   },
               .int64 = true,
               .empty = {{1, 2}}});
  t.push_back({.name = "select",
               .inputs = {real({3, 4, 2})},
               .f = [](In in) { return select(in[0], 1, -1); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) { return in[0]({i[0], 3, i[1]}); });
                   },
               .int64 = true,
               .empty = {{0, 2, 3}}});
  t.push_back({.name = "pad",
               .inputs = {real({2, 3})},
               .f =
                   [](In in) {
                     return pad(in[0], {1, 0}, {2, 1}, 4);
                   },
               .reference =
                   [](From in) {
                     return make({5, 4}, [&](const Index& i) {
                       return i[0] < 1 || i[0] > 2 || i[1] > 2 ? 4 : in[0]({i[0] - 1, i[1]});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 0}}});
}

namespace {

/// `x` gathered along axis 1 of rows of any length, with the position in it from `f(i)`.
template <class F>
Array moved_along_rows(const Array& x, std::int64_t columns, F f) {
  return make({x.shape[0], columns}, [&](const Index& i) { return x({i[0], f(i[1])}); });
}

}  // namespace

void add_more_shape_ops(Table& t) {
  t.push_back({.name = "slice",
               .variant = "backwards",
               .inputs = {real({3, 7})},
               .f = [](In in) { return slice(in[0], 1, -2, -100, -2); },
               .reference = [](From in) { return moved_along_rows(in[0], 3, [](auto i) { return 5 - 2 * i; }); },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 7}}});
  t.push_back({.name = "slice",
               .variant = "leading axis backwards",
               .inputs = {real({4, 2})},
               .f = [](In in) { return slice(in[0], 0, 2, 0, -1); },
               .reference =
                   [](From in) {
                     return make({2, 2}, [&](const Index& i) { return in[0]({2 - i[0], i[1]}); });
                   },
               .int64 = true,
               .empty = {{0, 2}}});
  t.push_back({.name = "pad",
               .variant = "reflect",
               .inputs = {real({3, 4})},
               .f =
                   [](In in) {
                     return pad(in[0], {2, 1}, {0, 3}, PadMode::reflect);
                   },
               .reference =
                   [](From in) {
                     return make({5, 8}, [&](const Index& i) {
                       return in[0]({std::abs(i[0] - 2), 3 - std::abs(3 - std::abs(i[1] - 1))});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}}});
  t.push_back({.name = "pad",
               .variant = "replicate",
               .inputs = {real({3, 4})},
               .f =
                   [](In in) {
                     return pad(in[0], {2, 1}, {0, 5}, PadMode::replicate);
                   },
               .reference =
                   [](From in) {
                     return make({5, 10}, [&](const Index& i) {
                       return in[0]({std::max<std::int64_t>(i[0] - 2, 0), std::clamp<std::int64_t>(i[1] - 1, 0, 3)});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}}});
  t.push_back(
      {.name = "split",
       .variant = "sizes",
       .inputs = {real({2, 6})},
       .f =
           [](In in) {
             const auto parts = split(in[0], {1, 2, 0, 3}, 1);
             return cat({parts[3], parts[1]}, 1);
           },
       .reference = [](From in) { return moved_along_rows(in[0], 5, [](auto i) { return i < 3 ? i + 3 : i - 2; }); },
       .int64 = true,
       .empty = {{0, 6}}});
  t.push_back({.name = "split",
               .variant = "one size",
               .inputs = {real({2, 7})},
               .f = [](In in) { return split(in[0], 3, 1)[2]; },
               .reference = [](From in) { return moved_along_rows(in[0], 1, [](auto) { return 6; }); },
               .int64 = true,
               .empty = {{0, 7}}});
  t.push_back(
      {.name = "chunk",
       .inputs = {real({2, 7})},
       .f =
           [](In in) {
             const auto parts = chunk(in[0], 3, 1);
             return cat({parts[2], parts[0]}, 1);
           },
       .reference = [](From in) { return moved_along_rows(in[0], 4, [](auto i) { return i == 0 ? 6 : i - 1; }); },
       .int64 = true,
       .empty = {{0, 7}}});
  t.push_back({.name = "flip",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return flip(in[0], {0, -1});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return in[0]({1 - i[0], i[1], 3 - i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 40, 100}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "flip",
               .variant = "all axes",
               .inputs = {real({2, 3})},
               .f = [](In in) { return flip(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 3}, [&](const Index& i) { return in[0]({1 - i[0], 2 - i[1]}); });
                   },
               .int64 = true});
  t.push_back({.name = "roll",
               .inputs = {real({2, 5})},
               .f = [](In in) { return roll(in[0], -7); },
               .reference = [](From in) { return moved_along_rows(in[0], 5, [](auto i) { return (i + 7) % 5; }); },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{2, 0}}});
  t.push_back({.name = "repeat",
               .inputs = {real({2, 3, 2})},
               .f = [](In in) { return repeat(in[0], 3, 1); },
               .reference =
                   [](From in) {
                     return make({2, 9, 2}, [&](const Index& i) { return in[0]({i[0], i[1] / 3, i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 40, 50}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "tile",
               .inputs = {real({2, 3})},
               .f =
                   [](In in) {
                     return tile(in[0], {2, 1, 3});
                   },
               .reference =
                   [](From in) {
                     return make({2, 2, 9}, [&](const Index& i) { return in[0]({i[1], i[2] % 3}); });
                   },
               .int64 = true,
               .big = {{100, 300}},
               .empty = {{0, 3}}});
  t.push_back({.name = "unfold",
               .inputs = {real({2, 7, 2})},
               .f = [](In in) { return unfold(in[0], 1, 3, 2); },
               .reference =
                   [](From in) {
                     return make({2, 3, 2, 3}, [&](const Index& i) { return in[0]({i[0], 2 * i[1] + i[3], i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 100, 40}},
               .empty = {{0, 7, 2}}});
  t.push_back({.name = "meshgrid",
               .inputs = {real({3}), real({4})},
               .f =
                   [](In in) {
                     const auto grid = meshgrid(in);
                     return grid[0] - grid[1];
                   },
               .reference =
                   [](From in) {
                     return make({3, 4}, [&](const Index& i) { return in[0]({i[0]}) - in[1]({i[1]}); });
                   },
               .int64 = true,
               .empty = {{0}, {4}}});
  t.push_back({.name = "tril",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return tril(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return i[2] <= i[1] ? in[0](i) : 0; });
                   },
               .int64 = true,
               .empty = {{0, 3, 4}}});
  t.push_back({.name = "triu",
               .variant = "below the diagonal",
               .inputs = {real({4, 3})},
               .f = [](In in) { return triu(in[0], -1); },
               .reference =
                   [](From in) {
                     return make({4, 3}, [&](const Index& i) { return i[1] - i[0] >= -1 ? in[0](i) : 0; });
                   },
               .int64 = true,
               .empty = {{0, 3}}});
  t.push_back({.name = "diagonal",
               .inputs = {real({2, 3, 5})},
               .f = [](In in) { return diagonal(in[0], 1); },
               .reference =
                   [](From in) {
                     return make({2, 3}, [&](const Index& i) { return in[0]({i[0], i[1], i[1] + 1}); });
                   },
               .int64 = true,
               .empty = {{0, 3, 5}}});
  t.push_back({.name = "diag",
               .variant = "of a vector",
               .inputs = {real({3})},
               .f = [](In in) { return diag(in[0], -1); },
               .reference =
                   [](From in) {
                     return make({4, 4}, [&](const Index& i) { return i[0] == i[1] + 1 ? in[0]({i[1]}) : 0; });
                   },
               .int64 = true,
               .empty = {{0}}});
  t.push_back({.name = "diag",
               .variant = "of a matrix",
               .inputs = {real({4, 3})},
               .f = [](In in) { return diag(in[0], -2); },
               .reference = [](From in) { return make({2}, [&](const Index& i) {
                                            return in[0]({i[0] + 2, i[0]});
                                          }); },
               .int64 = true,
               .empty = {{0, 3}}});
}

}  // namespace wengert::test
