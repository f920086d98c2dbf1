#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/op_cases.h"

/// \file
/// What the tests that go through the table of cases share.

namespace wengert::test {

using Property = bool (*)(const OpCase&);

/// The ops with such a row, in alphabetical order.
std::vector<std::string> ops_with(Property property);
/// A test's name for an op, which may be an operator.
std::string identifier(const testing::TestParamInfo<std::string>& info);

/// What is wrong with `actual`, nothing if |actual - expected| <= tolerance * (1 + |expected|) everywhere.
std::string difference(const Array& actual, const Array& expected, double tolerance);

/// A gradient to start backward from: numbers of size 1 in the output's dtype.
Tensor upstream_for(const Tensor& output);
/// The inputs that require a gradient.
std::vector<Tensor> differentiable(const Inputs& inputs);
/// Their gradients from `upstream_for(output)`; the graph stays.
std::vector<Tensor> gradients_of(const Tensor& output, const Inputs& inputs, bool create_graph = false);

/// `count` upstream gradients for `output`, [count, its shape...]: the first rows of a unit matrix, or random numbers.
enum class RowKind : std::uint8_t { unit, random };
Tensor rows_for(const Tensor& output, std::int64_t count, RowKind kind);
/// What is wrong with the gradients from `count` upstream gradients, at once, measured by those one by one: fused,
/// and recorded with the second order that follows from them.
std::string rows_difference(const OpCase& op_case, std::int64_t count, RowKind kind);

}  // namespace wengert::test
