#pragma once

#include <string>

#include <wengert/nn/module.h>

namespace wengert::nn {

/// Writes a module's state dict as a safetensors file, whole or not at all. Throws IoError if it cannot be written.
void save(const Module& module, const std::string& path);

/// Reads it into a module of the same structure. Throws IoError that names the file and what is wrong with it, or Error
/// that lists the names that do not fit; then the module has not changed.
void load(Module& module, const std::string& path);

}  // namespace wengert::nn
