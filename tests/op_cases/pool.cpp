#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// References.

/// How windows lie along one axis, as PyTorch defines it.
struct Slide {
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t before = 0;
  std::int64_t after = 0;
  bool ceil_mode = false;
  bool same = false;       // padding as ONNX's SAME_UPPER
  std::int64_t adapt = 0;  // if not 0: so many windows, adaptive ones

  std::int64_t extent() const { return (kernel - 1) * dilation + 1; }

  /// This one for an image of `size`, with numbers for padding.
  Slide resolved(std::int64_t size) const {
    Slide result = *this;
    if (!same) return result;
    std::int64_t windows = 0;
    while (windows * stride < size) ++windows;
    const std::int64_t missing = std::max<std::int64_t>((windows - 1) * stride + extent() - size, 0);
    result.before = missing / 2;
    result.after = missing - missing / 2;
    return result;
  }

  std::int64_t windows(std::int64_t size) const {
    if (adapt > 0) return adapt;
    const Slide slide = resolved(size);
    const std::int64_t padded = size + slide.before + slide.after;
    std::int64_t i = 0;
    if (ceil_mode && !same) {
      // Windows as long as the one in front leaves something out, and none that begins behind the image.
      while ((i - 1) * stride + extent() < padded && i * stride - slide.before < size) ++i;
    } else {
      while (i * stride + extent() <= padded) ++i;
    }
    return i;
  }

  /// The elements of the image that window i covers.
  std::vector<std::int64_t> elements(std::int64_t size, std::int64_t i) const {
    std::vector<std::int64_t> result;
    for (std::int64_t e = 0; e < size; ++e) {
      if (adapt > 0) {
        if (e * adapt >= i * size - adapt + 1 && e * adapt < (i + 1) * size) result.push_back(e);
        continue;
      }
      const std::int64_t tap = e - (i * stride - resolved(size).before);
      if (tap >= 0 && tap < extent() && tap % dilation == 0) result.push_back(e);
    }
    return result;
  }

  /// How many places inside the padded image it covers.
  std::int64_t places(std::int64_t size, std::int64_t i) const {
    if (adapt > 0) return static_cast<std::int64_t>(elements(size, i).size());
    const Slide slide = resolved(size);
    std::int64_t count = 0;
    for (std::int64_t e = -slide.before; e < size + slide.after; ++e) {
      const std::int64_t tap = e - (i * stride - slide.before);
      count += tap >= 0 && tap < extent();
    }
    return count;
  }
};

using Slides = std::vector<Slide>;

/// What one window covers.
struct Covered {
  Values values;
  std::vector<double> pixels;  // their numbers in the channel
  double places;               // inside the padded image
};

/// `f(covered)` of each window over the last axes of x.
template <class F>
Array pooled(const Array& x, const Slides& slides, F f) {
  const auto axes = static_cast<int>(slides.size());
  const int first = x.shape.rank() - axes;
  Shape result = x.shape;
  for (int a = 0; a < axes; ++a) {
    result = result.with(first + a, slides[static_cast<std::size_t>(a)].windows(x.shape[first + a]));
  }
  return make(result, [&](const Index& window) {
    struct Place {
      Index position;
      double pixel;
    };
    std::vector<Place> covered{{window, 0}};
    double places = 1;
    for (int a = 0; a < axes; ++a) {
      const auto axis = static_cast<std::size_t>(first + a);
      const Slide& slide = slides[static_cast<std::size_t>(a)];
      const std::int64_t size = x.shape[first + a];
      places *= static_cast<double>(slide.places(size, window[axis]));
      std::vector<Place> next;
      for (const Place& place : covered) {
        for (const std::int64_t e : slide.elements(size, window[axis])) {
          next.push_back({place.position, place.pixel * static_cast<double>(size) + static_cast<double>(e)});
          next.back().position[axis] = e;
        }
      }
      covered = next;
    }
    Covered all{.values = {}, .pixels = {}, .places = places};
    for (const Place& place : covered) {
      all.values.push_back(x(place.position));
      all.pixels.push_back(place.pixel);
    }
    return f(all);
  });
}

double largest(const Covered& window) { return max_of(window.values); }
double place_of_largest(const Covered& window) {
  return window.pixels[static_cast<std::size_t>(argmax_of(window.values))];
}
double mean_of_places(const Covered& window) { return sum_of(window.values) / window.places; }
double mean_of_elements(const Covered& window) { return mean_of(window.values); }

