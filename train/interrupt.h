#pragma once

namespace wengert {

/// Turns the first Ctrl-C (SIGINT) into a flag to look at after each step, so that a run can end in good order; a
/// second one ends the program as ever. What was there before is restored at the end of the scope. Where SIGINT is
/// ignored, as in a background job, it stays so. Guards may be nested, and live on several threads; one Ctrl-C is for
/// all.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// Whether Ctrl-C was pressed since the outermost guard was made.
  bool requested() const noexcept;
};

}  // namespace wengert
