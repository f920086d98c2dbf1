#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/onnx/cases.h"
#include "tests/onnx/coverage.h"
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

/// ONNX's operators that an op is checked through, with how many of their cases pass.
std::string onnx_cases(const std::string& op) {
  static const auto coverage = onnx::coverage();
  static const auto counts = onnx::counts();
  const auto found = coverage.find(op);
  if (found == coverage.end()) return "";
  std::vector<std::string> texts;
  for (const std::string& name : found->second.operators) {
    texts.push_back(fmt::format("{} {}", name, counts.at(name).passed));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// How many of ONNX's cases pass, and why the others are left out.
std::string onnx_section() {
  int all = 0;
  int passed = 0;
  std::map<std::string, int> left_out;
  for (const auto& [name, count] : onnx::counts()) {
    all += count.all();
    passed += count.passed;
    for (const auto& [reason, number] : count.left_out) left_out[reason] += number;
  }
  std::string text = fmt::format(R"(
## ONNX's operator test vectors

{} of the {} cases of Debian's package `libonnx-testdata` {} pass: inputs and results of operators that nobody here wrote,
read and compared in `tests/onnx/`. Results that are moved or counted are equal; others are within a few roundings of
their type, or within what ONNX's own runner allows. `wengert_tests --gtest_filter='Onnx.*'` prints the counts of each
operator. The others are left out:

| cases | why |
|---|---|
)",
                                 passed, all, onnx::known_version);
  for (const auto& [reason, number] : left_out) text += fmt::format("| {} | {} |\n", number, reason);
  return text;
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
  return fmt::format("| {} | {} | {} | {} | {} of {} | {} |\n", fmt::join(signatures, " "), fmt::join(contracts, " "),
                     status.rows_with_gradient > 0 ? "1, 2" : "none", status.int64 ? "yes" : "", status.random_rows,
                     status.rows, onnx_cases(name));
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
- **ONNX**: the operators of ONNX that the op is compared through, and how many of their test vectors it agrees with.
)";
  for (const DeclarationGroup& group : groups_of(text_of_ops_h())) {
    if (group.declarations.empty()) continue;
    const auto [title, rest] = title_and_rest(group.text);
    page += fmt::format("\n{} {}\n\n", group.begins_section ? "##" : "###", title);
    if (!rest.empty()) page += rest + "\n\n";
    page += "| op | contract | gradients | int64 | rows | ONNX |\n|---|---|---|---|---|---|\n";
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
  return page + onnx_section();
}

std::filesystem::path path_of_page() { return std::filesystem::path(WENGERT_SOURCE_DIR) / "docs" / "ops.md"; }

TEST(OpsPage, SaysWhatTheTestsCheck) {
  if (!onnx::has_known_version()) GTEST_SKIP() << "needs libonnx-testdata " << onnx::known_version;
  const std::string page = ops_page();
  if (std::getenv("WENGERT_WRITE_DOCS")) std::ofstream(path_of_page()) << page;
  std::ifstream file(path_of_page());
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == page) << "docs/ops.md is not what the table of cases and ops.h give; run `make docs`";
}

}  // namespace
}  // namespace wengert::test