std::function<Array(From)> reference_of(const Slides& slides, double (*f)(const Covered&)) {
  return [slides, f](From in) { return pooled(in[0], slides, f); };
}

// ---------------------------------------------------------------------------------------------------------------------
// Pools drawn at random.

/// A pool over some axes, and an x that it fits.
struct Pool {
  Slides slides;
  Padding padding = Padding::valid;
  bool count_include_pad = true;
  Shape shape;

  template <class Options>
  Options with_flags(Options options) const {
    options.padding = padding;
    options.ceil_mode = slides[0].ceil_mode;
    options.count_include_pad = count_include_pad;
    return options;
  }
  Pool1dOptions options1d() const {
    return with_flags(Pool1dOptions{.stride = slides[0].stride, .dilation = slides[0].dilation});
  }
  PoolOptions options2d() const {
    return with_flags(PoolOptions{.stride = Size2d(slides[0].stride, slides[1].stride),
                                  .dilation = Size2d(slides[0].dilation, slides[1].dilation)});
  }
  Pool3dOptions options3d() const {
    return with_flags(Pool3dOptions{.stride = Size3d(slides[0].stride, slides[1].stride, slides[2].stride),
                                    .dilation = Size3d(slides[0].dilation, slides[1].dilation, slides[2].dilation)});
  }
  Size2d kernel2d() const { return {slides[0].kernel, slides[1].kernel}; }
  Size3d kernel3d() const { return {slides[0].kernel, slides[1].kernel, slides[2].kernel}; }
};

/// Images of `sizes`, alone or as a batch with channels.
Shape draw_images(Draw& draw, std::vector<std::int64_t> sizes) {
  if (draw.coin()) sizes.insert(sizes.begin(), {draw.integer(1, 2), draw.integer(1, 2)});
  return Shape(sizes);
}

Pool draw_pool(Draw& draw, int axes, bool dilates) {
  enum class Kind : std::uint8_t { valid, same, number, by_axis, sides };
  const Kind kind = draw.one_of({Kind::valid, Kind::same, Kind::number, Kind::by_axis, Kind::sides});
  const bool ceil_mode = draw.coin();
  Pool pool{.slides = Slides(static_cast<std::size_t>(axes)), .count_include_pad = !draw.coin(), .shape = {}};
  std::int64_t number = 2;
  for (Slide& slide : pool.slides) {
    slide = {.kernel = draw.integer(1, axes == 3 ? 3 : 4),
             .stride = draw.integer(1, 3),
             .dilation = dilates ? draw.integer(1, 2) : 1,
             .ceil_mode = ceil_mode,
             .same = kind == Kind::same};
    number = std::min(number, slide.extent() / 2);
  }
  for (Slide& slide : pool.slides) {
    if (kind == Kind::number) slide.before = slide.after = number;
    if (kind == Kind::by_axis || kind == Kind::sides) slide.before = slide.after = draw.integer(0, slide.extent() / 2);
    if (kind == Kind::sides && axes < 3) slide.after = draw.integer(0, slide.extent() / 2);
  }
  const auto& s = pool.slides;
  if (kind == Kind::same) pool.padding = Padding::same;
  if (kind == Kind::number) pool.padding = number;
  if (kind == Kind::by_axis || kind == Kind::sides) {
    pool.padding = axes == 1             ? Padding::sides(s[0].before, s[0].after)
                   : axes == 3           ? Padding(s[0].before, s[1].before, s[2].before)
                   : kind == Kind::sides ? Padding::sides(s[0].before, s[0].after, s[1].before, s[1].after)
                                         : Padding(s[0].before, s[1].before);
  }
  std::vector<std::int64_t> sizes;
  for (const Slide& slide : pool.slides) {
    const std::int64_t missing = ceil_mode ? slide.stride - 1 : 0;
    const std::int64_t least =
        slide.same ? slide.dilation : std::max(slide.dilation, slide.extent() - slide.before - slide.after - missing);
    const bool wide = axes < 3 && &slide == &s.back();  // more windows than a packet has lanes
    sizes.push_back(least + draw.integer(0, wide ? 40 : 3));
  }
  pool.shape = draw_images(draw, sizes);
  return pool;
}

