#include "nn/detail/summary.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>

namespace wengert::nn {

constinit thread_local detail::OutputObserver* detail::output_observer = nullptr;

namespace {

/// "1,234,567"
std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string label(const Module& module) {
  const std::string options = module.options();
  return options.empty() ? module.type_name() : fmt::format("{}({})", module.type_name(), options);
}

/// Collects a row per module, and writes them as a table.
class Table : public Visitor, public detail::OutputObserver {
 public:
  explicit Table(const Module& root) { rows_.push_back({.module = &root, .path = "", .type = label(root)}); }

  /// The shapes of the modules' outputs are filled in while `f` runs.
  template <class F>
  void observe_during(F&& f) {
    struct Restore {
      OutputObserver* before;
      ~Restore() { detail::output_observer = before; }
    } const restore{std::exchange(detail::output_observer, this)};
    outputs_known_ = true;
    f();
  }

  std::string text() const {
    std::array<std::size_t, columns> widths{};
    std::vector<std::array<std::string, columns>> lines;
    lines.push_back({"Module", "Type", "Output", "Parameters", "Count"});
    for (const Row& row : rows_) {
      lines.push_back({row.path, row.type, row.output, row.parameters, row.count > 0 ? with_commas(row.count) : ""});
    }
    for (const auto& line : lines) {
      for (std::size_t column = 0; column < columns; ++column) {
        widths[column] = std::max(widths[column], line[column].size());
      }
    }
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      append(text, lines[i], widths);
      if (i == 0) append_rule(text, widths);
    }
    append_rule(text, widths);
    text += fmt::format("{} parameters, {} bytes\n", with_commas(total_), with_commas(bytes_));
    return text;
  }

 private:
  static constexpr std::size_t columns = 5;
  static constexpr std::size_t output_column = 2;

  struct Row {
    const Module* module;
    std::string path;
    std::string type;
    std::string output = {};
    std::string parameters = {};
    std::int64_t count = 0;
  };

  void enter(const std::string& path, Module& child) override {
    open_.push_back(rows_.size());
    rows_.push_back({.module = &child, .path = path, .type = label(child)});
  }
  void leave(Module&) override { open_.pop_back(); }

  void parameter(const std::string& path, ParameterRef& parameter) override {
    Row& row = rows_[open_.empty() ? 0 : open_.back()];
    const bool shared = std::find(seen_.begin(), seen_.end(), &parameter.value()) != seen_.end();
    const std::size_t name = row.path.empty() ? 0 : row.path.size() + 1;
    row.parameters += fmt::format("{}{} {}{}", row.parameters.empty() ? "" : ", ", path.substr(name),
                                  parameter->shape(), shared ? " (shared)" : "");
    if (shared) return;
    seen_.push_back(&parameter.value());
    row.count += parameter->numel();
    total_ += parameter->numel();
    bytes_ += parameter->numel() * static_cast<std::int64_t>(size_of(parameter->dtype()));
  }

  void observe(const Module& module, const Tensor& output) override {
    for (Row& row : rows_) {
      if (row.module == &module) row.output = output.defined() ? output.shape().to_string() : "undefined";
    }
  }

  void append(std::string& text, const std::array<std::string, columns>& line,
              const std::array<std::size_t, columns>& widths) const {
    const std::size_t start = text.size();
    for (std::size_t column = 0; column < columns; ++column) {
      if (column == output_column && !outputs_known_) continue;
      const char* gap = column == 0 ? "" : "  ";
      if (column + 1 == columns)
        text += fmt::format("{}{:>{}}", gap, line[column], widths[column]);
      else
        text += fmt::format("{}{:<{}}", gap, line[column], widths[column]);
    }
    text.erase(std::max(start, text.find_last_not_of(' ') + 1));
    text += '\n';
  }

  void append_rule(std::string& text, const std::array<std::size_t, columns>& widths) const {
    std::size_t width = 2 * (columns - 1);
    for (std::size_t column = 0; column < columns; ++column) width += widths[column];
    if (!outputs_known_) width -= widths[output_column] + 2;
    text.append(width, '-').append(1, '\n');
  }

  std::vector<Row> rows_;
  std::vector<std::size_t> open_;  // rows of the modules around
  std::vector<const Tensor*> seen_;
  std::int64_t total_ = 0;
  std::int64_t bytes_ = 0;
  bool outputs_known_ = false;
};

/// Puts each module back into the mode that it was in.
class Modes : public Visitor {
 public:
  explicit Modes(Module& root) {
    modes_.emplace_back(&root, root.is_training());
    root.visit(*this);
    root.eval();
  }
  Modes(const Modes&) = delete;
  Modes& operator=(const Modes&) = delete;
  ~Modes() override {
    // Outer modules first: each sets all that is inside it.
    for (const auto& [module, training] : modes_) module->train(training);
  }

 private:
  void enter(const std::string&, Module& child) override { modes_.emplace_back(&child, child.is_training()); }

  std::vector<std::pair<Module*, bool>> modes_;
};

}  // namespace

std::string Module::summary() const {
  Table table(*this);
  walk(table);
  return table.text();
}

std::string Module::summary(const Shape& input_shape) {
  const std::vector<ParameterRef> all = parameters();
  return summary(zeros(input_shape, all.empty() ? float32 : all.front()->dtype()));
}

std::string Module::summary(const Tensor& example) {
  Table table(*this);
  visit(table);
  const Modes restore(*this);
  const NoGrad guard;
  table.observe_during([&] { (*this)(example); });
  return table.text();
}

}  // namespace wengert::nn
