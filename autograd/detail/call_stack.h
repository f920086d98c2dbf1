#pragma once

#include <array>
#include <string>

namespace wengert::detail {

/// The calls that led to a point of the program, as addresses: cheap to keep, looked up when somebody asks.
class CallStack {
 public:
  /// The innermost ones, up to a bound. Empty where the platform has no `backtrace`.
  static CallStack here() noexcept;

  /// The innermost call of the user's, that is outside the library: "net.cpp:42 (train_step)", if the program was
  /// compiled with -g; else the function alone, or the place in the program's file, with a word on what is missing.
  std::string user_line() const;

 private:
  static constexpr int max_calls = 64;
  std::array<void*, max_calls> returns_{};
  int count_ = 0;
};

}  // namespace wengert::detail
