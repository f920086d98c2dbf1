#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

/// How a kernel slides along one image axis.
struct Along {
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t before = 0;  // padding
  std::int64_t after = 0;
  std::int64_t dilation = 1;

  std::int64_t extent() const { return (kernel - 1) * dilation + 1; }
  std::int64_t positions(std::int64_t size) const { return (size + before + after - extent()) / stride + 1; }
};

/// Along each image axis, whose number is any.
struct Slide {
  std::vector<Along> axes = {};
  std::int64_t groups = 1;

  /// This slide with a kernel's sizes; axes that nothing is said about have stride 1 and no padding.
  Slide of(const Array& kernel) const {
    Slide result = *this;
    result.axes.resize(static_cast<std::size_t>(kernel.shape.rank() - 2));
    for (std::size_t a = 0; a < result.count(); ++a) result.axes[a].kernel = kernel.shape[static_cast<int>(2 + a)];
    return result;
  }

  std::size_t count() const { return axes.size(); }
  std::int64_t taps() const {
    std::int64_t product = 1;
    for (const Along& axis : axes) product *= axis.kernel;
    return product;
  }

  /// Calls `f(tap, pixel)` for the taps of a window and the places they see, whether inside the image or not. The image
  /// axes of `window` begin at 2, and so do those of the two; entries 0 and 1 are left to `f`.
  template <class F>
  void visit(const Index& window, F f) const {
    for (std::int64_t t = 0; t < taps(); ++t) {
      Index tap{};
      Index pixel{};
      std::int64_t rest = t;
      for (std::size_t a = count(); a-- > 0; rest /= axes[a].kernel) {
        tap[2 + a] = rest % axes[a].kernel;
        pixel[2 + a] = window[2 + a] * axes[a].stride + tap[2 + a] * axes[a].dilation - axes[a].before;
      }
      f(tap, pixel);
    }
  }
};

/// [first, second, sizes...].
Shape batch_shape(std::int64_t first, std::int64_t second, const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> dims{first, second};
  dims.insert(dims.end(), sizes.begin(), sizes.end());
  return Shape(dims);
}

std::vector<std::int64_t> image_sizes(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }

bool inside(const Index& pixel, const Shape& shape) {
  for (int axis = 2; axis < shape.rank(); ++axis) {
    const std::int64_t place = pixel[static_cast<std::size_t>(axis)];
    if (place < 0 || place >= shape[axis]) return false;
  }
  return true;
}

Array correlation(const Array& x, const Array& kernel, const Slide& any_kernel = {}) {
  const Slide slide = any_kernel.of(kernel);
  std::vector<std::int64_t> sizes = image_sizes(x.shape);
  for (std::size_t a = 0; a < sizes.size(); ++a) sizes[a] = slide.axes[a].positions(sizes[a]);
  const std::int64_t channels = kernel.shape[1];
  const std::int64_t outputs = kernel.shape[0] / slide.groups;
  return make(batch_shape(x.shape[0], kernel.shape[0], sizes), [&](const Index& i) {
    double sum = 0;
    slide.visit(i, [&](Index tap, Index pixel) {
      if (!inside(pixel, x.shape)) return;
      for (std::int64_t c = 0; c < channels; ++c) {
        pixel[0] = i[0];
        pixel[1] = i[1] / outputs * channels + c;
        tap[0] = i[1];
        tap[1] = c;
        sum += x(pixel) * kernel(tap);
      }
    });
    return sum;
  });
}

Array flipped(const Array& kernel) {
  return make(kernel.shape, [&](Index i) {
    for (int axis = 2; axis < kernel.shape.rank(); ++axis) {
      auto& place = i[static_cast<std::size_t>(axis)];
      place = kernel.shape[axis] - 1 - place;
    }
    return kernel(i);
  });
}

Array as_batch(const Array& image) {
  return reshaped(image, batch_shape(1, 1, {image.shape.begin(), image.shape.end()}));
}
Array as_image(const Array& batch) { return reshaped(batch, Shape(image_sizes(batch.shape))); }

