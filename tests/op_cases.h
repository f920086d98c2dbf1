#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <wengert/autograd/ops.h>

/// \file
/// One table of cases drives the tests of all ops (op_cases_test.cpp, op_properties_test.cpp). A new op gets a row in
/// the file of its family in op_cases/, or several.

namespace wengert::test {

/// Position of an element; axes beyond the rank are 0.
using Index = std::array<std::int64_t, 8>;

/// Plain numbers for the references, which share no code with the library's ops.
struct Array {
  Shape shape;
  std::vector<double> data;

  /// Throws std::out_of_range outside the shape.
  double operator()(const Index& index) const { return data.at(offset(index)); }
  double& at(const Index& index) { return data.at(offset(index)); }

 private:
  std::size_t offset(const Index& index) const;
};

using Inputs = std::vector<Tensor>;
using Arrays = std::vector<Array>;

/// Numbers that an input of a case is filled with.
struct Input {
  enum class Kind {
    uniform,    // in [low, high)
    separated,  // in [low, high), all at a distance from each other, across all separated inputs of the case
    index,      // int64, in [low, high)
    condition,  // 0 or 1, takes no gradient
  };

  Shape shape;
  Kind kind = Kind::uniform;
  double low = -2;
  double high = 2;
  double gap = 0;                   // smallest distance of a uniform number from every kink
  std::vector<double> kinks = {0};  // of the op, farther apart than twice the gap
  double diagonal = 0;              // i + 1 times this is added at [i, i] of the last two axes

  bool differentiable() const { return kind == Kind::uniform || kind == Kind::separated; }
};

inline Input real(const Shape& shape) { return {.shape = shape}; }
inline Input nonzero(const Shape& shape) { return {.shape = shape, .gap = 0.1}; }
inline Input positive(const Shape& shape) { return {.shape = shape, .low = 0.5, .high = 2.5}; }
inline Input probability(const Shape& shape) { return {.shape = shape, .low = 0.1, .high = 0.9}; }
inline Input separated(const Shape& shape) { return {.shape = shape, .kind = Input::Kind::separated}; }
inline Input condition(const Shape& shape) { return {.shape = shape, .kind = Input::Kind::condition}; }
inline Input index_below(int bound, const Shape& shape) {
  return {.shape = shape, .kind = Input::Kind::index, .low = 0, .high = static_cast<double>(bound)};
}

class Draw;

/// A row of the table. What it says is checked in float64 and float32.
struct OpCase {
  /// As declared in ops.h: "tanh", "operator+". Every declared function needs as many rows as it has overloads.
  std::string name = {};
  /// Tells the rows of one op apart.
  std::string variant = {};
  std::vector<Input> inputs = {};

  /// One of the three: the op applied to the inputs.
  std::function<Tensor(const Inputs& inputs)> f = nullptr;
  Tensor (*unary)(const Tensor& x) = nullptr;
  Tensor (*binary)(const Tensor& a, const Tensor& b) = nullptr;

  /// At most one of the three: what is expected, element by element (the inputs broadcast) or as a whole. Without any,
  /// values are checked in the op's own test file.
  std::function<Array(const Arrays& inputs)> reference = nullptr;
  double (*unary_reference)(double x) = nullptr;
  double (*binary_reference)(double a, double b) = nullptr;

  /// Turns the row into one like it, drawn at random: gives the inputs other shapes, and `f` and the reference other
  /// options. Every op has a row with this; such a row's reference does not depend on the shapes that it began with.
  std::function<void(Draw& draw, OpCase& row)> vary = nullptr;

  /// False: the result never requires a gradient. Else gradients of order 1 and 2 are checked.
  bool gradient = true;
  /// Also takes int64, with the same values, truncated.
  bool int64 = false;
  /// Shapes of the inputs for which the work is split among threads; none: not checked.
  std::vector<Shape> big = {};
  /// Shapes of the inputs that give an empty result, or an empty sum; none: not checked.
  std::vector<Shape> empty = {};
  /// The last input may be left undefined.
  bool last_is_optional = false;
  /// How the op names itself in errors; `name` if not given. "-": there is nothing to reject.
  std::string error_prefix = {};
  /// |float32 - float64| <= tolerance * (1 + |float64|), for values and gradients.
  double float32_tolerance = 1e-5;

  Tensor apply(const Inputs& tensors) const;
  bool has_reference() const { return reference || unary_reference || binary_reference; }
  Array expected(const Arrays& arrays) const;
  /// "name" or "name, variant".
  std::string title() const;
};

const std::vector<OpCase>& op_cases();

/// Inputs of a case in a floating `dtype` (index inputs stay int64): the same numbers for both, exact in float32. Of
/// the shapes given, if any. With `requires_grad`, those that can have a gradient require one.
Inputs make_inputs(const OpCase& op_case, DType dtype, const std::vector<Shape>& shapes = {},
                   bool requires_grad = false);

/// The numbers of a tensor of any dtype.
Array to_array(const Tensor& tensor);

}  // namespace wengert::test
