#include "tests/onnx/coverage.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/onnx/cases.h"
#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

std::string row(const std::string& name, const Count& count) {
  std::string text = fmt::format("{:<28}{:>6}{:>8}", name, count.all(), count.passed);
  if (count.failed > 0) text += fmt::format("  {} FAILED", count.failed);
  for (const auto& [reason, number] : count.left_out) text += fmt::format("  {}: {}", number, reason);
  return text + "\n";
}

void add(Count& sum, const Count& count) {
  sum.passed += count.passed;
  sum.failed += count.failed;
  for (const auto& [reason, number] : count.left_out) sum.left_out[reason] += number;
}

}  // namespace

std::vector<std::string> operators_through(const std::string& op) {
  std::vector<std::string> names;
  for (const Operator& one : operators()) {
    if (std::find(one.ops.begin(), one.ops.end(), op) != one.ops.end()) names.push_back(one.name);
  }
  return names;
}

int Count::all() const {
  int sum = passed + failed;
  for (const auto& [reason, number] : left_out) sum += number;
  return sum;
}

std::map<std::string, Count> counts() {
  std::map<std::string, Count> all;
  for (std::size_t i = 0; i < cases().size(); ++i) {
    const std::string op = cases()[i].op();
    const Result& result = results()[i];
    Count& count = all[op.empty() ? several_operators : op];
    switch (result.outcome) {
      case Result::Outcome::passed: ++count.passed; break;
      case Result::Outcome::failed: ++count.failed; break;
      case Result::Outcome::left_out: ++count.left_out[result.text]; break;
    }
  }
  return all;
}

std::map<std::string, OpCoverage> coverage() {
  std::map<std::string, OpCoverage> by_op;
  for (const auto& [name, count] : counts()) {
    const Operator* op = find_operator(name);
    if (!op || count.passed == 0) continue;
    for (const std::string& through : op->ops) {
      OpCoverage& entry = by_op[through];
      entry.operators.push_back(name);
      entry.cases += count.passed;
    }
  }
  return by_op;
}

std::string table_of(const std::map<std::string, Count>& counts) {
  std::string text = fmt::format("{:<28}{:>6}{:>8}  {}\n", "ONNX operator", "cases", "passed", "left out");
  Count total;
  for (const auto& [name, count] : counts) {
    text += row(name, count);
    add(total, count);
  }
  text += fmt::format("{:<28}{:>6}{:>8}\n", "all", total.all(), total.passed);
  for (const auto& [reason, number] : total.left_out) text += fmt::format("  left out {:>4}: {}\n", number, reason);
  return text;
}

}  // namespace wengert::test::onnx
