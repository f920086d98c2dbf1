#include "autograd/kernels/accumulate.h"

#include <wengert/autograd/elementwise.h>

namespace wengert::kernels {

void add_into(const Tensor& sum, const Tensor& term) {
  using detail::Access;
  dispatch_floating(sum.dtype(), [&]<class T>() {
    T* out = Access::mutable_data<T>(sum);
    const T* in = Access::data<T>(term);
    parallel_for(sum.numel(), detail::elementwise_chunk(sum.numel()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] += in[i];
    });
  });
}

}  // namespace wengert::kernels