Array image_correlation(const Array& x, const Array& kernel, const Slide& slide) {
  return as_image(correlation(as_batch(x), as_batch(kernel), slide));
}

Array with_bias(const Array& x, const Array& bias) {
  return make(x.shape, [&](const Index& i) { return x(i) + bias({i[1]}); });
}

/// x with the padding of `slide` made of its own elements; the slide needs none then.
Array padded(const Array& x, PadMode mode, Slide& slide) {
  std::vector<std::int64_t> sizes = image_sizes(x.shape);
  for (std::size_t a = 0; a < sizes.size(); ++a) sizes[a] += slide.axes[a].before + slide.axes[a].after;
  const Array result = make(batch_shape(x.shape[0], x.shape[1], sizes), [&](Index i) {
    for (std::size_t a = 0; a < sizes.size(); ++a) {
      const std::int64_t last = x.shape[static_cast<int>(2 + a)] - 1;
      std::int64_t& place = i[2 + a];
      place -= slide.axes[a].before;
      if (mode == PadMode::replicate) place = std::min(std::max<std::int64_t>(place, 0), last);
      if (mode == PadMode::reflect) place = last - std::abs(last - std::abs(place));
    }
    return inside(i, x.shape) ? x(i) : 0;
  });
  for (Along& axis : slide.axes) axis.before = axis.after = 0;
  return result;
}

/// The gradients of `correlation`, by its definition: each product it sums up gives each factor the other, times g.
Array input_gradient(const Array& g, const Array& kernel, const Shape& x_shape, const Slide& slide) {
  Array result = make(x_shape, [](const Index&) { return 0; });
  const std::int64_t outputs = kernel.shape[0] / slide.groups;
  make(g.shape, [&](const Index& i) {
    slide.visit(i, [&](Index tap, Index pixel) {
      if (!inside(pixel, x_shape)) return;
      for (std::int64_t c = 0; c < kernel.shape[1]; ++c) {
        pixel[0] = i[0];
        pixel[1] = i[1] / outputs * kernel.shape[1] + c;
        tap[0] = i[1];
        tap[1] = c;
        result.at(pixel) += g(i) * kernel(tap);
      }
    });
    return 0;
  });
  return result;
}

