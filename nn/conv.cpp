#include <fmt/format.h>

#include <wengert/nn/conv.h>

#include "nn/detail/bias.h"
#include "nn/detail/describe.h"

namespace wengert::nn {

namespace {

void check_positive(const char* what, Size2d size) {
  check<Error>(size.rows > 0 && size.columns > 0, "Conv2d: {} must be at least 1, got {}", what,
               detail::describe(size));
}

}  // namespace

Conv2d::Conv2d(std::int64_t in, std::int64_t out, Size2d kernel, const Conv2dOptions& options)
    : conv_{.stride = options.stride, .padding = options.padding, .dilation = options.dilation} {
  check<Error>(in > 0 && out > 0, "Conv2d: in and out must be at least 1, got {} and {}", in, out);
  check_positive("kernel", kernel);
  check_positive("stride", options.stride);
  check_positive("dilation", options.dilation);
  for (const auto& padding : {options.padding.before, options.padding.after}) {
    check<Error>(padding[1] >= 0 && padding[2] >= 0, "Conv2d: padding must not be negative, got {}",
                 detail::describe(options.padding));
  }
  weight = Parameter(options.init(Shape{out, in, kernel.rows, kernel.columns}, options.dtype));
  bias = detail::make_bias(options.bias, out, in * kernel.rows * kernel.columns, options.bias_init, options.dtype);
}

Tensor Conv2d::forward(const Tensor& x) const {
  check(x.rank() == 4, "x has shape {}, expected a batch of images: [N, {}, H, W]", x.shape(), weight->dim(1));
  check(x.dim(1) == weight->dim(1), "x has {} channels, expected {}; x is {}", x.dim(1), weight->dim(1), x.shape());
  return correlate2d(x, weight, conv_, bias);
}

void Conv2d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string Conv2d::options() const {
  using detail::describe;
  std::string text = fmt::format("{}, {}, kernel {}", weight->dim(1), weight->dim(0),
                                 describe(Size2d(weight->dim(2), weight->dim(3))));
  if (const std::string stride = describe(conv_.stride); stride != "1") text += ", stride " + stride;
  if (conv_.padding.mode != Padding::Mode::valid) text += ", padding " + describe(conv_.padding);
  if (const std::string dilation = describe(conv_.dilation); dilation != "1") text += ", dilation " + dilation;
  if (!bias.defined()) text += ", no bias";
  return text;
}

}  // namespace wengert::nn
