#include "autograd/profile.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string_view>

#include <fmt/format.h>

namespace wengert {

namespace {

std::int64_t bytes_of(std::span<const Tensor> tensors) {
  std::int64_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.defined()) bytes += tensor.numel() * static_cast<std::int64_t>(size_of(tensor.dtype()));
  }
  return bytes;
}

}  // namespace

Profile::Profile() : start_(Clock::now()) {}

double Profile::now() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void Profile::recorded(detail::Node& node, std::span<const Tensor> /*inputs*/, std::span<const Tensor> outputs) {
  events_.push_back({node.name, true, last_, now(), bytes_of(outputs)});
  last_ = now();
}

void Profile::before_rules(const detail::Node& /*node*/) {
  last_ = now();
  rules_began_.push_back(last_);
}

void Profile::after_rules(const detail::Node& node, std::span<const Tensor> /*upstream*/,
                          std::span<const Tensor> downstream) {
  if (rules_began_.empty()) return;  // the profile began inside this rule
  last_ = now();
  events_.push_back({node.name, false, rules_began_.back(), last_, bytes_of(downstream)});
  rules_began_.pop_back();
}

std::vector<Profile::Entry> Profile::entries() const {
  std::map<std::string_view, Entry> by_op;
  for (const Event& event : events_) {
    Entry& entry = by_op.try_emplace(event.op, Entry{.op = event.op}).first->second;
    ++(event.forward ? entry.forward_calls : entry.backward_calls);
    (event.forward ? entry.forward_seconds : entry.backward_seconds) += event.end - event.begin;
    if (event.forward) entry.bytes += event.bytes;
  }
  std::vector<Entry> entries;
  for (const auto& [op, entry] : by_op) entries.push_back(entry);
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.forward_seconds + a.backward_seconds > b.forward_seconds + b.backward_seconds;
  });
  return entries;
}

std::string Profile::table() const {
  std::string text =
      fmt::format("{:<28} {:>9} {:>12} {:>9} {:>12} {:>14}\n", "op", "forward", "ms", "backward", "ms", "bytes");
  for (const Entry& entry : entries()) {
    text += fmt::format("{:<28} {:>9} {:>12.3f} {:>9} {:>12.3f} {:>14}\n", entry.op, entry.forward_calls,
                        entry.forward_seconds * 1e3, entry.backward_calls, entry.backward_seconds * 1e3, entry.bytes);
  }
  return text;
}

void Profile::save_trace(const std::string& path) const {
  std::string text = "{\"traceEvents\":[";
  const char* separator = "\n";
  for (const Event& event : events_) {
    // Names of ops are identifiers: nothing to escape.
    text += fmt::format(
        R"({}{{"name":"{}","cat":"{}","ph":"X","pid":1,"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"bytes":{}}}}})",
        separator, event.op, event.forward ? "forward" : "backward", event.forward ? 1 : 2, event.begin * 1e6,
        (event.end - event.begin) * 1e6, event.bytes);
    separator = ",\n";
  }
  text += "\n]}\n";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  const bool written =
      file && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() && std::fflush(file.get()) == 0;
  check<IoError>(written, "save_trace: cannot write '{}'", path);
}

}  // namespace wengert
