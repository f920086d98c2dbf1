#include "autograd/profile.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "autograd/detail/draw_graph.h"

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
  events_.push_back({node.name, true, last_, now(), bytes_of(outputs), detail::place_of(node)});
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
  events_.push_back({node.name, false, rules_began_.back(), last_, bytes_of(downstream), detail::place_of(node)});
  rules_began_.pop_back();
}

/// The events added up by what `name_of` calls them, the most time first.
template <class F>
std::vector<Profile::Entry> Profile::entries_by(F name_of) const {
  std::map<std::string, Entry> by_name;
  for (const Event& event : events_) {
    Entry& entry = by_name[name_of(event)];
    ++(event.forward ? entry.forward_calls : entry.backward_calls);
    (event.forward ? entry.forward_seconds : entry.backward_seconds) += event.end - event.begin;
    if (event.forward) entry.bytes += event.bytes;
  }
  std::vector<Entry> entries;
  for (auto& [name, entry] : by_name) {
    entry.name = name;
    entries.push_back(std::move(entry));
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.forward_seconds + a.backward_seconds > b.forward_seconds + b.backward_seconds;
  });
  return entries;
}

std::vector<Profile::Entry> Profile::entries() const {
  return entries_by([](const Event& event) { return std::string(event.op); });
}

std::vector<Profile::Entry> Profile::modules() const {
  return entries_by([](const Event& event) { return event.place ? event.place->text() : std::string(); });
}

namespace {

std::string table_of(const char* title, const std::vector<Profile::Entry>& entries) {
  std::string text =
      fmt::format("{:<28} {:>9} {:>12} {:>9} {:>12} {:>14}\n", title, "forward", "ms", "backward", "ms", "bytes");
  for (const Profile::Entry& entry : entries) {
    text += fmt::format("{:<28} {:>9} {:>12.3f} {:>9} {:>12.3f} {:>14}\n", entry.name.empty() ? "-" : entry.name,
                        entry.forward_calls, entry.forward_seconds * 1e3, entry.backward_calls,
                        entry.backward_seconds * 1e3, entry.bytes);
  }
  return text;
}

/// As a JSON string. Names of members come from the user.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

std::string Profile::table() const {
  const std::vector<Entry> by_module = modules();
  std::string text = table_of("op", entries());
  const bool any = std::any_of(by_module.begin(), by_module.end(), [](const Entry& e) { return !e.name.empty(); });
  return any ? text + "\n" + table_of("module", by_module) : text;
}

void Profile::save_trace(const std::string& path) const {
  std::string text = "{\"traceEvents\":[";
  const char* separator = "\n";
  for (const Event& event : events_) {
    text += fmt::format(
        R"({}{{"name":{},"cat":"{}","ph":"X","pid":1,"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"bytes":{},"module":{}}}}})",
        separator, quoted(event.op), event.forward ? "forward" : "backward", event.forward ? 1 : 2, event.begin * 1e6,
        (event.end - event.begin) * 1e6, event.bytes, quoted(event.place ? event.place->text() : std::string()));
    separator = ",\n";
  }
  text += "\n]}\n";
  detail::write_text("save_trace", path, text);
}

}  // namespace wengert
