#pragma once

#include <cstddef>
#include <cstdint>

#include <wengert/autograd/memory.h>

namespace wengert::kernels {

/// Elements for the length of a scope, at first of any value.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), data_(static_cast<T*>(memory::allocate(bytes_))) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { memory::deallocate(data_, bytes_); }

  T* get() const noexcept { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace wengert::kernels
