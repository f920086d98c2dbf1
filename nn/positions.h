#pragma once

#include <cstdint>
#include <string>

#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

/// \file
/// Ways to tell attention, which does not know, where in a sequence something stands.

namespace wengert::nn {

struct SinusoidalPositionsOptions {
  std::int64_t length = 5000;  ///< of the longest sequence, for which the table is made
  double dropout = 0;          ///< of the sum, in training mode
  DType dtype = float32;
};

/// x + P with P[t, 2 i] = sin(t / 10000^(2 i / E)) and P[t, 2 i + 1] = cos of the same (Vaswani et al., 2017). x:
/// [..., L, E]. Nothing here is learned or saved.
class SinusoidalPositions : public Module {
 public:
  /// Throws Error unless width, E, and length are at least 1 and dropout is in [0, 1).
  explicit SinusoidalPositions(std::int64_t width, const SinusoidalPositionsOptions& options = {});

  /// Throws ShapeError unless x has E features and at most `length` steps.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Tensor table_;
  double dropout_;
};

struct LearnedPositionsOptions {
  double dropout = 0;  ///< of the sum, in training mode
  Initializer init = init::normal(0, 0.02);
  DType dtype = float32;
};

/// x + weight[t] with a learned row for each position (Gehring et al., Convolutional sequence to sequence learning,
/// 2017). x: [..., L, E].
class LearnedPositions : public Module {
 public:
  /// Throws Error unless length, of the longest sequence, and width, E, are at least 1 and dropout is in [0, 1).
  LearnedPositions(std::int64_t length, std::int64_t width, const LearnedPositionsOptions& options = {});

  /// Throws ShapeError unless x has E features and at most `length` steps.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< [length, E]

 private:
  double dropout_;
};

/// Turns feature i and feature i + E / 2 of step t, as the coordinates of a point, by the angle t / base^(2 i / E), so
/// that products of queries and keys depend on their distance only (Su et al., RoFormer, 2021; features are paired as
/// in LLaMA). x: [..., L, E]. Throws ShapeError unless E is even.
Tensor rotary_positions(const Tensor& x, double base = 10000);

}  // namespace wengert::nn
