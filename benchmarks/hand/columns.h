#pragma once

#include <cstdint>
#include <vector>

namespace wengert::bench {

/// Square images and kernels.
struct Images {
  std::int64_t batch;
  std::int64_t channels;
  std::int64_t side;
  std::int64_t maps;
  std::int64_t kernel;
  std::int64_t stride;
  std::int64_t padding;

  std::int64_t out_side() const { return (side + 2 * padding - kernel) / stride + 1; }
  std::int64_t area() const { return out_side() * out_side(); }
  std::int64_t taps() const { return channels * kernel * kernel; }
  /// Floating-point operations of one direction.
  double operations() const { return 2 * static_cast<double>(batch * maps) * static_cast<double>(area() * taps()); }
};

/// Correlation by matrix products of the images' columns (im2col), image by image, so that an image's columns are still
/// in the cache when they are multiplied.
class Columns {
 public:
  Columns(const Images& images, std::vector<float> x, std::vector<float> kernel, std::vector<float> g);

  void forward();
  void input_gradient();
  void kernel_gradient();

  const std::vector<float>& output() const { return output_; }
  const std::vector<float>& to_input() const { return to_input_; }
  const std::vector<float>& to_kernel() const { return to_kernel_; }

 private:
  /// The columns of image n, [taps, area]; for 1x1 kernels that is the image itself.
  const float* columns_of(std::int64_t n);
  void add_columns_to(float* image) const;
  /// Of a kernel row or column that is `offset` away, the results that lie inside the image.
  struct Range {
    std::int64_t begin;
    std::int64_t end;
  };
  Range inside(std::int64_t offset) const;
  bool is_image_itself() const { return images_.kernel == 1 && images_.stride == 1 && images_.padding == 0; }

  Images images_;
  std::vector<float> x_;
  std::vector<float> kernel_;
  std::vector<float> g_;
  std::vector<float> columns_;
  std::vector<float> output_;
  std::vector<float> to_input_;
  std::vector<float> to_kernel_;
};

}  // namespace wengert::bench
