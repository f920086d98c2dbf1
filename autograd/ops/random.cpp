#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;

void check_floating(const char* op, DType dtype) {
  check<DTypeError>(is_floating(dtype), "{}: dtype must be float32 or float64, got {}", op, dtype);
}

}  // namespace

Tensor rand(const Shape& shape, DType dtype, Generator& generator) {
  check_floating("rand", dtype);
  Tensor result = Access::allocate(shape, dtype);
  dispatch_floating(dtype, [&]<class T>() {
    kernels::fill_uniform(Access::mutable_data<T>(result), result.numel(), T{0}, T{1}, generator);
  });
  return result;
}

Tensor randn(const Shape& shape, DType dtype, Generator& generator) {
  check_floating("randn", dtype);
  Tensor result = Access::allocate(shape, dtype);
  dispatch_floating(dtype, [&]<class T>() {
    kernels::fill_normal(Access::mutable_data<T>(result), result.numel(), T{0}, T{1}, generator);
  });
  return result;
}

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  detail::check_operands("dropout", std::array{&x}, Types::floating);
  check<Error>(p >= 0 && p < 1, "dropout: p must be in [0, 1), got {}", p);
  if (!training || p == 0) return x;
  const Tensor mask = Access::allocate(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::fill_bernoulli(Access::mutable_data<T>(mask), mask.numel(), 1 - p, static_cast<T>(1 / (1 - p)), generator);
  });
  // What is dropped is 0 even where x is infinite.
  Tensor value =
      no_grad([&] { return elementwise("dropout", x, mask, [](auto v, auto m) { return where(m == 0, 0, v * m); }); });
  return record("dropout", std::move(value), wrt(x, [mask](const Tensor& g) { return g * mask; }));
}

}  // namespace wengert
