#include <algorithm>

#include <wengert/nn/sequential.h>

namespace wengert::nn {

Sequential::Sequential(std::initializer_list<NamedModule> modules) {
  children_.reserve(modules.size());
  for (const NamedModule& named : modules) append(named.name, named.module);
}

Sequential& Sequential::operator=(const Sequential& other) {
  if (this == &other) return *this;
  Module::operator=(other);
  // Module by module where they correspond, so that parameters stay the same parameters.
  if (size() == other.size())
    std::copy(other.children_.begin(), other.children_.end(), children_.begin());
  else
    children_ = std::vector<NamedModule>(other.children_);
  return *this;
}

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const NamedModule& child : children_) y = child.module(y);
  return y;
}

void Sequential::visit(Visitor& v) {
  for (NamedModule& child : children_) v(child.name, *child.module);
}

void Sequential::append(std::string name, AnyModule module) {
  check<Error>(!name.empty(), "Sequential: the name of module {} is empty", size());
  const bool taken =
      std::any_of(children_.begin(), children_.end(), [&](const NamedModule& child) { return child.name == name; });
  check<Error>(!taken, "Sequential: two modules are named '{}'", name);
  children_.emplace_back(std::move(name), std::move(module));
}

NamedModule& Sequential::child(std::size_t index) {
  check(index < size(), "Sequential: index {} is out of range for {} modules", index, size());
  return children_[index];
}

void Sequential::fail_type(std::size_t index) {
  fail<Error>("Sequential: module {} is a {}, asked for another type", index, (*this)[index].type_name());
}

}  // namespace wengert::nn
