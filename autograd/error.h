#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace wengert {

/// Base of every exception that Wengert throws. The text names the op, the argument, the values and what was expected;
/// an error raised inside a module starts with the module's path: `features.2 (Conv2d): correlate2d: x has ...`.
class Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)), text_(message_) {}

  const char* what() const noexcept override { return text_.c_str(); }

  /// The text without the module path.
  const std::string& message() const noexcept { return message_; }

  /// Adds one step to the module path, innermost module first. `type` of the innermost module is kept.
  void prepend_module(std::string_view name, std::string_view type);

  /// The module that the error passed through last, by which the module around it finds the name; nullptr at first.
  const void* module() const noexcept { return module_; }
  void set_module(const void* module) noexcept { module_ = module; }

 private:
  std::string message_;
  std::string path_;  // "features.2"
  std::string type_;  // "Conv2d"
  std::string text_;
  const void* module_ = nullptr;
};

/// Shapes, axes, counts or indices that do not fit.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An element type that an op does not take, or two that differ.
class DTypeError : public Error {
 public:
  using Error::Error;
};

/// A file that is missing, cut short, malformed or not writable.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A misuse of the tape: backward twice, on a detached tensor, on a non-scalar without a gradient.
class GraphError : public Error {
 public:
  using Error::Error;
};

namespace detail {
std::string format_message(fmt::string_view format, fmt::format_args arguments);
}

/// Throws `E` with the formatted text.
template <class E = Error, class... Args>
[[noreturn, gnu::cold, gnu::noinline]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(detail::format_message(format, fmt::make_format_args(args...)));
}

/// Throws `E` with the formatted text unless `condition` holds. The text is built only on failure.
template <class E = ShapeError, class... Args>
inline void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    fail<E, Args...>(format, std::forward<Args>(args)...);
}

}  // namespace wengert