/// `vary` for a pool over `axes` axes: `apply(x, pool)`, and `f` of each window.
template <class Apply>
auto any_pool(int axes, bool dilates, Apply apply, double (*f)(const Covered&)) {
  return [=](Draw& draw, OpCase& row) {
    const Pool pool = draw_pool(draw, axes, dilates);
    row.inputs[0].shape = pool.shape;
    row.f = [=](In in) { return apply(in[0], pool); };
    row.reference = reference_of(pool.slides, f);
  };
}

template <class Apply>
auto any_mean(int axes, Apply apply) {
  return [=](Draw& draw, OpCase& row) {
    const Pool pool = draw_pool(draw, axes, false);
    row.inputs[0].shape = pool.shape;
    row.f = [=](In in) { return apply(in[0], pool); };
    row.reference = reference_of(pool.slides, pool.count_include_pad ? mean_of_places : mean_of_elements);
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows.

void add_maxima(Table& t) {
  t.push_back(
      {.name = "maxpool1d",
       .inputs = {separated({2, 3, 9})},
       .f = [](In in) { return maxpool1d(in[0], 3, {.stride = 2, .padding = 1}); },
       .reference = reference_of({{.kernel = 3, .stride = 2, .before = 1, .after = 1}}, largest),
       .vary = any_pool(
           1, true, [](const Tensor& x, const Pool& p) { return maxpool1d(x, p.slides[0].kernel, p.options1d()); },
           largest),
       .big = {{16, 32, 500}},
       .empty = {{0, 2, 9}}});
  t.push_back(
      {.name = "maxpool2d",
       .inputs = {separated({2, 2, 4, 6})},
       .f =
           [](In in) {
             return maxpool2d(in[0], {2, 3});
           },
       .reference = reference_of({{.kernel = 2, .stride = 2}, {.kernel = 3, .stride = 3}}, largest),
       .vary = any_pool(
           2, true, [](const Tensor& x, const Pool& p) { return maxpool2d(x, p.kernel2d(), p.options2d()); }, largest),
       .big = {{8, 16, 24, 30}},
       .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "maxpool2d",
               .variant = "overlapping, padded",
               .inputs = {separated({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0] - 10, {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference =
                   [](From in) {
                     const Slide slide{.kernel = 3, .stride = 2, .before = 1, .after = 1};
                     return pooled(in[0], {slide, slide}, [](const Covered& w) { return largest(w) - 10; });
                   },
               .big = {{8, 16, 24, 30}},
               .error_prefix = "-"});
  t.push_back({.name = "maxpool2d",
               .variant = "image",
               .inputs = {separated({4, 4})},
               .f = [](In in) { return maxpool2d(in[0], 2); },
               .reference = reference_of({{.kernel = 2, .stride = 2}, {.kernel = 2, .stride = 2}}, largest)});
  // Rows of more windows than a packet has, of either type.
  t.push_back({.name = "maxpool2d",
               .variant = "wide",
               .inputs = {separated({7, 75})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0], {3, 5}, {.stride = Size2d(1, 2), .padding = {1, 2}, .dilation = {2, 1}});
                   },
               .reference = reference_of({{.kernel = 3, .dilation = 2, .before = 1, .after = 1},
                                          {.kernel = 5, .stride = 2, .before = 2, .after = 2}},
                                         largest)});
  t.push_back(
      {.name = "maxpool3d",
       .inputs = {separated({1, 2, 3, 4, 5})},
       .f =
           [](In in) {
             return maxpool3d(in[0], {2, 3, 2}, {.stride = 1, .padding = {1, 0, 1}});
           },
       .reference = reference_of(
           {{.kernel = 2, .before = 1, .after = 1}, {.kernel = 3}, {.kernel = 2, .before = 1, .after = 1}}, largest),
       .vary = any_pool(
           3, true, [](const Tensor& x, const Pool& p) { return maxpool3d(x, p.kernel3d(), p.options3d()); }, largest),
       .big = {{4, 16, 8, 14, 20}},
       .empty = {{0, 2, 3, 4, 5}}});
}

void add_maxima_with_index(Table& t) {
  const Slide slide{.kernel = 3, .stride = 2, .before = 1, .after = 1};
  t.push_back({.name = "maxpool1d_with_index",
               .inputs = {separated({2, 3, 9})},
               .f = [](In in) { return maxpool1d_with_index(in[0], 3, {.stride = 2, .padding = 1}).values; },
               .reference = reference_of({slide}, largest),
               .vary = any_pool(
                   1, true,
                   [](const Tensor& x, const Pool& p) {
                     return maxpool1d_with_index(x, p.slides[0].kernel, p.options1d()).values;
                   },
                   largest),
               .big = {{16, 32, 500}},
               .empty = {{0, 2, 9}}});
  t.push_back({.name = "maxpool1d_with_index",
               .variant = "indices",
               .inputs = {separated({2, 3, 9})},
               .f = [](In in) { return maxpool1d_with_index(in[0], 3, {.stride = 2, .padding = 1}).indices; },
               .reference = reference_of({slide}, place_of_largest),
               .vary = any_pool(
                   1, true,
                   [](const Tensor& x, const Pool& p) {
                     return maxpool1d_with_index(x, p.slides[0].kernel, p.options1d()).indices;
                   },
                   place_of_largest),
               .gradient = false,
               .big = {{16, 32, 500}}});
  t.push_back(
      {.name = "maxpool2d_with_index",
       .inputs = {separated({2, 2, 5, 6})},
       .f = [](In in) { return maxpool2d_with_index(in[0], 3, {.stride = 2, .padding = 1}).values; },
       .reference = reference_of({slide, slide}, largest),
       .vary = any_pool(
           2, true,
           [](const Tensor& x, const Pool& p) { return maxpool2d_with_index(x, p.kernel2d(), p.options2d()).values; },
           largest),
       .big = {{8, 16, 24, 30}},
       .empty = {{0, 2, 5, 6}}});
  t.push_back(
      {.name = "maxpool2d_with_index",
       .variant = "indices",
       .inputs = {separated({2, 2, 5, 75})},
       .f = [](In in) { return maxpool2d_with_index(in[0], 3, {.stride = 2, .padding = 1}).indices; },
       .reference = reference_of({slide, slide}, place_of_largest),
       .vary = any_pool(
           2, true,
           [](const Tensor& x, const Pool& p) { return maxpool2d_with_index(x, p.kernel2d(), p.options2d()).indices; },
           place_of_largest),
       .gradient = false,
       .big = {{8, 16, 24, 30}}});
}

/// Values at their places, in a channel of `size`; of several at one place the last.
std::function<Array(From)> unpooled(Size2d size) {
  return [size](From in) {
    const int batch = in[0].shape.rank() - 2;
    Array result = make(in[0].shape.with(batch, size.rows).with(batch + 1, size.columns), [](auto) { return 0.0; });
    make(in[0].shape, [&](const Index& i) {
      const auto place = static_cast<std::int64_t>(in[1](i));
      Index to = i;
      to[static_cast<std::size_t>(batch)] = place / size.columns;
      to[static_cast<std::size_t>(batch) + 1] = place % size.columns;
      result.at(to) = in[0](i);
      return 0;
    });
    return result;
  };
}

void add_unpooling(Table& t) {
  t.push_back({.name = "maxunpool2d",
               .inputs = {real({2, 3, 2, 3}), index_below(4 * 5, {2, 3, 2, 3})},
               .f =
                   [](In in) {
                     return maxunpool2d(in[0], in[1], {4, 5});
                   },
               .reference = unpooled({4, 5}),
               .vary =
                   [](Draw& draw, OpCase& row) {
                     const Size2d size(draw.size(), draw.size());
                     const Shape shape = draw_images(draw, {draw.size(), draw.size()});
                     row.inputs = {real(shape), index_below(static_cast<int>(size.rows * size.columns), shape)};
                     row.f = [size](In in) { return maxunpool2d(in[0], in[1], size); };
                     row.reference = unpooled(size);
                   },
               .big = {{16, 64, 20, 20}, {16, 64, 20, 20}},
               .empty = {{0, 2, 3, 3}, {0, 2, 3, 3}}});
}

void add_means(Table& t) {
  const Slide slide{.kernel = 3, .stride = 2, .before = 1, .after = 1};
  t.push_back({.name = "avgpool1d",
               .inputs = {real({2, 3, 9})},
               .f = [](In in) { return avgpool1d(in[0], 3, {.stride = 2, .padding = 1}); },
               .reference = reference_of({slide}, mean_of_places),
               .vary = any_mean(
                   1, [](const Tensor& x, const Pool& p) { return avgpool1d(x, p.slides[0].kernel, p.options1d()); }),
               .big = {{16, 32, 500}},
               .empty = {{0, 2, 9}}});
  t.push_back(
      {.name = "avgpool2d",
       .inputs = {real({2, 2, 4, 6})},
       .f =
           [](In in) {
             return avgpool2d(in[0], {2, 3});
           },
       .reference = reference_of({{.kernel = 2, .stride = 2}, {.kernel = 3, .stride = 3}}, mean_of_places),
       .vary = any_mean(2, [](const Tensor& x, const Pool& p) { return avgpool2d(x, p.kernel2d(), p.options2d()); }),
       .big = {{8, 16, 24, 30}},
       .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "avgpool2d",
               .variant = "overlapping, padded",
               .inputs = {real({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return avgpool2d(in[0], {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference = reference_of({slide, slide}, mean_of_places),
               .big = {{8, 16, 24, 30}}});
  t.push_back(
      {.name = "avgpool2d",
       .variant = "wide",
       .inputs = {real({7, 75})},
       .f =
           [](In in) {
             return avgpool2d(in[0], {3, 5}, {.stride = Size2d(1, 2), .padding = {1, 2}, .count_include_pad = false});
           },
       .reference =
           reference_of({{.kernel = 3, .before = 1, .after = 1}, {.kernel = 5, .stride = 2, .before = 2, .after = 2}},
                        mean_of_elements)});
  t.push_back(
      {.name = "avgpool3d",
       .inputs = {real({1, 2, 3, 4, 5})},
       .f =
           [](In in) {
             return avgpool3d(in[0], {2, 3, 2}, {.stride = 1, .padding = {1, 0, 1}});
           },
       .reference =
           reference_of({{.kernel = 2, .before = 1, .after = 1}, {.kernel = 3}, {.kernel = 2, .before = 1, .after = 1}},
                        mean_of_places),
       .vary = any_mean(3, [](const Tensor& x, const Pool& p) { return avgpool3d(x, p.kernel3d(), p.options3d()); }),
       .big = {{4, 16, 8, 14, 20}},
       .empty = {{0, 2, 3, 4, 5}}});
}

/// Rows of an op that makes so many windows of one axis, or of two.
template <class Size>
OpCase adaptive_row(const char* name, Tensor (*op)(const Tensor&, Size), const Input& input,
                    double (*f)(const Covered&)) {
  constexpr bool one_axis = std::is_same_v<Size, std::int64_t>;
  const auto set = [=](OpCase& row, std::int64_t rows, std::int64_t columns) {
    row.f = [=](In in) {
      if constexpr (one_axis) {
        return op(in[0], columns);
      } else {
        return op(in[0], {rows, columns});
      }
    };
    row.reference =
        reference_of(one_axis ? Slides{{.adapt = columns}} : Slides{{.adapt = rows}, {.adapt = columns}}, f);
  };
  OpCase row{.name = name,
             .inputs = {input},
             .vary =
                 [=](Draw& draw, OpCase& drawn) {
                   const std::int64_t width = draw.integer(1, 8);
                   drawn.inputs[0].shape =
                       one_axis ? draw_images(draw, {width}) : draw_images(draw, {draw.integer(1, 8), width});
                   set(drawn, draw.size(), draw.size());
                 },
             .big = {one_axis ? Shape{16, 32, 500} : Shape{8, 16, 24, 30}},
             .empty = {one_axis ? Shape{0, 2, 9} : Shape{0, 2, 5, 7}}};
  row.inputs[0].shape = one_axis ? Shape{2, 3, 7} : Shape{1, 2, 5, 7};
  set(row, 5, 3);
  return row;
}

void add_adaptive(Table& t) {
  t.push_back(adaptive_row("adaptive_maxpool1d", adaptive_maxpool1d, separated({}), largest));
  t.push_back(adaptive_row("adaptive_maxpool2d", adaptive_maxpool2d, separated({}), largest));
  t.push_back(adaptive_row("adaptive_avgpool1d", adaptive_avgpool1d, real({}), mean_of_elements));
  t.push_back(adaptive_row("adaptive_avgpool2d", adaptive_avgpool2d, real({}), mean_of_elements));
}

OpCase global_row(const char* name, Tensor (*op)(const Tensor&), const Input& input, double (*f)(const Values&)) {
  return {.name = name,
          .inputs = {input},
          .unary = op,
          .reference =
              [f](From in) {
                std::vector<int> axes;
                Shape shape = in[0].shape;
                for (int axis = 2; axis < shape.rank(); ++axis) {
                  axes.push_back(axis);
                  shape = shape.with(axis, 1);
                }
                return reshaped(reduce(in[0], axes, f), shape);
              },
          .vary = [](Draw& draw, OpCase& row) { row.inputs[0].shape = draw.shape(3, 5); },
          .big = {{8, 16, 24, 30}},
          .empty = {{0, 2, 4, 6}}};
}

// ---------------------------------------------------------------------------------------------------------------------
// interpolate.

/// Where position i of `out` lies among `in` elements.
double place(std::int64_t i, std::int64_t in, std::int64_t out, bool align_corners) {
  const auto size = static_cast<double>(in);
  const auto count = static_cast<double>(out);
  if (align_corners) return out == 1 ? 0 : static_cast<double>(i) * (size - 1) / (count - 1);
  return std::clamp((static_cast<double>(i) + 0.5) * size / count - 0.5, 0.0, size - 1);
}

std::function<Array(From)> resized(Size2d size, const InterpolateOptions& options) {
  return [=](From in) {
    const Array& x = in[0];
    const int batch = x.shape.rank() - 2;
    const auto row_axis = static_cast<std::size_t>(batch);
    const std::int64_t height = x.shape[batch];
    const std::int64_t width = x.shape[batch + 1];
    return make(x.shape.with(batch, size.rows).with(batch + 1, size.columns), [&](const Index& i) {
      const auto pixel = [&](std::int64_t row, std::int64_t column) {
        Index position = i;
        position[row_axis] = row;
        position[row_axis + 1] = column;
        return x(position);
      };
      if (options.mode == InterpolateMode::nearest) {
        return pixel(i[row_axis] * height / size.rows, i[row_axis + 1] * width / size.columns);
      }
      const double y = place(i[row_axis], height, size.rows, options.align_corners);
      const double z = place(i[row_axis + 1], width, size.columns, options.align_corners);
      // Every element weighs as much as the hat function around it says.
      double sum = 0;
      for (std::int64_t r = 0; r < height; ++r) {
        for (std::int64_t c = 0; c < width; ++c) {
          const double hat_r = std::max(0.0, 1 - std::abs(y - static_cast<double>(r)));
          const double hat_c = std::max(0.0, 1 - std::abs(z - static_cast<double>(c)));
          sum += hat_r * hat_c * pixel(r, c);
        }
      }
      return sum;
    });
  };
}

OpCase interpolate_row(const char* variant, Size2d size, const InterpolateOptions& options) {
  return {.name = "interpolate",
          .variant = variant,
          .inputs = {real({1, 2, 4, 5})},
          .f = [=](In in) { return interpolate(in[0], size, options); },
          .reference = resized(size, options),
          .vary =
              [mode = options.mode](Draw& draw, OpCase& row) {
                const InterpolateOptions drawn{.mode = mode,
                                               .align_corners = mode == InterpolateMode::bilinear && draw.coin()};
                const Size2d to(draw.integer(1, 7), draw.integer(1, 7));
                row.inputs[0].shape = draw_images(draw, {draw.size(), draw.size()});
                row.f = [=](In in) { return interpolate(in[0], to, drawn); };
                row.reference = resized(to, drawn);
              },
          .big = {{16, 16, 24, 30}},
          .empty = {{0, 2, 4, 5}}};
}

}  // namespace

void add_pooling(Table& t) {
  add_maxima(t);
  add_maxima_with_index(t);
  add_unpooling(t);
  add_means(t);
  add_adaptive(t);
  t.push_back(global_row("global_maxpool", global_maxpool, separated({2, 3, 4, 5}), max_of));
  t.push_back(global_row("global_avgpool", global_avgpool, real({2, 3, 4, 5}), mean_of));
  t.push_back(interpolate_row("nearest", {7, 3}, {}));
  t.push_back(interpolate_row("bilinear", {7, 3}, {.mode = InterpolateMode::bilinear}));
  t.push_back(interpolate_row("corners", {3, 8}, {.mode = InterpolateMode::bilinear, .align_corners = true}));
}

}  // namespace wengert::test
