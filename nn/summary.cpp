#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

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
class Table : public Visitor {
 public:
  explicit Table(const Module& root) { rows_.push_back({.path = "", .type = label(root)}); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() override {
    for (ModuleHookHandle& hook : hooks_) hook.remove();
  }

  /// From now on the outputs of `root`, which was walked, and of all inside are noted down.
  void observe(Module& root) {
    outputs_known_ = true;
    rows_.front().module = &root;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      hooks_.push_back(rows_[i].module->register_forward_hook([this, i](const Module&, const Tensor&, const Tensor& y) {
        rows_[i].output = y.defined() ? y.shape().to_string() : "undefined";
      }));
    }
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
      append_line(text, lines[i], widths);
      if (i == 0) append_rule(text, widths);
    }
    append_rule(text, widths);
    text += fmt::format("{} parameters, {} bytes\n", with_commas(total_), with_commas(bytes_));
    text += fmt::format("{} trainable, {} not trainable ({} frozen, {} in buffers)\n", with_commas(total_ - frozen_),
                        with_commas(frozen_ + in_buffers_), with_commas(frozen_), with_commas(in_buffers_));
    return text;
  }

 private:
  static constexpr std::size_t columns = 5;
  static constexpr std::size_t output_column = 2;

  struct Row {
    std::string path;
    std::string type;
    Module* module = nullptr;
    std::string output = {};
    std::string parameters = {};
    std::int64_t count = 0;
  };

  void enter(const std::string& path, Module& child) override {
    open_.push_back(rows_.size());
    rows_.push_back({.path = path, .type = label(child), .module = &child});
  }
  void leave(Module&) override { open_.pop_back(); }

  void parameter(const std::string& path, ParameterRef& parameter) override {
    Row& row = rows_[open_.empty() ? 0 : open_.back()];
    const bool shared = !first_time(parameter.value());
    const std::size_t name = row.path.empty() ? 0 : row.path.size() + 1;
    row.parameters +=
        fmt::format("{}{} {}{}{}", row.parameters.empty() ? "" : ", ", path.substr(name), parameter->shape(),
                    shared ? " (shared)" : "", parameter.requires_grad() ? "" : " (frozen)");
    if (shared) return;
    const std::int64_t count = parameter->numel();
    row.count += count;
    total_ += count;
    if (!parameter.requires_grad()) frozen_ += count;
    bytes_ += count * static_cast<std::int64_t>(size_of(parameter->dtype()));
  }

  void buffer(const std::string& /*path*/, Tensor& buffer) override {
    if (first_time(buffer)) in_buffers_ += buffer.numel();
  }

  bool first_time(const Tensor& home) {
    if (std::find(seen_.begin(), seen_.end(), &home) != seen_.end()) return false;
    seen_.push_back(&home);
    return true;
  }

  void append_line(std::string& text, const std::array<std::string, columns>& line,
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
  std::vector<ModuleHookHandle> hooks_;
  std::int64_t total_ = 0;
  std::int64_t frozen_ = 0;
  std::int64_t in_buffers_ = 0;
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
  return summary([&] { (*this)(example); });
}

std::string Module::summary_during(void (*run)(void*), void* call) {
  Table table(*this);
  visit(table);
  const Modes restore(*this);
  const NoGrad guard;
  table.observe(*this);
  run(call);
  return table.text();
}

}  // namespace wengert::nn
