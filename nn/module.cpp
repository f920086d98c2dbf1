#include <algorithm>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <typeinfo>

#include <cxxabi.h>
#include <fmt/format.h>

#include <wengert/nn/module.h>

namespace wengert::nn {

/// Appends a name to the walk's path while it lives.
class Visitor::Step {
 public:
  Step(std::string& path, std::string_view name) : path_(path), length_(path.size()) {
    if (!path_.empty()) path_ += '.';
    path_ += name;
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() { path_.resize(length_); }

 private:
  std::string& path_;
  std::size_t length_;
};

void Visitor::operator()(std::string_view name, ParameterRef& parameter) {
  if (!parameter.defined()) return;
  const Step step(path_, name);
  this->parameter(path_, parameter);
}

void Visitor::operator()(std::string_view name, Tensor& buffer) {
  if (!buffer.defined()) return;
  const Step step(path_, name);
  this->buffer(path_, buffer);
}

void Visitor::operator()(std::string_view name, Module& child) {
  check<Error>(depth_ < 1000, "visit: modules are nested more than 1000 deep at '{}...'; does one visit its parent?",
               path_.substr(0, 60));
  const Step step(path_, name);
  enter(path_, child);
  ++depth_;
  child.visit(*this);
  --depth_;
  leave(child);
}

namespace {

/// Meets every parameter and buffer once, the first time.
class Members : public Visitor {
 public:
  struct Member {
    std::string path;
    ParameterRef parameter;
    Tensor* buffer = nullptr;

    const Tensor& value() const { return buffer ? *buffer : parameter.value(); }
  };

  /// In the order of the visits.
  std::vector<Member> take() && { return std::move(members_); }

 private:
  void parameter(const std::string& path, ParameterRef& parameter) override {
    if (first_time(&parameter.value())) members_.push_back({path, parameter});
  }
  void buffer(const std::string& path, Tensor& buffer) override {
    if (first_time(&buffer)) members_.push_back({path, {}, &buffer});
  }

  bool first_time(const Tensor* home) {
    const auto place = std::lower_bound(seen_.begin(), seen_.end(), home, std::less<>());
    if (place != seen_.end() && *place == home) return false;
    seen_.insert(place, home);
    return true;
  }

  std::vector<Member> members_;
  std::vector<const Tensor*> seen_;  // sorted
};

void check_paths(const Module& module, const std::vector<Members::Member>& members) {
  std::vector<std::string_view> paths;
  paths.reserve(members.size());
  for (const Members::Member& member : members) paths.emplace_back(member.path);
  std::sort(paths.begin(), paths.end());
  const auto twice = std::adjacent_find(paths.begin(), paths.end());
  check<Error>(twice == paths.end(), "{}: visit gives the name '{}' to two members", module.type_name(),
               twice == paths.end() ? "" : *twice);
}

/// Calls `f` for every module inside the one walked.
template <class F>
class Children : public Visitor {
 public:
  explicit Children(F f) : f_(std::move(f)) {}

 private:
  void enter(const std::string& path, Module& child) override { f_(path, child); }
  F f_;
};

/// Not those inside of others.
class DirectChildren : public Visitor {
 public:
  std::vector<std::pair<std::string, Module*>> children;

 private:
  void enter(const std::string& path, Module& child) override {
    if (depth_++ == 0) children.emplace_back(path, &child);
  }
  void leave(Module&) override { --depth_; }
  int depth_ = 0;
};

/// Each once, after those inside it.
class ChildrenLeft : public Visitor {
 public:
  std::vector<Module*> children;

 private:
  void leave(Module& child) override {
    if (std::find(children.begin(), children.end(), &child) == children.end()) children.push_back(&child);
  }
};

class GradientsToZero : public Visitor {
  void parameter(const std::string&, ParameterRef& parameter) override { parameter.zero_grad(); }
};

class Tree : public Visitor {
 public:
  explicit Tree(const Module& root) { line(root); }
  std::string text;

