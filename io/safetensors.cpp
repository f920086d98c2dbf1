#include <wengert/io/safetensors.h>

#ifdef WENGERT_HAVE_JSON

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "io/detail/atomic_file.h"

namespace wengert {

namespace {

static_assert(std::endian::native == std::endian::little, "the numbers in the file are little-endian");

using Json = nlohmann::json;

constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t largest_header = 100'000'000;  // what other readers accept
constexpr const char* metadata_key = "__metadata__";

const char* code_of(DType dtype) { return dtype == float32 ? "F32" : dtype == float64 ? "F64" : "I64"; }

std::uint64_t bytes_of(const Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype());
}

std::string quoted(const std::string& name) {
  try {
    return Json(name).dump();
  } catch (const Json::exception&) {
    fail<Error>("save_safetensors: a name is not valid UTF-8: '{}'",
                Json(name).dump(-1, ' ', true, Json::error_handler_t::replace));
  }
}

/// Reads one file. Every message names it.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    struct ::stat status = {};
    if (::stat(path.c_str(), &status) != 0) reject("it cannot be opened: {}", std::strerror(errno));
    if (!S_ISREG(status.st_mode)) reject("it is not a file");
    file_.open(path, std::ios::binary);
    if (!file_) reject("it cannot be opened: {}", std::strerror(errno));
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  StateDict read() {
    const Json header = read_header();
    std::vector<Place> places;
    for (const auto& [name, description] : header.items()) {
      if (name == metadata_key)
        check_metadata(description);
      else
        places.push_back(place(name, description));
    }
    // Empty tensors before the one that begins where they do.
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.name < b.name;
    });
    check_places(places);
    std::vector<StateDict::Entry> entries;
    entries.reserve(places.size());
    for (const Place& place : places) entries.emplace_back(place.name, read_tensor(place));
    return StateDict(std::move(entries));
  }

 private:
  struct Place {
    std::string name;
    Shape shape;
    DType dtype;
    std::uint64_t begin;
    std::uint64_t end;
  };

  template <class... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) const {
    fail<IoError>("load_safetensors: '{}': {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }

  void read_bytes(std::uint64_t at, void* out, std::uint64_t count) {
    file_.seekg(static_cast<std::streamoff>(at));
    file_.read(static_cast<char*>(out), static_cast<std::streamsize>(count));
    if (!file_) reject("{} bytes at {} cannot be read", count, at);
  }

  Json read_header() {
    if (size_ < length_bytes) reject("it has {} bytes, too few for a safetensors file", size_);
    std::uint64_t length = 0;
    read_bytes(0, &length, length_bytes);
    if (length > largest_header) reject("the header's length is {}, more than {}", length, largest_header);
    if (length > size_ - length_bytes) {
      reject("the header has {} bytes, but only {} follow; the file is cut short", length, size_ - length_bytes);
    }
    data_ = length_bytes + length;
    std::string text(length, '\0');
    read_bytes(length_bytes, text.data(), length);
    if (!text.starts_with('{')) reject("the header does not begin with '{{'");
    try {
      return Json::parse(text, Grammar{*this});
    } catch (const Json::exception& error) {
      reject("the header is not valid JSON: {}", error.what());
    }
  }

  /// Sees the parser's events: rejects names that come twice, of which it would keep one, and deep nesting.
  struct Grammar {
    const Reader& reader;
    std::vector<std::set<std::string>> keys = {};

    bool operator()(int depth, Json::parse_event_t event, const Json& value) {
      if (depth > 8) reader.reject("the header is nested too deep");
      if (event == Json::parse_event_t::object_start) keys.emplace_back();
      if (event == Json::parse_event_t::object_end) keys.pop_back();
      if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
        reader.reject("the header has the name '{}' twice", value.get<std::string>());
      }
      return true;
    }
  };

  void check_metadata(const Json& metadata) const {
    const bool good = metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                                          [](const Json& value) { return value.is_string(); });
    if (!good) reject("{} is not an object of strings", metadata_key);
  }

  Place place(const std::string& name, const Json& description) const {
    if (!description.is_object()) reject("tensor '{}' is not described by an object", name);
    Place result{
        .name = name, .shape = shape(name, description), .dtype = dtype(name, description), .begin = 0, .end = 0};
    const Json offsets = description.value("data_offsets", Json());
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      reject("tensor '{}': data_offsets must be two numbers", name);
    }
    result.begin = offsets[0].get<std::uint64_t>();
    result.end = offsets[1].get<std::uint64_t>();
    if (result.begin > result.end)
      reject("tensor '{}' ends at {}, before it begins at {}", name, result.end, result.begin);
    if (result.end > size_ - data_) {
      reject("tensor '{}' ends at byte {} of {}; the file is cut short", name, result.end, size_ - data_);
    }
    const std::uint64_t bytes = result.end - result.begin;
    // By division, as a product might overflow.
    if (bytes % size_of(result.dtype) != 0 ||
        bytes / size_of(result.dtype) != static_cast<std::uint64_t>(result.shape.numel())) {
      reject("tensor '{}' of {} {} has {} bytes", name, result.dtype, result.shape, bytes);
    }
    return result;
  }

  DType dtype(const std::string& name, const Json& description) const {
    const Json code = description.value("dtype", Json());
    for (const DType dtype : {float32, float64, int64}) {
      if (code == code_of(dtype)) return dtype;
    }
    reject("tensor '{}' has dtype {}; F32, F64 and I64 can be read", name, code.dump());
  }

  Shape shape(const std::string& name, const Json& description) const {
    const Json sizes = description.value("shape", Json());
    if (!sizes.is_array() || sizes.size() > Shape::max_rank) {
      reject("tensor '{}': shape must be a list of at most {} sizes", name, Shape::max_rank);
    }
    std::vector<std::int64_t> dims;
    for (const Json& size : sizes) {
      if (!size.is_number_unsigned() || size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        reject("tensor '{}': {} in its shape is not a size", name, size.dump());
      }
      dims.push_back(size.get<std::int64_t>());
    }
    try {
      return Shape(dims);
    } catch (const ShapeError& error) {
      reject("tensor '{}': {}", name, error.what());
    }
  }

  /// The tensors fill the rest of the file, one after the other.
  void check_places(const std::vector<Place>& places) const {
    std::uint64_t end = 0;
    for (const Place& place : places) {
      if (place.begin < end) reject("tensor '{}' begins at {}, inside the one before it", place.name, place.begin);
      if (place.begin > end) reject("tensor '{}' begins at {}, leaving a gap from {}", place.name, place.begin, end);
      end = place.end;
    }
    if (end != size_ - data_) reject("{} bytes follow the last tensor", size_ - data_ - end);
  }

  Tensor read_tensor(const Place& place) {
    Tensor tensor = detail::Access::allocate(place.shape, place.dtype);
    read_bytes(data_ + place.begin, detail::Access::mutable_data<std::byte>(tensor), place.end - place.begin);
    return tensor;
  }

  const std::string& path_;
  std::ifstream file_;
  std::uint64_t size_ = 0;
  std::uint64_t data_ = 0;  // where the numbers begin
};

}  // namespace

