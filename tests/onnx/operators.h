#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/ops.h>

#include "tests/onnx/model.h"

/// \file
/// ONNX's operators in terms of this library's ops. An operator's function maps attributes to options and puts ops
/// together; the numbers come from ops alone. Truth values are int64 tensors of 0 and 1.

namespace wengert::test::onnx {

using Values = std::map<std::string, Tensor>;

/// One node, with its inputs' values, on its way through an operator's function. It notes what the function asks for:
/// a node may not have an attribute or an input that nobody looked at.
class Call {
 public:
  Call(const Node& node, std::int64_t opset, const Values& values) : node_(node), opset_(opset), values_(values) {}

  /// The version of the standard operators' specification that the model keeps to.
  std::int64_t opset() const { return opset_; }

  /// Throws Error if it is left out.
  Tensor input(std::size_t index) const;
  /// Undefined if it is left out.
  Tensor optional_input(std::size_t index) const;
  /// All of them, for an operator that takes any number.
  std::vector<Tensor> inputs() const;
  /// The numbers of an input that says how to compute, such as a shape or axes; none if it is left out.
  std::vector<std::int64_t> integers_input(std::size_t index) const;
  std::size_t input_count() const { return node_.inputs.size(); }
  std::size_t output_count() const { return node_.outputs.size(); }
  /// Whether the node has this output, and somebody wants it.
  bool wants(std::size_t output) const { return output < output_count() && !node_.outputs[output].empty(); }
  /// A value of the graph by its name.
  Tensor value(const std::string& name) const;

  bool has(const std::string& attribute) const { return find(attribute) != nullptr; }
  std::int64_t integer(const std::string& attribute, std::int64_t otherwise) const;
  int axis(const std::string& attribute, int otherwise) const {
    return static_cast<int>(integer(attribute, otherwise));
  }
  bool flag(const std::string& attribute, bool otherwise = false) const { return integer(attribute, otherwise) != 0; }
  double real(const std::string& attribute, double otherwise) const;
  std::string text(const std::string& attribute, const std::string& otherwise) const;
  /// Empty if the node does not have it.
  std::vector<std::int64_t> integers(const std::string& attribute) const;
  std::vector<double> reals(const std::string& attribute) const;
  std::vector<std::string> texts(const std::string& attribute) const;
  /// Undefined if the node does not have it.
  Tensor tensor(const std::string& attribute) const;

  /// Says that an attribute makes no difference here.
  void ignore(const std::string& attribute) const { find(attribute); }

  /// Throws Error that names an attribute or input that the node has and that nobody looked at.
  void check_all_was_read() const;

 private:
  const Attribute* find(const std::string& name) const;

  const Node& node_;
  std::int64_t opset_;
  const Values& values_;
  mutable std::set<std::string> attributes_read_;
  mutable std::set<std::size_t> inputs_read_;
};

/// One tensor for each output; those that nobody wants may be undefined or missing at the end.
using Outputs = std::vector<Tensor>;

/// How close results of floating type come to ONNX's.
enum class Accuracy : std::uint8_t {
  exact,    ///< elements are moved, compared or counted
  rounded,  ///< up to a few roundings of the dtype
  coarse,   ///< what ONNX's own runner allows
};

/// An entry of the table.
struct Operator {
  /// `f` takes a Call and returns Outputs, or a Tensor if there is one output.
  template <class F>
  Operator(std::string operator_name, std::vector<std::string> wengert_ops, F f, Accuracy how = Accuracy::rounded)
      : name(std::move(operator_name)), ops(std::move(wengert_ops)), accuracy(how) {
    if constexpr (std::is_same_v<std::invoke_result_t<F, const Call&>, Tensor>) {
      evaluate = [f](const Call& call) { return Outputs{f(call)}; };
    } else {
      evaluate = f;
    }
  }

  std::string name;
  /// The ops of ops.h (or of tensor.h and tape.h) that are checked through it. None: the operator is only there for the
  /// graphs that have it among others.
  std::vector<std::string> ops;
  Accuracy accuracy;
  std::function<Outputs(const Call& call)> evaluate;
};

/// All operators that can be evaluated.
const std::vector<Operator>& operators();
/// nullptr if it cannot.
const Operator* find_operator(const std::string& name);

/// Why an operator that is not in the table is not; empty if nobody thought of it.
std::string reason_left_out(const std::string& name);

/// \name The table, family by family
/// @{
std::vector<Operator> elementwise_operators();
std::vector<Operator> reduction_operators();
std::vector<Operator> shape_operators();
std::vector<Operator> index_operators();
std::vector<Operator> product_operators();
std::vector<Operator> loss_operators();
std::vector<Operator> norm_operators();
std::vector<Operator> conv_operators();
std::vector<Operator> pool_operators();
std::vector<Operator> resize_operators();
std::vector<Operator> recurrent_operators();
/// @}

/// \name Of use to several families
/// @{

/// An operator's function from an op of one tensor.
inline auto of(Tensor (*op)(const Tensor& x)) {
  return [op](const Call& call) { return op(call.input(0)); };
}

/// 0 and 1 of any dtype as a truth value.
inline Tensor truth(const Tensor& x) { return x.to(int64); }

/// `f` of tensors as float64, its result in the dtype of the first one: for an op that takes no integers. Those of the
/// cases are far below 2^53.
template <class F, class... Rest>
Tensor in_floats(F f, const Tensor& x, const Rest&... rest) {
  if (is_floating(x.dtype())) return f(x, rest...);
  return f(x.to(float64), rest.to(float64)...).to(int64);
}

/// Positions that may count from the end, as ones that do not.
Tensor from_the_front(const Tensor& index, std::int64_t size);
/// An axis moved to another place, the others in their order.
Tensor move_axis(const Tensor& x, int from, int to);
Axes to_axes(const std::vector<std::int64_t>& axes);
/// @}

}  // namespace wengert::test::onnx
