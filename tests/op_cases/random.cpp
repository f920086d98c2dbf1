#include <numbers>

#include <wengert/autograd/philox.h>

#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

// What an op draws is what a generator with this seed says, in both types; what it should be like is in
// random_ops_test.cpp. Rows with a reference hold for every draw.

constexpr std::uint64_t fixed_seed = 7;

/// `f(generator)` with a generator at its beginning.
template <class F>
Tensor from_start(F f) {
  Generator generator(fixed_seed);
  return f(generator);
}

/// Word `i` of the stream of a seed.
std::uint32_t word(std::uint32_t seed, std::size_t i) {
  return philox4x32({static_cast<std::uint32_t>(i / 4), 0, 0, 0}, {seed, 0})[i % 4];
}

/// 53 random bits from words 2 i and 2 i + 1.
double wide_word(std::uint32_t seed, std::size_t i) {
  const std::uint64_t bits = std::uint64_t{word(seed, 2 * i)} << 32 | word(seed, 2 * i + 1);
  return static_cast<double>(bits >> 11);
}

/// Number `i` of a uniform draw: the highest bits of a word in float32, of two words in float64.
double uniform_number(std::uint32_t seed, std::size_t i, DType dtype) {
  return dtype == float32 ? static_cast<double>(word(seed, i) >> 8) * 0x1p-24 : wide_word(seed, i) * 0x1p-53;
}

/// Number `i` of a normal draw: Box and Muller's cosine, then sine, of a pair of uniform numbers, the first above 0.
double normal_number(std::uint32_t seed, std::size_t i, DType dtype) {
  const std::size_t first = i - i % 2;
  const bool single = dtype == float32;
  const double u = single ? (word(seed, first) + 1.0) * 0x1p-32 : (wide_word(seed, first) + 1) * 0x1p-53;
  const double v = single ? word(seed, first + 1) * 0x1p-32 : wide_word(seed, first + 1) * 0x1p-53;
  const double angle = 2 * std::numbers::pi * v;
  const double z = std::sqrt(-2 * std::log(u)) * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
  return single ? static_cast<float>(z) : z;
}

/// Any shape, type and seed for `rand` or `randn`.
void any_draw(Draw& draw, OpCase& row) {
  const Shape shape = draw.shape(0, 4, 0);
  const auto dtype = draw.one_of({float32, float64});
  const auto seed = static_cast<std::uint32_t>(draw.integer(0, 1000));
  const bool is_normal = row.name == "randn";
  row.f = [=](In) {
    Generator generator(seed);
    return is_normal ? randn(shape, dtype, generator) : rand(shape, dtype, generator);
  };
  row.reference = [=](From) {
    std::size_t next = 0;
    return make(shape, [&](const Index&) {
      const std::size_t i = next++;
      return is_normal ? normal_number(seed, i, dtype) : uniform_number(seed, i, dtype);
    });
  };
}

/// A word below (1 - p) 2^32 keeps its element.
void any_dropout(Draw& draw, OpCase& row) {
  any_shape(draw, row);
  const double p = draw.one_of({0.0, 0.25, 0.875});
  const bool training = draw.coin();
  const auto seed = static_cast<std::uint32_t>(draw.integer(0, 1000));
  row.f = [=](In in) {
    Generator generator(seed);
    return dropout(in[0], p, training, generator);
  };
  row.reference = [=](From in) {
    std::size_t next = 0;
    return make(in[0].shape, [&](const Index& i) {
      const bool kept = word(seed, next++) < (1 - p) * 0x1p32;
      return training ? (kept ? in[0](i) / (1 - p) : 0) : in[0](i);
    });
  };
}

/// 1 where x is in [low, high).
Tensor is_inside(const Tensor& x, double low, double high) { return logical_and(x >= low, x < high); }

Array ones_of(const Shape& shape) {
  return make(shape, [](auto) { return 1.0; });
}

Array counted(std::int64_t n) {
  return make({n}, [](const Index& i) { return static_cast<double>(i[0]); });
}

void add_creation(Table& t) {
  t.push_back({.name = "rand",
               .f = [](In) { return from_start([](Generator& g) {
                               return rand({300, 400}, float32, g);
                             }); },
               .vary = any_draw,
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randn",
               .f = [](In) { return from_start([](Generator& g) {
                               return randn({300, 400}, float32, g);
                             }); },
               .vary = any_draw,
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randint",
               .f = [](In) { return from_start([](Generator& g) {
                               return randint(-5, 1000, {300, 400}, g);
                             }); },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randint",
               .variant = "within its bounds",
               .f = [](In) { return from_start([](Generator& g) { return is_inside(randint(3, 5, {30}, g), 3, 5); }); },
               .reference = [](From) { return ones_of({30}); },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     const Shape shape = draw.shape(0, 4, 0);
                     const std::int64_t low = draw.integer(-10, 10);
                     const std::int64_t high = low + draw.integer(1, 5);
                     row.f = [=](In) {
                       return from_start([&](Generator& g) {
                         return is_inside(randint(low, high, shape, g), static_cast<double>(low),
                                          static_cast<double>(high));
                       });
                     };
                     row.reference = [=](From) { return ones_of(shape); };
                   },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randperm",
               .f = [](In) { return from_start([](Generator& g) { return randperm(100000, g); }); },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randperm",
               .variant = "in order",
               .f = [](In) { return from_start([](Generator& g) { return sort(randperm(30, g)).values; }); },
               .reference = [](From) { return counted(30); },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     const std::int64_t n = draw.integer(0, 50);
                     row.f = [=](In) { return from_start([=](Generator& g) { return sort(randperm(n, g)).values; }); };
                     row.reference = [=](From) { return counted(n); };
                   },
               .gradient = false,
               .error_prefix = "-"});
}

