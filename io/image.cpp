#include <wengert/io/image.h>

#ifdef WENGERT_HAVE_STB

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#ifdef WENGERT_HAVE_ZLIB
#include <zlib.h>
#endif

#include "io/detail/atomic_file.h"
#include "io/detail/read_file.h"

// Static, so that a program's own copy of stb does not clash with this one.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace wengert {
namespace {

/// From pixels with their channels side by side to a plane for each channel.
template <class Level>
Tensor planes_of(const Level* levels, int channels, int height, int width) {
  const Tensor image = detail::Access::allocate({channels, height, width}, float32);
  auto* out = detail::Access::mutable_data<float>(image);
  const auto pixels = std::size_t{1} * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  const auto step = static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < step; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) {
      *out++ = static_cast<float>(levels[i * step + c]) / static_cast<float>(std::numeric_limits<Level>::max());
    }
  }
  return image;
}

/// What stb does not look at: the checksums of a PNG file, whether a BMP file is all there, and whether the size is one
/// that a picture has, before memory for it is asked for.
void check_whole(const std::string& path, const std::string& bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto number = [&](std::size_t at, bool big_endian) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | data[at + (big_endian ? i : 3 - i)];
    return value;
  };
#ifdef WENGERT_HAVE_ZLIB
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) {
    for (std::size_t at = 8; at + 12 <= bytes.size();) {
      const std::size_t length = number(at, true);
      check<IoError>(length <= bytes.size() - at - 12, "load_image: '{}' is cut short", path);
      const auto sum = ::crc32(0, data + at + 4, static_cast<unsigned>(length + 4));
      check<IoError>(sum == number(at + 8 + length, true), "load_image: '{}' is damaged: a checksum is wrong", path);
      at += 12 + length;
    }
  }
#endif
  if (bytes.starts_with("BM") && bytes.size() >= 54 && number(14, false) >= 40 && number(30, false) == 0) {
    const std::uint64_t width = number(18, false) & 0x7fffffff;
    const auto height =
        static_cast<std::uint64_t>(std::abs(std::int64_t{static_cast<std::int32_t>(number(22, false))}));
    const std::uint64_t bits = data[28] | data[29] << 8;
    const std::uint64_t row = (width * bits + 31) / 32 * 4;
    const std::uint64_t begin = number(10, false);
    check<IoError>(begin <= bytes.size() && (height == 0 || row <= (bytes.size() - begin) / height),
                   "load_image: '{}' is cut short", path);
  }
  int width = 0;
  int height = 0;
  int channels = 0;
  constexpr std::int64_t most = 1 << 28;
  const bool known = stbi_info_from_memory(data, static_cast<int>(bytes.size()), &width, &height, &channels) != 0;
  check<IoError>(!known || std::int64_t{width} * height <= most, "load_image: '{}' has {} x {} pixels, more than {}",
                 path, width, height, most);
}

}  // namespace

Tensor load_image(const std::string& path, int channels) {
  check<Error>(channels >= 0 && channels <= 4, "load_image: channels must be 0 to 4, got {}", channels);
  const std::string bytes = detail::read_file("load_image", path);
  check<IoError>(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
                 "load_image: '{}' is too large", path);
  check_whole(path, bytes);
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  int width = 0;
  int height = 0;
  int found = 0;
  const auto load = [&](auto* levels) {
    const std::unique_ptr<std::remove_pointer_t<decltype(levels)>, void (*)(void*)> owner(levels, stbi_image_free);
    check<IoError>(levels != nullptr, "load_image: '{}' is not a PNG, JPEG or BMP picture, or is damaged: {}", path,
                   stbi_failure_reason() == nullptr ? "unknown" : stbi_failure_reason());
    return planes_of(levels, channels == 0 ? found : channels, height, width);
  };
  if (stbi_is_16_bit_from_memory(data, size) != 0) {
    return load(stbi_load_16_from_memory(data, size, &width, &height, &found, channels));
  }
  return load(stbi_load_from_memory(data, size, &width, &height, &found, channels));
}

void save_image(const std::string& path, const Tensor& image) {
  check<Error>(image.defined(), "save_image: the image is undefined");
  check<Error>(path.ends_with(".png") || path.ends_with(".PNG"),
               "save_image: the name of a picture must end in .png, got '{}'", path);
  check<DTypeError>(is_floating(image.dtype()), "save_image: image must be float32 or float64, got {}", image.dtype());
  const bool grey = image.rank() == 2;
  check(grey || (image.rank() == 3 && image.dim(0) >= 1 && image.dim(0) <= 4),
        "save_image: image must be [H, W] or [C, H, W] with 1 to 4 channels, got {}", image.shape());
  constexpr std::int64_t longest = 1 << 20;
  check(image.numel() > 0 && image.dim(-1) <= longest && image.dim(-2) <= longest &&
            image.numel() < std::numeric_limits<int>::max(),
        "save_image: image has no pixels, or too many for a picture: {}", image.shape());

  const auto channels = static_cast<std::size_t>(grey ? 1 : image.dim(0));
  const auto count = static_cast<std::size_t>(image.numel());
  std::vector<unsigned char> levels(count);
  dispatch_floating(image.dtype(), [&]<class T>() {
    const std::span<const T> values = image.data<T>();
    for (std::size_t i = 0; i < count; ++i) {
      const T value = values[i];
      check<Error>(!std::isnan(value), "save_image: image has a value that is NaN");
      const std::size_t pixels = count / channels;
      levels[i % pixels * channels + i / pixels] =
          static_cast<unsigned char>(std::lround(std::clamp(value, T{0}, T{1}) * T{255}));
    }
  });
  const auto append = [](void* out, void* data, int size) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  std::string bytes;
  const int written = stbi_write_png_to_func(append, &bytes, static_cast<int>(image.dim(-1)),
                                             static_cast<int>(image.dim(-2)), static_cast<int>(channels), levels.data(),
                                             static_cast<int>(static_cast<std::size_t>(image.dim(-1)) * channels));
  check<Error>(written != 0, "save_image: '{}' could not be encoded", path);
  detail::write_file_atomically("save_image", path, {std::as_bytes(std::span(bytes))});
}

bool images_available() noexcept { return true; }

}  // namespace wengert

#else

namespace wengert {
namespace {

[[noreturn]] void fail_without_stb(const char* caller, const std::string& path) {
  fail<IoError>(
      "{}: '{}' needs stb, and this library was built without it; install it (Debian: libstb-dev) and build "
      "again",
      caller, path);
}

}  // namespace

Tensor load_image(const std::string& path, int) { fail_without_stb("load_image", path); }
void save_image(const std::string& path, const Tensor&) { fail_without_stb("save_image", path); }
bool images_available() noexcept { return false; }

}  // namespace wengert

#endif
