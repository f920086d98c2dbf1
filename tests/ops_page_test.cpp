#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/op_cases.h"
#include "tests/ops_header.h"

// docs/ops.md is made from what the tests know: the contracts in ops.h and the table of cases. `make docs` writes it
// again; the test below fails when that was forgotten.

namespace wengert::test {
namespace {

/// What the table of cases says of one op.
struct Status {
  int rows = 0;
  int random_rows = 0;
  int rows_with_gradient = 0;
  bool int64 = false;
};

Status status_of(const std::string& op) {
  Status status;
  for (const OpCase& row : op_cases()) {
    if (row.name != op) continue;
    ++status.rows;
    status.random_rows += static_cast<bool>(row.vary);
    status.rows_with_gradient += row.gradient;
    status.int64 = status.int64 || row.int64;
  }
  return status;
}

/// `text` for a cell of a table.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

/// The first sentence or clause of a section's text, which is its title, and the rest.
std::pair<std::string, std::string> title_and_rest(const std::string& text) {
  const auto end = text.find_first_of(".;:");
  std::string rest = end == std::string::npos ? "" : text.substr(end + 1);
  rest.erase(0, rest.find_first_not_of(' '));
  return {text.substr(0, end), rest};
}

/// The line of one op: its overloads in a group.
std::string line_of(std::span<const Declaration> overloads) {
  const std::string& name = overloads[0].name;
  std::vector<std::string> signatures;
  std::vector<std::string> contracts;
  for (const Declaration& overload : overloads) {
    std::string signature = fmt::format("`{}({})`", name, overload.parameters);
    const bool is_new = std::find(signatures.begin(), signatures.end(), signature) == signatures.end();
    if (is_new) signatures.push_back(std::move(signature));
    if (!overload.contract.empty()) contracts.push_back(cell(overload.contract));
  }
  const Status status = status_of(name);
  return fmt::format("| {} | {} | {} | {} | {} of {} |\n", fmt::join(signatures, " "), fmt::join(contracts, " "),
                     status.rows_with_gradient > 0 ? "1, 2" : "none", status.int64 ? "yes" : "", status.random_rows,
                     status.rows);
}

/// Where the first overload of an op stands.
std::ptrdiff_t first_place(const DeclarationGroup& group, const std::string& name) {
  const auto same = [&](const Declaration& declaration) { return declaration.name == name; };
  return std::find_if(group.declarations.begin(), group.declarations.end(), same) - group.declarations.begin();
}

std::string ops_page() {
  std::string page = R"(# The ops

This page is generated from the contracts in `autograd/ops.h` and from the table of cases in `tests/op_cases/`; `make docs`
writes it. All ops take float32 and float64. The columns say what the tests check, for every row that the table has for an op:

- **gradients**: the orders that are compared with central differences in float64. Of all of these `jvp` is compared with
  differences and with `vjp`, float32 with float64, and the fused gradient with the recorded one.
- **int64**: the op takes integers too.
- **rows**: how many of the op's rows are drawn at random, in shapes and options, fifty times each.
)";
  for (const DeclarationGroup& group : groups_of(text_of_ops_h())) {
    if (group.declarations.empty()) continue;
    const auto [title, rest] = title_and_rest(group.text);
    page += fmt::format("\n{} {}\n\n", group.begins_section ? "##" : "###", title);
    if (!rest.empty()) page += rest + "\n\n";
    page += "| op | contract | gradients | int64 | rows |\n|---|---|---|---|---|\n";
    auto declarations = group.declarations;
    std::stable_sort(declarations.begin(), declarations.end(), [&](const Declaration& a, const Declaration& b) {
      return first_place(group, a.name) < first_place(group, b.name);
    });
    for (auto begin = declarations.begin(); begin != declarations.end();) {
      const auto end =
          std::find_if(begin, declarations.end(), [&](const auto& other) { return other.name != begin->name; });
      page += line_of({begin, end});
      begin = end;
    }
  }
  return page;
}

std::filesystem::path path_of_page() { return std::filesystem::path(WENGERT_SOURCE_DIR) / "docs" / "ops.md"; }

TEST(OpsPage, SaysWhatTheTestsCheck) {
  const std::string page = ops_page();
  if (std::getenv("WENGERT_WRITE_DOCS")) std::ofstream(path_of_page()) << page;
  std::ifstream file(path_of_page());
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == page) << "docs/ops.md is not what the table of cases and ops.h give; run `make docs`";
}

}  // namespace
}  // namespace wengert::test