Array kernel_gradient(const Array& x, const Array& g, const Shape& kernel_shape, const Slide& slide) {
  Array result = make(kernel_shape, [](const Index&) { return 0; });
  const std::int64_t outputs = kernel_shape[0] / slide.groups;
  make(g.shape, [&](const Index& i) {
    slide.visit(i, [&](Index tap, Index pixel) {
      if (!inside(pixel, x.shape)) return;
      for (std::int64_t c = 0; c < kernel_shape[1]; ++c) {
        pixel[0] = i[0];
        pixel[1] = i[1] / outputs * kernel_shape[1] + c;
        tap[0] = i[1];
        tap[1] = c;
        result.at(tap) += g(i) * x(pixel);
      }
    });
    return 0;
  });
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows drawn at random.

/// An op's options: as the op takes them, and what they mean.
struct Drawn {
  Padding padding = Padding::valid;
  PadMode pad_mode = PadMode::constant;
  Slide slide;
  std::vector<std::int64_t> output_padding;

  template <class Options>
  Options options() const;
};

template <class Size, class Get>
Size size_from(const std::vector<Along>& axes, Get get) {
  if constexpr (std::is_same_v<Size, std::int64_t>) {
    return get(axes[0]);
  } else if constexpr (std::is_same_v<Size, Size2d>) {
    return {get(axes[0]), get(axes[1])};
  } else {
    return {get(axes[0]), get(axes[1]), get(axes[2])};
  }
}

template <class Options>
Options Drawn::options() const {
  using Size = decltype(Options::stride);
  Options result;
  result.stride = size_from<Size>(slide.axes, [](const Along& axis) { return axis.stride; });
  result.dilation = size_from<Size>(slide.axes, [](const Along& axis) { return axis.dilation; });
  result.padding = padding;
  result.groups = slide.groups;
  return result;
}

std::int64_t small(Draw& draw) { return draw.integer(0, 2); }

/// Any padding that is possible for so many axes.
Padding draw_padding(Draw& draw, std::size_t axes) {
  switch (draw.integer(0, 5)) {
    case 0: return Padding::valid;
    case 1: return Padding::same;
    case 2: return Padding::full;
    case 3: return small(draw);
    case 4:
      if (axes == 2) return {small(draw), small(draw)};
      if (axes == 3) return {small(draw), small(draw), small(draw)};
      [[fallthrough]];
    default:
      if (axes == 1) return Padding::sides(small(draw), small(draw));
      if (axes == 2) return Padding::sides(small(draw), small(draw), small(draw), small(draw));
      return small(draw);
  }
}

Along draw_along(Draw& draw) {
  return {.kernel = draw.integer(1, 3), .stride = draw.integer(1, 3), .dilation = draw.integer(1, 2)};
}

/// How far `padding` pads the axis that is so many before the last one.
void pad_along(Along& axis, std::int64_t size, const Padding& padding, std::size_t from_last, bool convolution) {
  switch (padding.mode) {
    case Padding::Mode::valid: axis.before = axis.after = 0; break;
    case Padding::Mode::full: axis.before = axis.after = axis.extent() - 1; break;
    case Padding::Mode::number:
      axis.before = padding.before[2 - from_last];
      axis.after = padding.after[2 - from_last];
      break;
    case Padding::Mode::same: {
      const std::int64_t positions = (size + axis.stride - 1) / axis.stride;
      const std::int64_t zeros = std::max<std::int64_t>(0, (positions - 1) * axis.stride + axis.extent() - size);
      axis.before = convolution ? (zeros + 1) / 2 : zeros / 2;
      axis.after = zeros - axis.before;
      break;
    }
  }
}

/// Gives a row of a correlation shapes and options; `f(drawn)` sets what is applied to them.
template <class F>
void vary_correlation(Draw& draw, OpCase& row, std::size_t axes, bool convolution, F f) {
  Drawn drawn;
  drawn.padding = draw_padding(draw, axes);
  drawn.pad_mode = draw.one_of({PadMode::constant, PadMode::reflect, PadMode::replicate});
  const bool image = draw.integer(0, 3) == 3;
  drawn.slide.groups = image ? 1 : draw.integer(1, 3);
  const std::int64_t in = image ? 1 : draw.integer(1, 2);
  const std::int64_t out = image ? 1 : draw.integer(1, 2);
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> taps;
  for (std::size_t a = 0; a < axes; ++a) {
    Along axis = draw_along(draw);
    std::int64_t size = draw.size();
    const auto fits = [&] {
      pad_along(axis, size, drawn.padding, axes - 1 - a, convolution);
      const bool reflects = drawn.pad_mode != PadMode::reflect || std::max(axis.before, axis.after) < size;
      return reflects && axis.extent() <= size + axis.before + axis.after;
    };
    while (!fits()) ++size;
    drawn.slide.axes.push_back(axis);
    sizes.push_back(size);
    taps.push_back(axis.kernel);
  }
  if (image) {
    row.inputs = {real(Shape(sizes)), real(Shape(taps))};
  } else {
    row.inputs = {real(batch_shape(draw.integer(1, 2), in * drawn.slide.groups, sizes)),
                  real(batch_shape(out * drawn.slide.groups, in, taps)), real({out * drawn.slide.groups})};
  }
  row.reference = [drawn, image, convolution](From in_) {
    Slide slide = drawn.slide;
    const Array x = padded(image ? as_batch(in_[0]) : in_[0], drawn.pad_mode, slide);
    const Array kernel = image ? as_batch(in_[1]) : in_[1];
    const Array y = correlation(x, convolution ? flipped(kernel) : kernel, slide);
    return image ? as_image(y) : with_bias(y, in_[2]);
  };
  f(drawn);
}

Tensor bias_of(In in) { return in.size() == 3 ? in[2] : Tensor(); }

template <class Options, std::size_t axes>
std::function<void(Draw&, OpCase&)> any_correlation(Tensor (*op)(const Tensor&, const Tensor&, const Options&,
                                                                 const Tensor&),
                                                    bool convolution = false) {
  return [op, convolution](Draw& draw, OpCase& row) {
    vary_correlation(draw, row, axes, convolution, [&](const Drawn& drawn) {
      Options options = drawn.options<Options>();
      options.pad_mode = drawn.pad_mode;
      if constexpr (axes == 2) options.method = draw.one_of({ConvMethod::automatic, ConvMethod::fft});
      row.f = [op, options](In in) { return op(in[0], in[1], options, bias_of(in)); };
    });
  };
}

/// Numbers that sums may be off by in float32.
constexpr double rough = 3e-5;

/// Inputs and options of the correlation whose gradients are asked for: x, kernel and g.
struct DrawnGradient {
  Drawn drawn;
  ConvOptions options;
  Shape x;
  Shape kernel;
  Shape g;
};

DrawnGradient draw_gradient(Draw& draw) {
  DrawnGradient result;
  OpCase row;
  vary_correlation(draw, row, 2, false, [&](const Drawn& drawn) { result.drawn = drawn; });
  result.options = result.drawn.options<ConvOptions>();
  const bool image = row.inputs.size() == 2;
  result.x = image ? batch_shape(1, 1, {row.inputs[0].shape[0], row.inputs[0].shape[1]}) : row.inputs[0].shape;
  result.kernel = image ? batch_shape(1, 1, {row.inputs[1].shape[0], row.inputs[1].shape[1]}) : row.inputs[1].shape;
  result.g = batch_shape(
      result.x[0], result.kernel[0],
      {result.drawn.slide.axes[0].positions(result.x[2]), result.drawn.slide.axes[1].positions(result.x[3])});
  return result;
}

/// Whole kernels from their factors, [O, C, KH, 1] and [O, C, 1, KW].
Array product(const Array& column, const Array& row) {
  return make({column.shape[0], column.shape[1], column.shape[2], row.shape[3]}, [&](const Index& i) {
    return column({i[0], i[1], i[2], 0}) * row({i[0], i[1], 0, i[3]});
  });
}

void vary_separable(Draw& draw, OpCase& row) {
  vary_correlation(draw, row, 2, false, [&](const Drawn& drawn) {
    ConvOptions options = drawn.options<ConvOptions>();
    options.pad_mode = drawn.pad_mode;
    options.method = ConvMethod::separable;
    row.f = [options](In in) { return correlate2d(in[0], in[1] * in[2], options, in[3]); };
    row.reference = [drawn](From in) {
      Slide slide = drawn.slide;
      const Array x = padded(in[0], drawn.pad_mode, slide);
      return with_bias(correlation(x, product(in[1], in[2]), slide), in[3]);
    };
  });
  if (row.inputs.size() == 2) {  // an image
    row.inputs[0].shape = batch_shape(1, 1, {row.inputs[0].shape[0], row.inputs[0].shape[1]});
    row.inputs[1].shape = batch_shape(1, 1, {row.inputs[1].shape[0], row.inputs[1].shape[1]});
    row.inputs.push_back(real({1}));
  }
  const Shape kernel = row.inputs[1].shape;
  row.inputs = {row.inputs[0], nonzero(kernel.with(3, 1)), nonzero(kernel.with(2, 1)), row.inputs[2]};
}

// ---------------------------------------------------------------------------------------------------------------------
// Transposed convolutions.

/// Each element of x adds the kernel to the result.
Array transposed(const Array& x, const Array& kernel, const Slide& any_kernel, const std::vector<std::int64_t>& sizes) {
  const Slide slide = any_kernel.of(kernel);
  const std::int64_t outputs = kernel.shape[1];
  const std::int64_t inputs = kernel.shape[0] / slide.groups;
  Array result = make(batch_shape(x.shape[0], outputs * slide.groups, sizes), [](const Index&) { return 0; });
  make(x.shape, [&](const Index& i) {
    slide.visit(i, [&](Index tap, Index pixel) {
      if (!inside(pixel, result.shape)) return;
      for (std::int64_t o = 0; o < outputs; ++o) {
        pixel[0] = i[0];
        pixel[1] = i[1] / inputs * outputs + o;
        tap[0] = i[1];
        tap[1] = o;
        result.at(pixel) += x(i) * kernel(tap);
      }
    });
    return 0;
  });
  return result;
}

/// The same without padding.
Array transposed(const Array& x, const Array& kernel, const Slide& any_kernel) {
  const Slide slide = any_kernel.of(kernel);
  std::vector<std::int64_t> sizes = image_sizes(x.shape);
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    sizes[a] = (sizes[a] - 1) * slide.axes[a].stride + slide.axes[a].extent();
  }
  return transposed(x, kernel, slide, sizes);
}

