#include "train/progress.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <sys/ioctl.h>
#include <unistd.h>

#include <wengert/autograd/error.h>

namespace wengert {
namespace {

std::size_t digits_of(std::int64_t number) { return fmt::formatted_size("{}", number); }

/// So that the line never wraps: only a line that fits can be overwritten.
std::size_t columns_of(std::FILE* terminal) {
  winsize size{};
  return ::ioctl(::fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string format_progress(const Progress& p) {
  std::string text = fmt::format("epoch {:>{}}/{}  step {:>{}}/{}  loss {:.4f}", p.epoch, digits_of(p.epochs), p.epochs,
                                 p.step, digits_of(p.steps), p.steps, p.loss);
  if (p.accuracy) text += fmt::format("  accuracy {:.4f}", *p.accuracy);
  for (const auto& [name, value] : p.values) text += fmt::format("  {} {:.4f}", name, value);
  return text + fmt::format("  {:>6.0f} samples/s  ETA {}", p.samples_per_second, format_duration(p.seconds_left));
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 3.6e6)) return "-:--";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t hours = whole / 3600;
  const std::int64_t minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

ProgressLine::ProgressLine(const ProgressLineOptions& options) : options_(options) {
  check<Error>(options.epochs >= 1 && options.steps >= 1,
               "ProgressLine: epochs and steps must be at least 1, got {} epochs of {} steps", options.epochs,
               options.steps);
  check<Error>(options.epochs_before >= 0 && options.epochs_before < options.epochs,
               "ProgressLine: epochs_before must be from 0 to epochs - 1, got {} of {}", options.epochs_before,
               options.epochs);
  steps_done_ = steps_shown_ = options.epochs_before * options.steps;
  if (!options_.updating) options_.updating = ::isatty(::fileno(options_.out)) == 1;
}

void ProgressLine::step(std::int64_t samples, double loss, std::optional<double> accuracy) {
  if (steps_done_ % options_.steps == 0) {
    loss_.clear();
    accuracy_.clear();
  }
  ++steps_done_;
  samples_ += samples;
  loss_.add(loss, static_cast<double>(samples));
  if (accuracy) accuracy_.add(*accuracy, static_cast<double>(samples));

  const double interval = *options_.updating ? 0.1 : options_.seconds_between_lines;
  const bool due = !shown_at_ || seconds() - *shown_at_ >= interval;
  if (due) show();
}

void ProgressLine::end_epoch() {
  show(true);
  if (line_is_open_) fmt::print(options_.out, "\n");
  std::fflush(options_.out);
  line_is_open_ = false;
}

void ProgressLine::finish() {
  if (steps_done_ != steps_shown_) show();
  if (line_is_open_) fmt::print(options_.out, "\n");
  line_is_open_ = false;
}

Progress ProgressLine::progress() const {
  const std::int64_t before = std::max<std::int64_t>(steps_done_ - 1, 0);
  const double elapsed = seconds();
  const std::int64_t left = std::max<std::int64_t>(options_.epochs * options_.steps - steps_done_, 0);
  const std::int64_t steps_here = steps_done_ - options_.epochs_before * options_.steps;
  return {.epoch = before / options_.steps + 1,
          .epochs = options_.epochs,
          .step = steps_done_ == 0 ? 0 : before % options_.steps + 1,
          .steps = options_.steps,
          .loss = loss_.value(),
          .accuracy = accuracy_.empty() ? std::nullopt : std::optional(accuracy_.value()),
          .samples_per_second = elapsed > 0 ? static_cast<double>(samples_) / elapsed : 0,
          .seconds_left = elapsed * static_cast<double>(left) / static_cast<double>(steps_here),
          .values = values_};
}

double ProgressLine::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void ProgressLine::show(bool in_full) {
  const std::string text = format_progress(progress());
  if (*options_.updating) {
    fmt::print(options_.out, "\r\x1b[K{}", in_full ? text : text.substr(0, columns_of(options_.out) - 1));
  } else {
    fmt::print(options_.out, "{}\n", text);
  }
  std::fflush(options_.out);
  line_is_open_ = *options_.updating;
  shown_at_ = seconds();
  steps_shown_ = steps_done_;
}

}  // namespace wengert
