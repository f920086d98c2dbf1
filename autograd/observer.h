#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include <wengert/autograd/tensor.h>

namespace wengert::detail {

/// Watches the ops of one thread: base of Anomaly, Profile and TapeMonitor. Observers nest; each one passes what it
/// sees on to the one around it. Where there is none, an op pays for one test of a thread-local pointer.
class Observer {
 public:
  Observer() noexcept;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// An op was recorded as `node`.
  virtual void recorded(Node& /*node*/, std::span<const Tensor> /*inputs*/, std::span<const Tensor> /*outputs*/) {}
  /// Around the gradient rules of `node`, in a pass.
  virtual void before_rules(const Node& /*node*/) {}
  virtual void after_rules(const Node& /*node*/, std::span<const Tensor> /*upstream*/,
                           std::span<const Tensor> /*downstream*/) {}

  Observer* outer() const noexcept { return outer_; }

 private:
  Observer* outer_;
};

inline constinit thread_local Observer* observer = nullptr;

/// Gives the node a note, which goes when the node goes or is released.
void attach(Node& node, std::unique_ptr<const Note> note);

/// The first note of type T on the node, or nullptr.
template <class T>
const T* note_on(const Node& node) {
  if (!node.hooks) return nullptr;
  for (const std::unique_ptr<const Note>& note : node.hooks->notes) {
    if (const auto* found = dynamic_cast<const T*>(note.get())) return found;
  }
  return nullptr;
}

/// Where in a model something happened: "features.2" and "Conv2d". The outermost part has a type only.
struct Place {
  std::string path;
  std::string type;

  /// As errors write it: "features.2 (Conv2d)", or "Net".
  std::string text() const;
};

/// A part of a model that is at work on this thread: a module while it is called. Scopes nest; while there is an
/// observer they tell where in the model an op is recorded, else they do nothing.
class Scope {
 public:
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Put together when somebody asks.
  const std::shared_ptr<const Place>& place();

 protected:
  explicit Scope(const void* part) noexcept : part_(part) {
    if (observer) [[unlikely]]
      enter();
  }
  ~Scope() {
    if (entered_) [[unlikely]]
      leave();
  }

 private:
  /// What `part`, that of another scope, is called inside this one; empty if it is not known here.
  virtual std::string name_of(const void* part) const = 0;
  virtual std::string type() const = 0;
  void enter() noexcept;
  void leave() noexcept;

  const void* part_;
  bool entered_ = false;
  Scope* outer_ = nullptr;
  std::shared_ptr<const Place> place_;
};

/// Where the node was recorded; nullptr outside of all scopes, or if there was no observer then.
std::shared_ptr<const Place> place_of(const Node& node);

[[gnu::cold]] void notify_recorded(Node& node, std::initializer_list<const Tensor*> inputs, const Tensor& output);
[[gnu::cold]] void notify_recorded(Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
[[gnu::cold]] void notify_before_rules(const Node& node);
[[gnu::cold]] void notify_after_rules(const Node& node, std::span<const Tensor> upstream,
                                      std::span<const Tensor> downstream);

}  // namespace wengert::detail
