#include <cstdint>
#include <vector>

#include <wengert/io/idx.h>

#include "io/detail/idx_file.h"
#include "io/detail/read_file.h"

namespace wengert {
namespace detail {
namespace {

bool find_format(unsigned char code, ElementFormat& format) {
  switch (code) {
    case 0x08: format = {'u', 1, true}; return true;
    case 0x09: format = {'i', 1, true}; return true;
    case 0x0b: format = {'i', 2, true}; return true;
    case 0x0c: format = {'i', 4, true}; return true;
    case 0x0d: format = {'f', 4, true}; return true;
    case 0x0e: format = {'f', 8, true}; return true;
    default: return false;
  }
}

}  // namespace

IdxFile read_idx(const char* caller, const std::string& path) {
  IdxFile file;
  file.bytes = read_file(caller, path);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file.bytes[i]); };
  check<IoError>(file.bytes.size() >= 4, "{}: '{}' is cut short: {} bytes are no IDX header", caller, path,
                 file.bytes.size());
  check<IoError>(byte(0) == 0 && byte(1) == 0 && find_format(byte(2), file.format),
                 "{}: '{}' is not an IDX file: it begins with bytes {} {} {}, expected 0 0 and 8, 9, 11, 12, 13 or 14",
                 caller, path, byte(0), byte(1), byte(2));
  const std::size_t rank = byte(3);
  check<IoError>(rank <= Shape::max_rank, "{}: '{}' has {} axes; a tensor has at most {}", caller, path, rank,
                 Shape::max_rank);
  file.begin = 4 + 4 * rank;
  check<IoError>(file.bytes.size() >= file.begin, "{}: '{}' is cut short: its header ends after {} of {} bytes", caller,
                 path, file.bytes.size(), file.begin);
  std::vector<std::int64_t> sizes;
  for (std::size_t at = 4; at < file.begin; at += 4) {
    sizes.push_back(std::int64_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
  }
  try {
    file.shape = Shape(sizes);
  } catch (const ShapeError& error) {
    fail<IoError>("{}: '{}' is damaged: {}", caller, path, error.what());
  }
  const auto expected = static_cast<std::uint64_t>(file.shape.numel()) * static_cast<std::uint64_t>(file.format.size);
  const std::uint64_t got = file.bytes.size() - file.begin;
  check<IoError>(got == expected, "{}: '{}' is {}: {} bytes of numbers, expected {} for {}", caller, path,
                 got < expected ? "cut short" : "too long", got, expected, file.shape);
  return file;
}

}  // namespace detail

Tensor load_idx(const std::string& path) {
  const detail::IdxFile file = detail::read_idx("load_idx", path);
  return detail::read_elements(file.elements(), file.format, file.shape);
}

}  // namespace wengert
