#pragma once

#include <ATen/ATen.h>

#include "benchmarks/wire.h"

namespace wengert::bench {

inline at::Tensor to_torch(const Array& array) {
  if (!array.labels.empty()) return at::tensor(at::ArrayRef<std::int64_t>(array.labels), at::kLong).view(array.shape);
  return at::tensor(at::ArrayRef<float>(array.numbers), at::kFloat).view(array.shape);
}

inline Array to_array(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().contiguous();
  const float* numbers = dense.data_ptr<float>();
  return {name, dense.sizes().vec(), std::vector<float>(numbers, numbers + dense.numel())};
}

}  // namespace wengert::bench
