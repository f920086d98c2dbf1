#pragma once

#include <string>

#include <wengert/io/state_dict.h>

namespace wengert {

/// Writes a tensor as NumPy's .npy file (format version 1.0, little-endian, C order): `numpy.load(path)` reads it. The
/// file appears whole or not at all: a failed write leaves the old one. Throws IoError if it cannot be written, Error
/// for an undefined tensor.
void save_npy(const std::string& path, const Tensor& tensor);

/// Reads one of any version, in either byte order, in C or Fortran order. float32 and float64 stay; booleans and
/// integers become int64. Throws IoError that names the file and what is wrong with it: missing, damaged, cut short, of
/// a type that no tensor has (half precision, unsigned 64-bit numbers, complex ones, objects).
Tensor load_npy(const std::string& path);

/// Writes tensors as NumPy's .npz file, a zip archive of .npy files, not compressed, as `numpy.savez` does. Throws as
/// save_npy, and IoError for more than 4 GiB, which save_safetensors is for.
void save_npz(const std::string& path, const StateDict& tensors);

/// Reads one, compressed or not, in the order of the archive; ".npy" is taken off the names. Throws IoError as
/// load_npy, and for an archive that is damaged, encrypted or compressed by another method than "deflate".
StateDict load_npz(const std::string& path);

/// Whether this build can read and write .npz files; without zlib they throw IoError.
bool npz_available() noexcept;

}  // namespace wengert
