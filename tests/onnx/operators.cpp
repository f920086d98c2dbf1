#include "tests/onnx/operators.h"

#include <algorithm>
#include <numeric>

namespace wengert::test::onnx {

namespace {

struct LeftOut {
  const char* reason;
  std::vector<std::string> operators;
};

const std::vector<LeftOut>& left_out() {
  static const std::vector<LeftOut> groups{
      {"control flow is C++'s", {"If", "Loop", "Scan"}},
      {"sequences, optional values and maps are no tensors",
       {"ConcatFromSequence", "OptionalGetElement", "OptionalHasElement", "SequenceAt", "SequenceConstruct",
        "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence"}},
      {"text is no tensor", {"StringNormalizer", "TfIdfVectorizer"}},
      {"no quantised numbers",
       {"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul",
        "QuantizeLinear"}},
      {"no bitwise ops", {"BitShift"}},
      {"random numbers of another generator", {"Bernoulli", "RandomUniformLike"}},
      {"an optimizer's step is no op", {"Adagrad", "Adam", "Momentum"}},
      {"no signal processing", {"BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT"}},
      {"no detection of objects, no sampling at coordinates", {"GridSample", "NonMaxSuppression", "RoiAlign"}},
      {"no op that finds distinct elements", {"Unique"}},
  };
  return groups;
}

std::vector<Operator> table() {
  std::vector<Operator> all;
  for (const auto& family : {elementwise_operators(), reduction_operators(), shape_operators(), index_operators(),
                             product_operators(), loss_operators(), norm_operators(), conv_operators(),
                             pool_operators(), resize_operators(), recurrent_operators()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  std::sort(all.begin(), all.end(), [](const Operator& a, const Operator& b) { return a.name < b.name; });
  return all;
}

}  // namespace

Tensor Call::input(std::size_t index) const {
  Tensor tensor = optional_input(index);
  check<Error>(tensor.defined(), "onnx: {} lacks input {}", node_.op, index);
  return tensor;
}

Tensor Call::optional_input(std::size_t index) const {
  inputs_read_.insert(index);
  if (index >= node_.inputs.size() || node_.inputs[index].empty()) return {};
  return value(node_.inputs[index]);
}

std::vector<Tensor> Call::inputs() const {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < node_.inputs.size(); ++i) tensors.push_back(input(i));
  return tensors;
}

std::vector<std::int64_t> Call::integers_input(std::size_t index) const {
  const Tensor tensor = optional_input(index);
  if (!tensor.defined()) return {};
  const auto numbers = tensor.data<std::int64_t>();
  return {numbers.begin(), numbers.end()};
}

Tensor Call::value(const std::string& name) const {
  const auto found = values_.find(name);
  check<Error>(found != values_.end(), "onnx: nothing gives '{}' a value, which {} takes", name, node_.op);
  return found->second;
}

const Attribute* Call::find(const std::string& name) const {
  attributes_read_.insert(name);
  const auto found = node_.attributes.find(name);
  return found == node_.attributes.end() ? nullptr : &found->second;
}

std::int64_t Call::integer(const std::string& attribute, std::int64_t otherwise) const {
  const Attribute* found = find(attribute);
  return found ? found->integer.value_or(0) : otherwise;
}

double Call::real(const std::string& attribute, double otherwise) const {
  const Attribute* found = find(attribute);
  return found ? found->real.value_or(0) : otherwise;
}

std::string Call::text(const std::string& attribute, const std::string& otherwise) const {
  const Attribute* found = find(attribute);
  return found ? found->text.value_or("") : otherwise;
}

std::vector<std::int64_t> Call::integers(const std::string& attribute) const {
  const Attribute* found = find(attribute);
  return found ? found->integers : std::vector<std::int64_t>{};
}

std::vector<double> Call::reals(const std::string& attribute) const {
  const Attribute* found = find(attribute);
  return found ? found->reals : std::vector<double>{};
}

std::vector<std::string> Call::texts(const std::string& attribute) const {
  const Attribute* found = find(attribute);
  return found ? found->texts : std::vector<std::string>{};
}

Tensor Call::tensor(const std::string& attribute) const {
  const Attribute* found = find(attribute);
  return found && found->tensor ? found->tensor->tensor() : Tensor();
}

void Call::check_all_was_read() const {
  for (const auto& [name, attribute] : node_.attributes) {
    check<Error>(attributes_read_.count(name) == 1, "onnx: {} has an attribute '{}' that is not taken into account",
                 node_.op, name);
  }
  for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
    check<Error>(node_.inputs[i].empty() || inputs_read_.count(i) == 1,
                 "onnx: {} has an input {} that is not taken into account", node_.op, i);
  }
}

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = table();
  return all;
}

const Operator* find_operator(const std::string& name) {
  const auto& all = operators();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Operator& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string reason_left_out(const std::string& name) {
  for (const LeftOut& group : left_out()) {
    const auto& names = group.operators;
    if (std::find(names.begin(), names.end(), name) != names.end()) return group.reason;
  }
  return {};
}

Tensor from_the_front(const Tensor& index, std::int64_t size) {
  return where(index < 0, index + static_cast<double>(size), index);
}

Tensor move_axis(const Tensor& x, int from, int to) {
  std::vector<int> order(static_cast<std::size_t>(x.rank()));
  std::iota(order.begin(), order.end(), 0);
  const int source = normalize_axis("onnx", from, x.rank());
  order.erase(order.begin() + source);
  order.insert(order.begin() + normalize_axis("onnx", to, x.rank()), source);
  return permute(x, order);
}

Axes to_axes(const std::vector<std::int64_t>& axes) { return {axes.begin(), axes.end()}; }

}  // namespace wengert::test::onnx
