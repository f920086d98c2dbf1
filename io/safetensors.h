#pragma once

#include <string>

#include <wengert/io/state_dict.h>

namespace wengert {

/// Writes tensors as a safetensors file, which Python's `safetensors` and others read: the length of a JSON header as a
/// little-endian 64-bit number, the header with names, dtypes (F32, F64, I64), shapes and places, and the numbers.
/// The file appears whole or not at all: a failed write leaves the old one. Throws IoError if it cannot be written,
/// Error for an undefined tensor or a name that the format cannot hold ("__metadata__", or invalid UTF-8).
void save_safetensors(const std::string& path, const StateDict& state);

/// Reads one, tensors in the order of their places in the file; its metadata is passed over. Throws IoError that names
/// the file and what is wrong with it: missing, cut short, header malformed, tensors that overlap, leave gaps or lie
/// outside the file, other dtypes.
StateDict load_safetensors(const std::string& path);

/// Whether this build can do it; without nlohmann_json the functions above throw Error.
bool safetensors_available() noexcept;

}  // namespace wengert
