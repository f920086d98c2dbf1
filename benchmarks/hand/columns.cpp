#include "benchmarks/hand/columns.h"

#include <algorithm>
#include <utility>

#include "benchmarks/hand/product.h"

namespace wengert::bench {

Columns::Columns(const Images& images, std::vector<float> x, std::vector<float> kernel, std::vector<float> g)
    : images_(images), x_(std::move(x)), kernel_(std::move(kernel)), g_(std::move(g)) {
  if (!is_image_itself()) columns_.resize(static_cast<std::size_t>(images.taps() * images.area()));
  output_.resize(g_.size());
  to_input_.resize(x_.size());
  to_kernel_.resize(kernel_.size());
}

void Columns::forward() {
  const Images& s = images_;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    product(s.maps, s.area(), s.taps(), {kernel_.data(), s.taps()}, {columns_of(n), s.area()},
            output_.data() + n * s.maps * s.area());
  }
}

void Columns::input_gradient() {
  const Images& s = images_;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    float* image = to_input_.data() + n * s.channels * s.side * s.side;
    product(s.taps(), s.area(), s.maps, {kernel_.data(), s.taps(), true}, {g_.data() + n * s.maps * s.area(), s.area()},
            is_image_itself() ? image : columns_.data());
    if (!is_image_itself()) add_columns_to(image);
  }
}

void Columns::kernel_gradient() {
  const Images& s = images_;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    product(s.maps, s.taps(), s.area(), {g_.data() + n * s.maps * s.area(), s.area()}, {columns_of(n), s.area(), true},
            to_kernel_.data(), n == 0 ? 0.0F : 1.0F);
  }
}

Columns::Range Columns::inside(std::int64_t offset) const {
  const Images& s = images_;
  // 0 <= i stride + offset < side
  const std::int64_t begin = offset >= 0 ? 0 : (-offset + s.stride - 1) / s.stride;
  const std::int64_t end = s.side - offset <= 0 ? 0 : (s.side - offset + s.stride - 1) / s.stride;
  return {std::min(begin, s.out_side()), std::clamp(end, begin, s.out_side())};
}

const float* Columns::columns_of(std::int64_t n) {
  const Images& s = images_;
  const float* image = x_.data() + n * s.channels * s.side * s.side;
  if (is_image_itself()) return image;
  float* to = columns_.data();
  for (std::int64_t channel = 0; channel < s.channels; ++channel, image += s.side * s.side) {
    for (std::int64_t dy = -s.padding; dy < s.kernel - s.padding; ++dy) {
      const Range rows = inside(dy);
      for (std::int64_t dx = -s.padding; dx < s.kernel - s.padding; ++dx, to += s.area()) {
        const Range columns = inside(dx);
        std::fill_n(to, rows.begin * s.out_side(), 0.0F);
        for (std::int64_t y = rows.begin; y < rows.end; ++y) {
          float* row = to + y * s.out_side();
          const float* from = image + (y * s.stride + dy) * s.side + dx;
          std::fill_n(row, columns.begin, 0.0F);
          if (s.stride == 1) {
            std::copy(from + columns.begin, from + columns.end, row + columns.begin);
          } else {
            for (std::int64_t x = columns.begin; x < columns.end; ++x) row[x] = from[x * s.stride];
          }
          std::fill(row + columns.end, row + s.out_side(), 0.0F);
        }
        std::fill(to + rows.end * s.out_side(), to + s.area(), 0.0F);
      }
    }
  }
  return columns_.data();
}

void Columns::add_columns_to(float* image) const {
  const Images& s = images_;
  std::fill_n(image, s.channels * s.side * s.side, 0.0F);
  const float* from = columns_.data();
  for (std::int64_t channel = 0; channel < s.channels; ++channel, image += s.side * s.side) {
    for (std::int64_t dy = -s.padding; dy < s.kernel - s.padding; ++dy) {
      const Range rows = inside(dy);
      for (std::int64_t dx = -s.padding; dx < s.kernel - s.padding; ++dx, from += s.area()) {
        const Range columns = inside(dx);
        for (std::int64_t y = rows.begin; y < rows.end; ++y) {
          const float* __restrict row = from + y * s.out_side();
          float* __restrict to = image + (y * s.stride + dy) * s.side + dx;
          if (s.stride == 1) {
            for (std::int64_t x = columns.begin; x < columns.end; ++x) to[x] += row[x];
          } else {
            for (std::int64_t x = columns.begin; x < columns.end; ++x) to[x * s.stride] += row[x];
          }
        }
      }
    }
  }
}

}  // namespace wengert::bench