void save_safetensors(const std::string& path, const StateDict& state) {
  // Wide types first: every tensor then starts at a multiple of its element's size, as readers that map files like it.
  std::vector<const StateDict::Entry*> entries;
  for (const auto& entry : state) {
    check<Error>(entry.second.defined(), "save_safetensors: tensor '{}' is undefined", entry.first);
    check<Error>(entry.first != metadata_key, "save_safetensors: a tensor cannot be named {}", metadata_key);
    entries.push_back(&entry);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });

  std::string header = "{";
  std::vector<std::span<const std::byte>> parts(2);
  std::uint64_t end = 0;
  for (const StateDict::Entry* entry : entries) {
    const Tensor& tensor = entry->second;
    const std::uint64_t begin = end;
    end += bytes_of(tensor);
    header += fmt::format(R"({}{}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", header.size() > 1 ? "," : "",
                          quoted(entry->first), code_of(tensor.dtype()), tensor.shape(), begin, end);
    parts.emplace_back(detail::Access::data<std::byte>(tensor), bytes_of(tensor));
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  check<Error>(header.size() <= largest_header, "save_safetensors: the names and shapes take {} bytes, more than {}",
               header.size(), largest_header);
  const std::uint64_t length = header.size();
  parts[0] = std::as_bytes(std::span(&length, 1));
  parts[1] = std::as_bytes(std::span(header));
  detail::write_file_atomically("save_safetensors", path, parts);
}

StateDict load_safetensors(const std::string& path) { return Reader(path).read(); }

bool safetensors_available() noexcept { return true; }

}  // namespace wengert

#else

namespace wengert {

namespace {

[[noreturn]] void fail_unavailable(const char* caller) {
  fail<Error>("{}: this build of Wengert cannot: nlohmann_json was not there when it was configured", caller);
}

}  // namespace

void save_safetensors(const std::string& /*path*/, const StateDict& /*state*/) { fail_unavailable("save_safetensors"); }

StateDict load_safetensors(const std::string& /*path*/) { fail_unavailable("load_safetensors"); }

bool safetensors_available() noexcept { return false; }

}  // namespace wengert

#endif