 private:
  void enter(const std::string& path, Module& child) override {
    const std::size_t parent = paths_.empty() ? 0 : paths_.back() + 1;
    paths_.push_back(path.size());
    text += '\n';
    text.append(2 * paths_.size(), ' ');
    text.append(path, parent, std::string::npos);
    text += ": ";
    line(child);
  }
  void leave(Module&) override { paths_.pop_back(); }

  void line(const Module& module) {
    text += module.type_name();
    if (const std::string options = module.options(); !options.empty()) text += fmt::format("({})", options);
  }

  std::vector<std::size_t> paths_;  // lengths of the paths of the modules around
};

}  // namespace

Tensor Module::forward(const Tensor& /*x*/) const {
  fail<Error>("forward: {} is not a function of one tensor; call what it defines instead", type_name());
}

Tensor Module::operator()(const Tensor& x) const {
  return hooked(x, [this](const Tensor& input) {
    check<Error>(input.defined(), "x is undefined");
    return forward(input);
  });
}

ModuleHookHandle Module::attach(detail::ModuleHookList detail::ModuleHooks::*list,
                                std::shared_ptr<detail::ModuleHook> hook) {
  const std::shared_ptr<detail::ModuleHooks>& hooks = hooks_.get_or_make();
  (*hooks.*list).push_back(hook);
  return {hooks, std::move(hook)};
}

// A hook may add and remove hooks, so calls go through a copy of the list.

Tensor Module::before(const Tensor& x) const {
  Tensor input = x;
  const detail::ModuleHookList hooks = (*hooks_).before;
  for (const auto& hook : hooks) {
    if (!hook->removed) hook->apply(*this, x, input);
  }
  return input;
}

void Module::after(const Tensor& x, Tensor& output) const {
  const detail::ModuleHookList hooks = (*hooks_).after;
  for (const auto& hook : hooks) {
    if (!hook->removed) hook->apply(*this, x, output);
  }
}

void ModuleHookHandle::remove() noexcept {
  const std::shared_ptr<detail::ModuleHook> hook = hook_.lock();
  if (!hook) return;
  hook->removed = true;
  if (const std::shared_ptr<detail::ModuleHooks> hooks = hooks_.lock()) {
    std::erase(hooks->before, hook);
    std::erase(hooks->after, hook);
  }
}

std::string Module::path_to(const void* module) const {
  std::string found;
  Children find([&](const std::string& path, const Module& child) {
    if (&child == module && found.empty()) found = path;
  });
  walk(find);
  return found;
}

void Module::annotate(Error& error) const noexcept {
  // A module knows its children's names but not its own: each puts down the name of the one the error came from.
  if (error.module() == this) return;
  try {
    if (error.module() == nullptr) {
      error.prepend_module({}, type_name());
    } else {
      error.prepend_module(path_to(error.module()), {});
    }
    error.set_module(this);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the error itself matters more than its path
  }
}

std::vector<ParameterRef> Module::parameters() const {
  Members visitor;
  walk(visitor);
  std::vector<ParameterRef> parameters;
  for (const Members::Member& member : std::move(visitor).take()) {
    if (!member.buffer) parameters.push_back(member.parameter);
  }
  return parameters;
}

std::vector<std::pair<std::string, ParameterRef>> Module::named_parameters() const {
  Members visitor;
  walk(visitor);
  std::vector<Members::Member> members = std::move(visitor).take();
  std::erase_if(members, [](const Members::Member& member) { return member.buffer != nullptr; });
  check_paths(*this, members);
  std::vector<std::pair<std::string, ParameterRef>> named;
  named.reserve(members.size());
  for (Members::Member& member : members) named.emplace_back(std::move(member.path), member.parameter);
  return named;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterRef& parameter : parameters()) count += parameter->numel();
  return count;
}

StateDict Module::state_dict() const {
  Members visitor;
  walk(visitor);
  std::vector<Members::Member> members = std::move(visitor).take();
  check_paths(*this, members);
  std::vector<StateDict::Entry> entries;
  entries.reserve(members.size());
  for (Members::Member& member : members) entries.emplace_back(std::move(member.path), member.value().detach());
  return StateDict(std::move(entries));
}

void Module::load_state_dict(const StateDict& state) {
  Members visitor;
  visit(visitor);
  const std::vector<Members::Member> members = std::move(visitor).take();
  check_paths(*this, members);

  std::string missing;
  std::string unfit;
  std::vector<std::string_view> expected;
  for (const Members::Member& member : members) {
    expected.emplace_back(member.path);
    const Tensor& own = member.value();
    const Tensor* loaded = state.find(member.path);
    if (!loaded) {
      missing += fmt::format("\n  missing: {}", member.path);
    } else if (!loaded->defined()) {
      unfit += fmt::format("\n  {}: undefined, expected {} {}", member.path, own.dtype(), own.shape());
    } else if (!(loaded->shape() == own.shape()) || loaded->dtype() != own.dtype()) {
      unfit += fmt::format("\n  {}: {} {}, expected {} {}", member.path, loaded->dtype(), loaded->shape(), own.dtype(),
                           own.shape());
    }
  }
  std::sort(expected.begin(), expected.end());
  std::string unexpected;
  for (const auto& [name, tensor] : state) {
    if (!std::binary_search(expected.begin(), expected.end(), std::string_view(name))) {
      unexpected += fmt::format("\n  unexpected: {}", name);
    }
  }
  check<Error>(missing.empty() && unexpected.empty() && unfit.empty(),
               "load_state_dict: the state does not fit {}:{}{}{}", type_name(), missing, unexpected, unfit);

  for (const Members::Member& member : members) {
    const Tensor& loaded = state.at(member.path);
    if (member.buffer)
      *member.buffer = loaded.detach();
    else
      member.parameter.set(loaded);
  }
}

void Module::train(bool on) {
  training_ = on;
  Children visitor([on](const std::string&, Module& child) { child.training_ = on; });
  visit(visitor);
}

void Module::zero_grad() {
  GradientsToZero visitor;
  visit(visitor);
}

void Module::freeze(bool on) {
  for (const ParameterRef& parameter : parameters()) parameter.requires_grad(!on);
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> modules{{"", this}};
  Children visitor([&](const std::string& path, Module& child) {
    const bool known = std::any_of(modules.begin(), modules.end(), [&](const auto& m) { return m.second == &child; });
    if (!known) modules.emplace_back(path, &child);
  });
  visit(visitor);
  return modules;
}

std::vector<std::pair<std::string, Module*>> Module::named_children() {
  DirectChildren visitor;
  visit(visitor);
  return std::move(visitor.children);
}

std::vector<Module*> Module::inner_ones_first() {
  ChildrenLeft visitor;
  visit(visitor);
  visitor.children.push_back(this);
  return std::move(visitor.children);
}

std::string Module::type_name() const {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), &std::free);
  std::string_view name = demangled ? demangled.get() : typeid(*this).name();
  if (name.ends_with('>')) {
    std::size_t open = name.size() - 1;
    for (int depth = 1; depth > 0 && open > 0;) {
      --open;
      depth += name[open] == '>' ? 1 : name[open] == '<' ? -1 : 0;
    }
    name = name.substr(0, open);
  }
  return std::string(name.substr(name.rfind(':') + 1));
}

std::string to_string(const Module& module) {
  Tree tree(module);
  module.walk(tree);
  return std::move(tree.text);
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << to_string(module); }

fmt::format_context::iterator format_to(fmt::format_context::iterator out, const Module& module) {
  return fmt::format_to(out, "{}", to_string(module));
}

}  // namespace wengert::nn
