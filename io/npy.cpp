#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/io/npy.h>

#include "io/detail/atomic_file.h"
#include "io/detail/elements.h"
#include "io/detail/read_file.h"
#include "io/detail/zip.h"

namespace wengert {
namespace {

static_assert(std::endian::native == std::endian::little, "the numbers in the file are little-endian");

constexpr std::string_view magic{"\x93NUMPY", 6};

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return dispatch(tensor.dtype(), [&]<class T>() { return std::as_bytes(tensor.data<T>()); });
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// What stands before the numbers.
std::string npy_header(const Tensor& tensor) {
  std::string shape;
  for (const std::int64_t size : tensor.shape()) shape += fmt::format("{}, ", size);
  if (tensor.rank() > 1) shape.resize(shape.size() - 2);
  if (tensor.rank() == 1) shape.pop_back();
  const char* type = tensor.dtype() == float32 ? "<f4" : tensor.dtype() == float64 ? "<f8" : "<i8";
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, shape);
  // The numbers begin at a multiple of 64 bytes.
  constexpr std::size_t before = 10;
  text.append(63 - (before + text.size()) % 64, ' ');
  text += '\n';
  const auto length = static_cast<std::uint16_t>(text.size());
  return std::string(magic) + '\1' + '\0' + static_cast<char>(length & 0xff) + static_cast<char>(length >> 8) + text;
}

/// Reads the dictionary of a header, a Python literal. `name` is what messages call the file.
class NpyReader {
 public:
  NpyReader(const char* caller, const std::string& name, std::string_view bytes)
      : caller_(caller), name_(name), bytes_(bytes) {}

  Tensor read() {
    require(bytes_.substr(0, magic.size()) == magic, "it does not begin as a .npy file does");
    require(bytes_.size() >= 10, "it is cut short");
    const int version = bytes_[6];
    require(version >= 1 && version <= 3, "its format version is not 1, 2 or 3");
    const std::size_t digits = version == 1 ? 2 : 4;
    const std::size_t begin = 8 + digits;
    require(bytes_.size() >= begin, "it is cut short");
    std::size_t length = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      length |= std::size_t{static_cast<unsigned char>(bytes_[8 + i])} << (8 * i);
    }
    require(length <= bytes_.size() - begin, "it is cut short in its header");
    header_ = bytes_.substr(begin, length);

    const detail::ElementFormat format = element_format(quoted(value_of("descr")));
    const std::string_view order = value_of("fortran_order");
    const bool fortran = order.starts_with("True");
    require(fortran || order.starts_with("False"), "'fortran_order' in its header is neither True nor False");
    std::vector<std::int64_t> sizes = sizes_of(value_of("shape"));
    if (fortran) sizes = {sizes.rbegin(), sizes.rend()};
    const Shape shape = shape_of(sizes);

    const std::string_view numbers = bytes_.substr(begin + length);
    const std::uint64_t expected = static_cast<std::uint64_t>(shape.numel()) * static_cast<std::uint64_t>(format.size);
    require(numbers.size() >= expected, "it is cut short: it has fewer numbers than its shape says");
    require(numbers.size() == expected, "it is longer than its shape says");
    const Tensor stored = detail::read_elements(numbers, format, shape);
    if (!fortran || sizes.size() < 2) return stored;
    const NoGrad no_grad;
    std::vector<int> axes;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) axes.push_back(axis);
    return permute(stored, axes);
  }

 private:
  void require(bool holds, std::string_view problem) const {
    check<IoError>(holds, "{}: cannot read '{}': {}", caller_, name_, problem);
  }

  /// The header from the value of `key` on.
  std::string_view value_of(std::string_view key) const {
    for (const char quote : {'\'', '"'}) {
      const std::size_t at = header_.find(fmt::format("{0}{1}{0}:", quote, key));
      if (at == std::string_view::npos) continue;
      std::string_view value = header_.substr(at + key.size() + 3);
      value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
      return value;
    }
    require(false, fmt::format("its header has no '{}'", key));
    return {};
  }

  std::string_view quoted(std::string_view value) const {
    require(!value.empty() && (value[0] == '\'' || value[0] == '"'), "its type is a structure, not a number");
    const std::size_t end = value.find(value[0], 1);
    require(end != std::string_view::npos, "its header is malformed");
    return value.substr(1, end - 1);
  }

  detail::ElementFormat element_format(std::string_view type) const {
    detail::ElementFormat format;
    const bool known = type.size() == 3 && std::string_view("<>|=").find(type[0]) != std::string_view::npos &&
                       type[2] >= '0' && type[2] <= '9';
    if (known) format = {type[1], type[2] - '0', type[0] == '>'};
    require(known && detail::is_readable(format), fmt::format("no tensor has its type, '{}'", type.substr(0, 20)));
    return format;
  }

  std::vector<std::int64_t> sizes_of(std::string_view value) const {
    require(!value.empty() && value[0] == '(', "its shape is malformed");
    value = value.substr(1, value.find(')') - 1);
    std::vector<std::int64_t> sizes;
    for (;;) {
      value.remove_prefix(std::min(value.find_first_not_of(" ,"), value.size()));
      if (value.empty()) return sizes;
      std::int64_t size = -1;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
      require(error == std::errc() && size >= 0, "its shape is malformed");
      value.remove_prefix(static_cast<std::size_t>(end - value.data()));
      if (value.starts_with('L')) value.remove_prefix(1);  // Python 2
      sizes.push_back(size);
    }
  }

  Shape shape_of(const std::vector<std::int64_t>& sizes) const {
    try {
      return Shape(sizes);
    } catch (const ShapeError& error) {
      fail<IoError>("{}: cannot read '{}': {}", caller_, name_, error.what());
    }
  }

  const char* caller_;
  const std::string& name_;
  std::string_view bytes_;
  std::string_view header_;
};

}  // namespace

void save_npy(const std::string& path, const Tensor& tensor) {
  check<Error>(tensor.defined(), "save_npy: the tensor is undefined");
  const std::string header = npy_header(tensor);
  detail::write_file_atomically("save_npy", path, {bytes_of(header), bytes_of(tensor)});
}

Tensor load_npy(const std::string& path) {
  const std::string bytes = detail::read_file("load_npy", path);
  return NpyReader("load_npy", path, bytes).read();
}

void save_npz(const std::string& path, const StateDict& tensors) {
  std::vector<std::string> headers;
  headers.reserve(tensors.size());
  std::vector<detail::ZipMember> members;
  for (const auto& [name, tensor] : tensors) {
    check<Error>(tensor.defined(), "save_npz: '{}' is undefined", name);
    headers.push_back(npy_header(tensor));
    members.push_back({name + ".npy", {bytes_of(headers.back()), bytes_of(tensor)}});
  }
  detail::write_zip("save_npz", path, members);
}

StateDict load_npz(const std::string& path) {
  std::vector<StateDict::Entry> entries;
  for (const auto& [file, bytes] : detail::read_zip("load_npz", path)) {
    const std::string inside = path + ": " + file;
    const std::string name = file.ends_with(".npy") ? file.substr(0, file.size() - 4) : file;
    entries.emplace_back(name, NpyReader("load_npz", inside, bytes).read());
  }
  try {
    return StateDict(std::move(entries));
  } catch (const Error& error) {
    fail<IoError>("load_npz: cannot read '{}': {}", path, error.what());
  }
}

bool npz_available() noexcept { return detail::zip_available(); }

}  // namespace wengert
