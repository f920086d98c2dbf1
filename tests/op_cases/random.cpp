#include <numbers>

#include <wengert/autograd/philox.h>

#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

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

}  // namespace

void add_random(Table& t) {
  t.push_back({.name = "rand",
               .f =
                   [](In) {
                     Generator generator(7);
                     return rand({300, 400}, float32, generator);
                   },
               .vary = any_draw,
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randn",
               .f =
                   [](In) {
                     Generator generator(7);
                     return randn({300, 400}, float32, generator);
                   },
               .vary = any_draw,
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "dropout",
               .inputs = {nonzero({4, 5})},
               .f =
                   [](In in) {
                     Generator generator(7);
                     return dropout(in[0], 0.25, true, generator);
                   },
               .vary = any_dropout,
               .big = {{300, 400}},
               .empty = {{0, 3}}});
}

}  // namespace wengert::test