/// Indices in ascending order of as many draws without replacement as there are classes: each once.
Tensor all_classes(const Tensor& weights) {
  return from_start(
      [&](Generator& g) { return sort(multinomial(weights, weights.shape()[weights.rank() - 1], false, g)).values; });
}

/// Draws with replacement from the classes whose weight is not 0, of which there is one in each row.
Tensor only_class(const Tensor& index, std::int64_t classes, std::int64_t count) {
  return from_start([&](Generator& g) { return multinomial(one_hot(index, classes), count, true, g); });
}

void add_choices(Table& t) {
  t.push_back({.name = "bernoulli",
               .inputs = {probability({4, 5})},
               .f = [](In in) { return from_start([&](Generator& g) { return bernoulli(in[0], g); }); },
               .vary = any_shape,
               .gradient = false,
               .big = {{300, 400}},
               .empty = {{0, 3}}});
  t.push_back({.name = "bernoulli",
               .variant = "certain",
               .inputs = {condition({4, 5})},
               .f = [](In in) { return from_start([&](Generator& g) { return bernoulli(in[0], g); }); },
               .reference = [](From in) { return in[0]; },
               .vary = any_shape,
               .gradient = false});
  t.push_back({.name = "multinomial",
               .inputs = {positive({4, 5})},
               .f = [](In in) { return from_start([&](Generator& g) { return multinomial(in[0], 3, false, g); }); },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     row.inputs[0].shape = draw.shape(1, 3);
                     const bool replacement = draw.coin();
                     const std::int64_t classes = row.inputs[0].shape[row.inputs[0].shape.rank() - 1];
                     const std::int64_t count = draw.integer(0, replacement ? 8 : classes);
                     row.f = [=](In in) {
                       return from_start([&](Generator& g) { return multinomial(in[0], count, replacement, g); });
                     };
                   },
               .gradient = false,
               .big = {{3000, 40}},
               .empty = {{0, 5}}});
  t.push_back({.name = "multinomial",
               .variant = "with replacement",
               .inputs = {positive({4, 5})},
               .f = [](In in) { return from_start([&](Generator& g) { return multinomial(in[0], 50, true, g); }); },
               .gradient = false,
               .big = {{3000, 40}},
               .empty = {{0, 5}}});
  t.push_back({.name = "multinomial",
               .variant = "all classes",
               .inputs = {positive({4, 5})},
               .f = [](In in) { return all_classes(in[0]); },
               .reference =
                   [](From in) {
                     const auto last = static_cast<std::size_t>(in[0].shape.rank() - 1);
                     return make(in[0].shape, [=](const Index& i) { return static_cast<double>(i[last]); });
                   },
               .vary = [](Draw& draw, OpCase& row) { row.inputs[0].shape = draw.shape(1, 3); },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "multinomial",
               .variant = "one class",
               .inputs = {index_below(6, {4})},
               .f = [](In in) { return only_class(in[0], 6, 5); },
               .reference =
                   [](From in) {
                     return make({in[0].shape[0], 5}, [&](const Index& i) { return in[0]({i[0]}); });
                   },
               .vary = [](Draw& draw, OpCase& row) { row.inputs[0].shape = {draw.size()}; },
               .gradient = false,
               .error_prefix = "-"});
}

}  // namespace

void add_random(Table& t) {
  add_creation(t);
  add_choices(t);
  // In double for both types, which draw different numbers.
  t.push_back({.name = "normal",
               .inputs = {real({3, 1, 5}), positive({4, 1})},
               .f =
                   [](In in) {
                     return from_start([&](Generator& g) {
                       return normal(in[0].to(float64), in[1].to(float64), g).to(in[0].dtype());
                     });
                   },
               .reference =
                   [](From in) {
                     const Shape shape = broadcast_shapes("reference", in[0].shape, in[1].shape);
                     const Array e = to_array(from_start([&](Generator& g) { return randn(shape, float64, g); }));
                     return make(shape, [&](const Index& i) {
                       return broadcast(in[0], i, shape.rank()) + broadcast(in[1], i, shape.rank()) * e(i);
                     });
                   },
               .vary = any_broadcast,
               .big = {{40, 1, 100}, {50, 100}},
               .empty = {{2, 0, 1}, {3}},
               .error_prefix = "-"});
  t.push_back({.name = "dropout",
               .inputs = {nonzero({4, 5})},
               .f = [](In in) { return from_start([&](Generator& g) { return dropout(in[0], 0.25, true, g); }); },
               .vary = any_dropout,
               .big = {{300, 400}},
               .empty = {{0, 3}}});
}

}  // namespace wengert::test
