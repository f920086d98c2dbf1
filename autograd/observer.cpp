#include "autograd/observer.h"

#include <vector>

namespace wengert::detail {

Observer::Observer() noexcept : outer_(observer) { observer = this; }

Observer::~Observer() {
  // In the order of nesting nearly always; else the one that goes is taken out of the middle.
  Observer** link = &observer;
  while (*link && *link != this) link = &(*link)->outer_;
  if (*link) *link = outer_;
}

void notify_recorded(Node& node, std::initializer_list<const Tensor*> inputs, const Tensor& output) {
  std::vector<Tensor> copies;
  for (const Tensor* input : inputs) copies.push_back(*input);
  notify_recorded(node, copies, {&output, 1});
}

void notify_recorded(Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  for (Observer* each = observer; each; each = each->outer()) each->recorded(node, inputs, outputs);
}

void notify_before_rules(const Node& node) {
  for (Observer* each = observer; each; each = each->outer()) each->before_rules(node);
}

void notify_after_rules(const Node& node, std::span<const Tensor> upstream, std::span<const Tensor> downstream) {
  for (Observer* each = observer; each; each = each->outer()) each->after_rules(node, upstream, downstream);
}

}  // namespace wengert::detail
