#include "tests/ops_header.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace wengert::test {

namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void append_line(std::string& paragraph, const std::string& line) {
  const bool item = line.starts_with("- ");
  if (!paragraph.empty()) paragraph += item ? "\n" : " ";
  paragraph += line;
}

/// "operator+" or "tanh" in "Tensor operator+(const Tensor& a, ...)"; empty if no function is declared.
std::string declared_name(const std::string& declaration) {
  static const std::regex pattern(R"(\b(operator\s*[^\s\w(]+|[A-Za-z_]\w*)\s*\()");
  std::smatch match;
  if (!std::regex_search(declaration, match, pattern)) return {};
  std::string name = match[1];
  name.erase(std::remove_if(name.begin(), name.end(), [](unsigned char c) { return std::isspace(c); }), name.end());
  return name;
}

/// "a, options" in "Tensor f(const Tensor& a, const Options& options = {.p = 2})".
std::string parameter_names(const std::string& declaration) {
  std::vector<std::string> parameters(1);
  int depth = 0;
  for (auto c = declaration.begin() + static_cast<std::ptrdiff_t>(declaration.find('(')); c != declaration.end(); ++c) {
    if (*c == ')' || *c == '}' || *c == '>') --depth;
    if (depth == 0 && *c == ')') break;
    if (depth == 1 && *c == ',') {
      parameters.emplace_back();
    } else if (depth > 0) {
      parameters.back() += *c;
    }
    if (*c == '(' || *c == '{' || *c == '<') ++depth;
  }
  std::string names;
  for (const std::string& parameter : parameters) {
    const std::string declarator = trimmed(parameter.substr(0, parameter.find('=')));
    const auto begin = std::find_if_not(declarator.rbegin(), declarator.rend(), [](unsigned char c) {
                         return std::isalnum(c) || c == '_';
                       }).base();
    names += (names.empty() ? "" : ", ") + std::string(begin, declarator.end());
  }
  return names;
}

/// Goes through a header line by line.
class Reader {
 public:
  void line(const std::string& raw) {
    const std::string line = trimmed(raw);
    if (depth_ == 1 && pending_.empty() && line.starts_with("//")) return comment(line);
    if (line.empty()) comment_.clear();
    if (line.starts_with("#")) return;
    after_rule_ = in_text_ = false;
    for (const char c : line.substr(0, line.find("//"))) character(c);
    if (!pending_.empty()) pending_ += ' ';
    if (trimmed(pending_).empty()) pending_.clear();
  }

  std::vector<DeclarationGroup> take() && { return std::move(groups_); }

 private:
  void comment(const std::string& line) {
    if (line.starts_with("///")) return append_line(comment_, trimmed(line.substr(3)));
    const std::string text = trimmed(line.substr(2));
    if (text.starts_with("----")) {
      after_rule_ = true;
      return;
    }
    if (!in_text_) groups_.push_back({.begins_section = after_rule_});
    in_text_ = true;
    append_line(groups_.back().text, text);
  }

  void character(char c) {
    if (c == '{') {
      if (++depth_ == 1)
        pending_.clear();  // "namespace wengert"
      else
        pending_ += c;
    } else if (c == '}') {
      if (--depth_ == 1 && declares_function() && parentheses_ == 0) return end();  // a body
      pending_ += c;
    } else if (depth_ == 1 && c == ';') {
      end();
    } else if (depth_ >= 1) {
      if (depth_ == 1) parentheses_ += (c == '(') - (c == ')');
      pending_ += c;
    }
  }

  bool declares_function() const {
    static const std::regex type(R"(^\s*(template\s*<[^>]*>\s*)?(struct|class|enum|using)\b)");
    return pending_.find('(') != std::string::npos && !std::regex_search(pending_, type);
  }

  void end() {
    static const std::regex variable(R"(^\s*inline\s+constexpr\b)");
    if (declares_function() && !std::regex_search(pending_, variable)) {
      if (groups_.empty()) groups_.emplace_back();
      groups_.back().declarations.push_back({declared_name(pending_), parameter_names(pending_), comment_});
    }
    comment_.clear();
    pending_.clear();
    parentheses_ = 0;
  }

  std::vector<DeclarationGroup> groups_;
  std::string comment_;
  std::string pending_;
  int depth_ = 0;
  int parentheses_ = 0;
  bool after_rule_ = false;
  bool in_text_ = false;
};

}  // namespace

std::vector<DeclarationGroup> groups_of(const std::string& header) {
  Reader reader;
  std::istringstream lines(header);
  for (std::string line; std::getline(lines, line);) reader.line(line);
  return std::move(reader).take();
}

std::string text_of_ops_h() {
  const auto path = std::filesystem::path(WENGERT_SOURCE_DIR) / "autograd" / "ops.h";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::map<std::string, int> overloads_of(const std::vector<DeclarationGroup>& groups) {
  std::map<std::string, int> overloads;
  for (const DeclarationGroup& group : groups) {
    for (const Declaration& declaration : group.declarations) ++overloads[declaration.name];
  }
  return overloads;
}

}  // namespace wengert::test