/// What an axis of `size` elements becomes; `before` is then known too.
std::int64_t transposed_size(Along& axis, std::int64_t size, const Padding& padding, std::size_t from_last,
                             std::int64_t output_padding) {
  if (padding.mode == Padding::Mode::same) {
    axis.before = std::max<std::int64_t>(axis.extent() - axis.stride, 0) / 2;
    return size * axis.stride;
  }
  pad_along(axis, size, padding, from_last, false);
  return (size - 1) * axis.stride + axis.extent() + output_padding - axis.before - axis.after;
}

template <class Options, std::size_t axes>
std::function<void(Draw&, OpCase&)> any_transposed(Tensor (*op)(const Tensor&, const Tensor&, const Options&,
                                                                const Tensor&)) {
  return [op](Draw& draw, OpCase& row) {
    Drawn drawn;
    drawn.padding = draw_padding(draw, axes);
    drawn.slide.groups = draw.integer(1, 3);
    const std::int64_t in = draw.integer(1, 2) * drawn.slide.groups;
    const std::int64_t out = draw.integer(1, 2);
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> taps;
    std::vector<std::int64_t> result;
    std::vector<Along> added;  // output padding, as a stride
    for (std::size_t a = 0; a < axes; ++a) {
      Along axis = draw_along(draw);
      const bool none = drawn.padding.mode == Padding::Mode::same;
      const std::int64_t more = none ? 0 : draw.integer(0, std::max(axis.stride, axis.dilation) - 1);
      std::int64_t size = draw.integer(1, 4);
      while (transposed_size(axis, size, drawn.padding, axes - 1 - a, more) < 1) ++size;
      result.push_back(transposed_size(axis, size, drawn.padding, axes - 1 - a, more));
      drawn.slide.axes.push_back(axis);
      sizes.push_back(size);
      taps.push_back(axis.kernel);
      added.push_back({.kernel = 1, .stride = more});
    }
    Options options = drawn.options<Options>();
    options.output_padding = size_from<decltype(Options::stride)>(added, [](const Along& axis) { return axis.stride; });
    row.inputs = {real(batch_shape(draw.integer(1, 2), in, sizes)), real(batch_shape(in, out, taps)),
                  real({out * drawn.slide.groups})};
    row.f = [op, options](In inputs) { return op(inputs[0], inputs[1], options, inputs[2]); };
    row.reference = [drawn, result](From inputs) {
      return with_bias(transposed(inputs[0], inputs[1], drawn.slide, result), inputs[2]);
    };
  };
}

}  // namespace

