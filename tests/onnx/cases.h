#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/onnx/model.h"
#include "tests/onnx/operators.h"

/// \file
/// The cases of Debian's package libonnx-testdata: a folder each, with a model and the tensors that go in and come out.

namespace wengert::test::onnx {

/// Where the package's folders `node`, `simple` and others are: the environment variable WENGERT_ONNX_TESTDATA, else
/// the CMake variable of the same name.
std::filesystem::path data_folder();
/// Whether the package is there.
bool has_data();
/// What a test that needs it says when it is not.
std::string no_data_message();

/// What is known of how many cases pass, and what docs/ops.md says, is of this version of the package.
inline constexpr const char* known_version = "1.12";
/// Whether the package is there and has as many cases as that version.
bool has_known_version();

struct Case {
  std::string name;  // "node/test_abs"
  std::filesystem::path folder;
  bool has_model = false;  // else the package says only where on the net it is
  Model model = {};

  /// The one operator, besides constants, that the model has; empty if it has several.
  std::string op() const;
};

/// All cases of the package, in the order of their names; none if it is missing.
const std::vector<Case>& cases();
/// Those of one operator.
std::vector<const Case*> cases_of(const std::string& op);

/// The values of a graph's outputs, from those of its inputs. All of its operators must be in the table.
std::vector<Tensor> evaluate(const Model& model, Values values);

struct Result {
  enum class Outcome : std::uint8_t { passed, failed, left_out };
  Outcome outcome;
  std::string text = {};  // what differs, or why it is left out
};

/// Evaluates a case and compares what comes out.
Result run(const Case& one);
/// The result of each of `cases()`, once computed.
const std::vector<Result>& results();

/// What differs between a tensor and the one that is expected: dtype, shape, or an element; empty if nothing does.
std::string difference(const Tensor& actual, const Tensor& expected, Accuracy accuracy);

}  // namespace wengert::test::onnx
