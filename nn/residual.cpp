#include <wengert/autograd/ops.h>
#include <wengert/nn/residual.h>

namespace wengert::nn {

Tensor Residual::forward(const Tensor& x) const {
  const Tensor y = body_(x);
  const Tensor carried = shortcut_ ? (*shortcut_)(x) : x;
  check(y.shape() == carried.shape(), "the body gives {}, the shortcut {}; they must be equal", y.shape(),
        carried.shape());
  return y + carried;
}

void Residual::visit(Visitor& v) {
  v("body", *body_);
  if (shortcut_) v("shortcut", **shortcut_);
}

}  // namespace wengert::nn