void add_convolutions(Table& t) {
  t.push_back({.name = "correlate1d",
               .inputs = {real({2, 2, 7}), real({3, 2, 3}), real({3})},
               .f = [](In in) { return correlate1d(in[0], in[1], {}, in[2]); },
               .reference = [](From in) { return with_bias(correlation(in[0], in[1]), in[2]); },
               .vary = any_correlation<Conv1dOptions, 1>(correlate1d),
               .big = {{4, 8, 3000}, {16, 8, 5}, {16}},
               .empty = {{0, 2, 7}, {3, 2, 3}, {3}},
               .last_is_optional = true,
               .float32_tolerance = rough});
  t.push_back({.name = "correlate1d",
               .variant = "depthwise, one more element behind",
               .inputs = {real({2, 2, 7}), real({2, 1, 4})},
               .f =
                   [](In in) {
                     return correlate1d(in[0], in[1],
                                        {.stride = 2, .padding = Padding::sides(1, 2), .groups = in[0].dim(1)});
                   },
               .reference =
                   [](From in) {
                     return correlation(in[0], in[1], {{{.stride = 2, .before = 1, .after = 2}}, in[0].shape[1]});
                   },
               .big = {{4, 8, 40000}, {8, 1, 9}},
               .error_prefix = "-"});
  t.push_back({.name = "correlate2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {}, in[2]); },
               .reference = [](From in) { return with_bias(correlation(in[0], in[1]), in[2]); },
               .vary = any_correlation<ConvOptions, 2>(correlate2d),
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true,
               .float32_tolerance = rough});
  t.push_back({.name = "correlate2d",
               .variant = "strided, padded, dilated",
               .inputs = {real({2, 2, 6, 7}), real({2, 2, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d(in[0], in[1], {.stride = {2, 1}, .padding = Padding(1, 2), .dilation = {1, 2}});
                   },
               .reference =
                   [](From in) {
                     return correlation(
                         in[0], in[1],
                         {.axes = {{.stride = 2, .before = 1, .after = 1}, {.before = 2, .after = 2, .dilation = 2}}});
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}}});
  t.push_back({.name = "correlate2d",
               .variant = "stride 2, same",
               .inputs = {real({1, 1, 5, 6}), real({2, 1, 3, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.stride = 2, .padding = Padding::same}); },
               .reference =
                   [](From in) {
                     // 5 rows: 3 positions need one row on each side; 6 columns: 3 positions need one after.
                     return correlation(in[0], in[1],
                                        {.axes = {{.kernel = 3, .stride = 2, .before = 1, .after = 1},
                                                  {.kernel = 3, .stride = 2, .before = 0, .after = 1}}});
                   }});
  t.push_back({.name = "correlate2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     return image_correlation(
                         in[0], in[1],
                         {.axes = {{.kernel = 2, .before = 1, .after = 1}, {.kernel = 3, .before = 2, .after = 2}}});
                   },
               .big = {{400, 300}, {5, 5}}});
  t.push_back({.name = "correlate2d",
               .variant = "depthwise, two of each",
               .inputs = {real({2, 3, 5, 4}), real({6, 1, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d(in[0], in[1], {.stride = {2, 1}, .groups = in[0].dim(1)});
                   },
               .reference =
                   [](From in) {
                     return correlation(in[0], in[1], {{{.stride = 2}, {}}, in[0].shape[1]});
                   },
               .big = {{8, 16, 30, 30}, {32, 1, 3, 3}},
               .error_prefix = "-"});
  t.push_back(
      {.name = "correlate2d",
       .variant = "separable",
       .inputs = {real({2, 4, 5, 6}), real({2, 2, 3, 1}), real({2, 2, 1, 4}), real({2})},
       .f =
           [](In in) {
             return correlate2d(in[0], in[1] * in[2], {.groups = 2, .method = ConvMethod::separable}, in[3]);
           },
       .reference = [](From in) { return with_bias(correlation(in[0], product(in[1], in[2]), {.groups = 2}), in[3]); },
       .vary = vary_separable,
       .big = {{4, 8, 40, 40}, {8, 4, 7, 1}, {8, 4, 1, 7}, {8}},
       .error_prefix = "-",
       .float32_tolerance = rough});
  t.push_back({.name = "correlate2d",
               .variant = "fft",
               .inputs = {real({2, 4, 5, 6}), real({2, 2, 3, 4}), real({2})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.groups = 2, .method = ConvMethod::fft}, in[2]); },
               .reference = [](From in) { return with_bias(correlation(in[0], in[1], {.groups = 2}), in[2]); },
               .big = {{2, 4, 90, 90}, {2, 2, 7, 5}, {2}},
               .empty = {{0, 4, 5, 6}, {2, 2, 3, 4}, {2}},
               .last_is_optional = true});
  t.push_back({.name = "correlate3d",
               .inputs = {real({2, 2, 3, 4, 3}), real({3, 2, 2, 3, 2}), real({3})},
               .f = [](In in) { return correlate3d(in[0], in[1], {}, in[2]); },
               .reference = [](From in) { return with_bias(correlation(in[0], in[1]), in[2]); },
               .vary = any_correlation<Conv3dOptions, 3>(correlate3d),
               .big = {{2, 4, 9, 20, 20}, {8, 4, 3, 3, 3}, {8}},
               .empty = {{0, 2, 3, 4, 3}, {3, 2, 2, 3, 2}, {3}},
               .last_is_optional = true,
               .float32_tolerance = rough});
  t.push_back({.name = "convolve2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {}, in[2]); },
               .reference = [](From in) { return with_bias(correlation(in[0], flipped(in[1])), in[2]); },
               .vary = any_correlation<ConvOptions, 2>(convolve2d, true),
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true,
               .float32_tolerance = rough});
  t.push_back({.name = "convolve2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     return image_correlation(
                         in[0], as_image(flipped(as_batch(in[1]))),
                         {.axes = {{.kernel = 2, .before = 1, .after = 1}, {.kernel = 3, .before = 2, .after = 2}}});
                   }});
  t.push_back(
      {.name = "correlate2d_input_gradient",
       .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 2})},
       .f =
           [](In in) {
             return correlate2d_input_gradient(in[0], in[1], {2, 2, 6, 4}, {.stride = {2, 1}});
           },
       .reference =
           [](From in) {
             // The last row of the image is out of reach of the strides.
             return input_gradient(in[0], in[1], {2, 2, 6, 4}, {.axes = {{.kernel = 3, .stride = 2}, {.kernel = 2}}});
           },
       .vary =
           [](Draw& draw, OpCase& row) {
             const DrawnGradient drawn = draw_gradient(draw);
             row.inputs = {real(drawn.g), real(drawn.kernel)};
             row.f = [drawn](In in) { return correlate2d_input_gradient(in[0], in[1], drawn.x, drawn.options); };
             row.reference = [drawn](From in) { return input_gradient(in[0], in[1], drawn.x, drawn.drawn.slide); };
           },
       .float32_tolerance = rough});
  t.push_back({.name = "correlate2d_input_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 3})},
               .f =
                   [](In in) {
                     const Shape x{in[0].dim(0), in[1].dim(1), in[0].dim(2) + 2, in[0].dim(3) + 2};
                     return correlate2d_input_gradient(in[0], in[1], x, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     const Along both{.kernel = 3, .before = 1, .after = 1, .dilation = 2};
                     return input_gradient(in[0], in[1], {2, 2, 4, 5}, {.axes = {both, both}});
                   },
               .big = {{8, 16, 18, 18}, {16, 3, 3, 3}},
               .empty = {{0, 3, 2, 3}, {3, 2, 3, 3}},
               .error_prefix = "-"});
  t.push_back(
      {.name = "correlate2d_kernel_gradient",
       .inputs = {real({2, 2, 6, 4}), real({2, 3, 2, 3})},
       .f =
           [](In in) {
             return correlate2d_kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.stride = {2, 1}});
           },
       .reference =
           [](From in) {
             return kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.axes = {{.kernel = 3, .stride = 2}, {.kernel = 2}}});
           },
       .vary =
           [](Draw& draw, OpCase& row) {
             const DrawnGradient drawn = draw_gradient(draw);
             row.inputs = {real(drawn.x), real(drawn.g)};
             row.f = [drawn](In in) { return correlate2d_kernel_gradient(in[0], in[1], drawn.kernel, drawn.options); };
             row.reference = [drawn](From in) {
               return kernel_gradient(in[0], in[1], drawn.kernel, drawn.drawn.slide);
             };
           },
       .float32_tolerance = rough});
  t.push_back({.name = "correlate2d_kernel_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 2, 4, 5}), real({2, 3, 2, 3})},
               .f =
                   [](In in) {
                     const Shape kernel{in[1].dim(1), in[0].dim(1), 3, 3};
                     return correlate2d_kernel_gradient(in[0], in[1], kernel, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     const Along both{.kernel = 3, .before = 1, .after = 1, .dilation = 2};
                     return kernel_gradient(in[0], in[1], {3, 2, 3, 3}, {.axes = {both, both}});
                   },
               .big = {{8, 3, 20, 20}, {8, 16, 18, 18}},
               .empty = {{0, 2, 4, 5}, {0, 3, 2, 3}},
               .error_prefix = "-",
               .float32_tolerance = rough});
  t.push_back(
      {.name = "conv_transpose1d",
       .inputs = {real({2, 3, 4}), real({3, 2, 3}), real({2})},
       .f = [](In in) { return conv_transpose1d(in[0], in[1], {.stride = 2}, in[2]); },
       .reference = [](From in) { return with_bias(transposed(in[0], in[1], {.axes = {{.stride = 2}}}), in[2]); },
       .vary = any_transposed<ConvTranspose1dOptions, 1>(conv_transpose1d),
       .big = {{4, 8, 3000}, {8, 16, 5}, {16}},
       .empty = {{0, 3, 4}, {3, 2, 3}, {2}},
       .last_is_optional = true,
       .float32_tolerance = rough});
  t.push_back(
      {.name = "conv_transpose2d",
       .inputs = {real({2, 3, 3, 4}), real({3, 2, 3, 2}), real({2})},
       .f =
           [](In in) {
             return conv_transpose2d(in[0], in[1], {.stride = {2, 1}}, in[2]);
           },
       .reference = [](From in) { return with_bias(transposed(in[0], in[1], {.axes = {{.stride = 2}}}), in[2]); },
       .vary = any_transposed<ConvTransposeOptions, 2>(conv_transpose2d),
       .big = {{8, 16, 20, 20}, {16, 8, 3, 3}, {8}},
       .empty = {{0, 3, 3, 4}, {3, 2, 3, 2}, {2}},
       .last_is_optional = true,
       .float32_tolerance = rough});
  t.push_back({.name = "conv_transpose3d",
               .inputs = {real({1, 2, 2, 3, 2}), real({2, 2, 2, 2, 3}), real({2})},
               .f =
                   [](In in) {
                     return conv_transpose3d(in[0], in[1], {.stride = {1, 2, 1}}, in[2]);
                   },
               .reference =
                   [](From in) {
                     return with_bias(transposed(in[0], in[1], {.axes = {{}, {.stride = 2}, {}}}), in[2]);
                   },
               .vary = any_transposed<ConvTranspose3dOptions, 3>(conv_transpose3d),
               .big = {{2, 8, 6, 12, 12}, {8, 4, 3, 3, 3}, {4}},
               .empty = {{0, 2, 2, 3, 2}, {2, 2, 2, 2, 3}, {2}},
               .last_is_optional = true,
               .float32_tolerance = rough});
}

}  // namespace wengert::test
