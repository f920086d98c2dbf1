#pragma once

#include <map>
#include <string>
#include <vector>

/// \file
/// What ONNX's cases say about the ops of this library, for the tests and for the table of ops in the documentation.

namespace wengert::test::onnx {

/// ONNX's operators that are evaluated through an op, named as in ops.h, whether or not the package of cases is there.
std::vector<std::string> operators_through(const std::string& op);

/// How one of this library's ops is checked.
struct OpCoverage {
  std::vector<std::string> operators;  ///< ONNX's operators that are evaluated through it and have cases that pass
  int cases = 0;                       ///< how many of these operators' cases pass, those of graphs not counted
};

/// By the name of the op. Empty if the package of cases is missing.
std::map<std::string, OpCoverage> coverage();

/// Numbers of cases.
struct Count {
  int passed = 0;
  int failed = 0;
  std::map<std::string, int> left_out = {};  ///< by reason

  int all() const;
};

/// By ONNX's operator, those of graphs with several operators under `several_operators`.
std::map<std::string, Count> counts();
inline constexpr const char* several_operators = "(several)";

/// The counts as a table for people, with totals.
std::string table_of(const std::map<std::string, Count>& counts);

}  // namespace wengert::test::onnx
