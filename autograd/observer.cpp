#include "autograd/observer.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

namespace wengert::detail {

Observer::Observer() noexcept : outer_(observer) { observer = this; }

Observer::~Observer() {
  // In the order of nesting nearly always; else the one that goes is taken out of the middle.
  Observer** link = &observer;
  while (*link && *link != this) link = &(*link)->outer_;
  if (*link) *link = outer_;
}

void attach(Node& node, std::unique_ptr<const Note> note) {
  if (!node.hooks) node.hooks = new HookList;
  node.hooks->notes.push_back(std::move(note));
}

std::string Place::text() const { return path.empty() ? type : fmt::format("{} ({})", path, type); }

namespace {

constinit thread_local Scope* innermost = nullptr;

struct Origin final : Note {
  explicit Origin(std::shared_ptr<const Place> where) : place(std::move(where)) {}
  std::shared_ptr<const Place> place;
};

}  // namespace

void Scope::enter() noexcept {
  entered_ = true;
  outer_ = std::exchange(innermost, this);
}

void Scope::leave() noexcept { innermost = outer_; }

const std::shared_ptr<const Place>& Scope::place() {
  if (!place_) {
    Place here{{}, type()};
    if (outer_) {
      const std::string& around = outer_->place()->path;
      const std::string name = outer_->name_of(part_);
      here.path = around.empty() || name.empty() ? around + name : fmt::format("{}.{}", around, name);
    }
    place_ = std::make_shared<const Place>(std::move(here));
  }
  return place_;
}

std::shared_ptr<const Place> place_of(const Node& node) {
  const auto* origin = note_on<Origin>(node);
  return origin ? origin->place : nullptr;
}

void notify_recorded(Node& node, std::initializer_list<const Tensor*> inputs, const Tensor& output) {
  std::vector<Tensor> copies;
  for (const Tensor* input : inputs) copies.push_back(*input);
  notify_recorded(node, copies, {&output, 1});
}

void notify_recorded(Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  if (innermost) attach(node, std::make_unique<Origin>(innermost->place()));
  for (Observer* each = observer; each; each = each->outer()) each->recorded(node, inputs, outputs);
}

void notify_before_rules(const Node& node) {
  for (Observer* each = observer; each; each = each->outer()) each->before_rules(node);
}

void notify_after_rules(const Node& node, std::span<const Tensor> upstream, std::span<const Tensor> downstream) {
  for (Observer* each = observer; each; each = each->outer()) each->after_rules(node, upstream, downstream);
}

}  // namespace wengert::detail
