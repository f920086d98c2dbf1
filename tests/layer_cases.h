#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <wengert/nn/module.h>

#include "tests/op_cases.h"

/// \file
/// One table of cases drives the common tests of all layers (layers_table_test.cpp). A new layer gets a row in
/// layer_cases.cpp, or several.

namespace wengert::nn::test {

using wengert::test::Array;
using wengert::test::Arrays;
using wengert::test::Input;
using wengert::test::Inputs;

/// A layer of any type as a value, whatever number of tensors it takes.
class AnyLayer {
 public:
  virtual ~AnyLayer() = default;
  virtual Module& module() = 0;
  virtual Tensor call(const Inputs& inputs) const = 0;
  virtual std::unique_ptr<AnyLayer> copy() const = 0;
  /// From a layer of the same type.
  virtual void assign(const AnyLayer& other) = 0;
};

/// `Call` is a function of a const L& and the inputs.
template <class L, class Call>
class LayerOf final : public AnyLayer {
 public:
  LayerOf(L layer, Call call) : layer_(std::move(layer)), call_(std::move(call)) {}
  Module& module() override { return layer_; }
  Tensor call(const Inputs& inputs) const override { return call_(layer_, inputs); }
  std::unique_ptr<AnyLayer> copy() const override { return std::make_unique<LayerOf>(*this); }
  void assign(const AnyLayer& other) override { layer_ = static_cast<const LayerOf&>(other).layer_; }

 private:
  L layer_;
  Call call_;
};

/// Applies a layer to one to four inputs, as many as it takes.
struct PlainCall {
  template <class L>
  Tensor operator()(const L& layer, const Inputs& in) const {
    if constexpr (std::is_invocable_v<const L&, Tensor, Tensor, Tensor, Tensor>)
      return layer(in.at(0), in.at(1), in.at(2), in.at(3));
    else if constexpr (std::is_invocable_v<const L&, Tensor, Tensor, Tensor>)
      return layer(in.at(0), in.at(1), in.at(2));
    else if constexpr (std::is_invocable_v<const L&, Tensor, Tensor>)
      return layer(in.at(0), in.at(1));
    else
      return layer(in.at(0));
  }
};

using Maker = std::function<std::unique_ptr<AnyLayer>(DType)>;

/// From a function that makes a layer of a dtype.
template <class Make, class Call = PlainCall>
Maker layer(Make make_layer, Call call = {}) {
  return [=](DType dtype) -> std::unique_ptr<AnyLayer> {
    return std::make_unique<LayerOf<decltype(make_layer(dtype)), Call>>(make_layer(dtype), call);
  };
}

/// Parameters and buffers by their paths, as plain numbers.
using Weights = std::map<std::string, Array>;

enum class InTraining {
  same,    ///< as in evaluation
  other,   ///< something else, the same each time
  random,  ///< something else each time
};

/// A call that throws: a layer that can't be made, or inputs that it doesn't take.
struct Rejected {
  std::function<void()> f;
  std::string text;  ///< in the message
};

/// A row of the table. Values are those in evaluation mode.
struct LayerCase {
  std::string name;  ///< of the class
  std::string variant = {};
  Maker make;
  std::vector<Input> inputs;
  Shape output;
  std::vector<std::pair<std::string, Shape>> parameters = {};
  std::vector<std::pair<std::string, Shape>> buffers = {};
  std::string printed;
  std::function<Array(const Arrays& inputs, const Weights& weights)> reference;
  InTraining in_training = InTraining::same;
  std::vector<Rejected> rejected = {};
  /// False for a layer that keeps gradients away from some of its weights' elements.
  bool all_gradients = true;

  std::string title() const { return variant.empty() ? name : name + ", " + variant; }
};

const std::vector<LayerCase>& layer_cases();

}  // namespace wengert::nn::test
