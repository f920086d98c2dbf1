#include <wengert/nn/lambda.h>

namespace wengert::nn {

Tensor Identity::forward(const Tensor& x) const {
  check<Error>(x.defined(), "x is undefined");
  return x;
}

Lambda::Lambda(std::string name, Function function) : name_(std::move(name)), function_(std::move(function)) {
  check<Error>(static_cast<bool>(function_), "Lambda: the function is empty");
}

Tensor Lambda::forward(const Tensor& x) const {
  check<Error>(x.defined(), "x is undefined");
  Tensor y = function_(x);
  check<Error>(y.defined(), "the function returned an undefined tensor");
  return y;
}

}  // namespace wengert::nn
