#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <wengert/autograd/observer.h>

namespace wengert {

/// Measures the ops that this thread records, and their gradient rules, while it lives:
/// \code
///   Profile profile;
///   train_step();
///   fmt::print("{}", profile.table());
///   profile.save_trace("step.json");   // for chrome://tracing or ui.perfetto.dev
/// \endcode
/// An op is recorded when its result is ready; so its forward time is the time since the op before it, or since the
/// profile or a pass began or ended, with what the program did in between. Backward times are those of the rules. Ops
/// under `no_grad` are not seen.
class Profile : private detail::Observer {
 public:
  Profile();

  /// The calls of one op, or of all ops of one module.
  struct Entry {
    std::string name;
    std::int64_t forward_calls = 0;
    std::int64_t backward_calls = 0;
    double forward_seconds = 0;
    double backward_seconds = 0;
    std::int64_t bytes = 0;  ///< of the results' elements
  };

  /// By op, the most time first.
  std::vector<Entry> entries() const;
  /// By the module whose `forward` called the op, "features.2 (Conv2d)", that of modules inside apart; "" outside all.
  std::vector<Entry> modules() const;
  /// Both as tables.
  std::string table() const;
  /// Every call, in Chrome's trace event format (JSON), with its module. Throws IoError if the file cannot be written.
  void save_trace(const std::string& path) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    const char* op;
    bool forward;
    double begin;  // seconds since the profile began
    double end;
    std::int64_t bytes;
    std::shared_ptr<const detail::Place> place;  // or nullptr
  };

  template <class F>
  std::vector<Entry> entries_by(F name_of) const;
  void recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) override;
  void before_rules(const detail::Node& node) override;
  void after_rules(const detail::Node& node, std::span<const Tensor> upstream,
                   std::span<const Tensor> downstream) override;
  double now() const;

  Clock::time_point start_;
  double last_ = 0;                  // end of the last event
  std::vector<double> rules_began_;  // a pass inside a rule nests
  std::vector<Event> events_;
};

}  // namespace wengert
