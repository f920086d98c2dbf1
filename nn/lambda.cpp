#include <wengert/nn/lambda.h>

namespace wengert::nn {

Lambda::Lambda(std::string name, Function function) : name_(std::move(name)), function_(std::move(function)) {
  check<Error>(static_cast<bool>(function_), "Lambda: the function is empty");
}

Tensor Lambda::forward(const Tensor& x) const {
  Tensor y = function_(x);
  check<Error>(y.defined(), "the function returned an undefined tensor");
  return y;
}

}  // namespace wengert::nn
