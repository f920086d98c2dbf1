#include "tests/onnx/cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "tests/expect.h"

namespace wengert::test::onnx {

namespace {

/// The version of the standard operators up to which their functions follow the specification.
constexpr std::int64_t latest_opset = 17;

constexpr const char* constant_op = "Constant";
constexpr const char* gradient_op = "Gradient";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  check<IoError>(file.good(), "onnx: '{}' cannot be opened", path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<Case> find_cases() {
  std::vector<Case> found;
  if (!has_data()) return found;
  for (const auto& group : sorted_entries(data_folder())) {
    for (const auto& folder : sorted_entries(group)) {
      Case one{.name = (group.filename() / folder.filename()).string(), .folder = folder};
      const auto path = folder / "model.onnx";
      one.has_model = std::filesystem::exists(path);
      if (one.has_model) one.model = parse_model(read_file(path));
      found.push_back(std::move(one));
    }
  }
  return found;
}

/// "test_data_set_0/input_1.pb" and so on of a case.
Tensor read_tensor(const Case& one, const std::string& kind, std::size_t number) {
  const auto path = one.folder / "test_data_set_0" / fmt::format("{}_{}.pb", kind, number);
  return parse_tensor(read_file(path)).tensor();
}

/// Throws Unsupported unless each of the operators can be evaluated.
void check_operators(const Model& model) {
  if (model.opset > latest_opset) throw Unsupported(fmt::format("a specification after version {}", latest_opset));
  for (const Node& node : model.nodes) {
    if (find_operator(node.op)) continue;
    const std::string reason = reason_left_out(node.op);
    if (reason.empty() && model.opset == 0) throw Unsupported("operators beside the standard ones");
    check<Error>(!reason.empty(), "onnx: operator {} is neither evaluated nor left out for a reason", node.op);
    throw Unsupported(reason);
  }
}

void check_single_operator_is_an_op(const Case& one) {
  const std::string name = one.op();
  const Operator* op = name.empty() ? nullptr : find_operator(name);
  if (op && op->ops.empty()) throw Unsupported("nothing to compute");
}

/// A graph is as accurate as its least accurate operator.
Accuracy accuracy_of(const Case& one) {
  // The results of the signal windows were computed with 3.1415 for pi.
  if (one.name.find("window") != std::string::npos) return Accuracy::coarse;
  Accuracy accuracy = Accuracy::exact;
  for (const Node& node : one.model.nodes) accuracy = std::max(accuracy, find_operator(node.op)->accuracy);
  return accuracy;
}

struct Tolerance {
  double relative;
  double absolute;
};

Tolerance tolerance_of(Accuracy accuracy, DType dtype) {
  if (accuracy == Accuracy::exact || dtype == int64) return {.relative = 0, .absolute = 0};
  if (accuracy == Accuracy::coarse) return {.relative = 1e-3, .absolute = 1e-7};
  return dtype == float32 ? Tolerance{.relative = 1e-5, .absolute = 1e-6}
                          : Tolerance{.relative = 1e-12, .absolute = 1e-13};
}

bool close(double actual, double expected, const Tolerance& tolerance) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (actual == expected || std::isinf(expected)) return actual == expected;
  return std::abs(actual - expected) <= tolerance.absolute + tolerance.relative * std::abs(expected);
}

}  // namespace

std::filesystem::path data_folder() {
  const char* given = std::getenv("WENGERT_ONNX_TESTDATA");
  return given ? given : WENGERT_ONNX_TESTDATA;
}

bool has_data() { return std::filesystem::is_directory(data_folder() / "node"); }

std::string no_data_message() {
  return fmt::format("no ONNX test data in '{}': tools/setup installs Debian's package libonnx-testdata",
                     data_folder().string());
}

std::string Case::op() const {
  std::string only;
  for (const Node& node : model.nodes) {
    if (node.op == constant_op && model.nodes.size() > 1) continue;
    if (!only.empty()) return {};
    only = node.op;
  }
  return only;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = find_cases();
  return all;
}

bool has_known_version() { return cases().size() == 1081; }

std::vector<const Case*> cases_of(const std::string& op) {
  std::vector<const Case*> found;
  for (const Case& one : cases()) {
    if (one.op() == op) found.push_back(&one);
  }
  return found;
}

std::vector<Tensor> evaluate(const Model& model, Values values) {
  for (const TensorData& data : model.initializers) values[data.name] = data.tensor();
  for (const Node& node : model.nodes) {
    const Call call(node, model.opset, values);
    const Outputs outputs = find_operator(node.op)->evaluate(call);
    call.check_all_was_read();
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (!call.wants(i)) continue;
      check<Error>(i < outputs.size() && outputs[i].defined(), "onnx: {} gives no output {}", node.op, i);
      values[node.outputs[i]] = outputs[i];
    }
  }
  std::vector<Tensor> results;
  for (const std::string& name : model.outputs) results.push_back(values.at(name));
  return results;
}

Result run(const Case& one) {
  using Outcome = Result::Outcome;
  try {
    if (!one.has_model) throw Unsupported("the package has no such model, only its address");
    check_operators(one.model);
    if (!one.model.tensors_only) throw Unsupported("sequences, optional values and maps are no tensors");
    for (const ElementType type : one.model.types) dtype_of(type);
    check_single_operator_is_an_op(one);
    const auto& nodes = one.model.nodes;
    const bool differentiated =
        std::any_of(nodes.begin(), nodes.end(), [](const Node& node) { return node.op == gradient_op; });
    Values values;
    for (std::size_t i = 0; i < one.model.inputs.size(); ++i) {
      values[one.model.inputs[i]] = read_tensor(one, "input", i).requires_grad(differentiated);
    }
    std::vector<Tensor> expected;
    for (std::size_t i = 0; i < one.model.outputs.size(); ++i) expected.push_back(read_tensor(one, "output", i));
    const std::vector<Tensor> actual = evaluate(one.model, std::move(values));
    const Accuracy accuracy = accuracy_of(one);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::string text = difference(actual[i], expected[i], accuracy);
      if (!text.empty()) return {Outcome::failed, fmt::format("output {}: {}", one.model.outputs[i], text)};
    }
    return {Outcome::passed};
  } catch (const Unsupported& reason) {
    return {Outcome::left_out, reason.what()};
  } catch (const std::exception& error) {
    return {Outcome::failed, error.what()};
  }
}

const std::vector<Result>& results() {
  static const std::vector<Result> all = [] {
    std::vector<Result> computed;
    for (const Case& one : cases()) computed.push_back(run(one));
    return computed;
  }();
  return all;
}

std::string difference(const Tensor& actual, const Tensor& expected, Accuracy accuracy) {
  if (actual.dtype() != expected.dtype()) {
    return fmt::format("dtype is {}, expected {}", actual.dtype(), expected.dtype());
  }
  if (actual.shape() != expected.shape()) {
    return fmt::format("shape is {}, expected {}", actual.shape(), expected.shape());
  }
  const Tolerance tolerance = tolerance_of(accuracy, expected.dtype());
  const auto actual_values = values_of(actual);
  const auto expected_values = values_of(expected);
  for (std::size_t i = 0; i < expected_values.size(); ++i) {
    if (!close(actual_values[i], expected_values[i], tolerance)) {
      return fmt::format("element {} of shape {} is {}, expected {}", i, expected.shape(), actual_values[i],
                         expected_values[i]);
    }
  }
  return {};
}

}  // namespace wengert::test::onnx
