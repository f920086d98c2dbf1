#pragma once

#include <map>
#include <string>
#include <vector>

namespace wengert::test {

/// A function declared in autograd/ops.h.
struct Declaration {
  std::string name;        ///< "tanh", "operator+"
  std::string parameters;  ///< their names: "x, axes, keepdims"
  std::string contract;    ///< the comment above it, as one paragraph
};

/// Declarations that follow a comment of their own, as "Activations." or a rule and the title of a section.
struct DeclarationGroup {
  bool begins_section = false;
  std::string text = {};
  std::vector<Declaration> declarations = {};
};

/// The functions declared in namespace wengert by a header, in order.
std::vector<DeclarationGroup> groups_of(const std::string& header);
/// The text of autograd/ops.h.
std::string text_of_ops_h();
/// How many overloads each of the functions has.
std::map<std::string, int> overloads_of(const std::vector<DeclarationGroup>& groups);

}  // namespace wengert::test
