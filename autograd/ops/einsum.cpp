#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

/// An axis is named by its letter's code, an axis that `...` stands for by its distance from the last one of these.
using Labels = std::vector<int>;
constexpr int ellipsis = 256;

struct Term {
  Tensor x;
  Labels labels;

  std::int64_t size(int label) const {
    return x.shape()[static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin())];
  }
};

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

std::string name_of(int label) { return label < ellipsis ? std::string(1, static_cast<char>(label)) : "..."; }

/// What the subscripts say. `ellipsis` in a list stands for all the axes of `...`.
struct Equation {
  std::vector<Labels> inputs;
  std::optional<Labels> output;
};

Labels parse_labels(std::string_view part, std::string_view all) {
  Labels labels;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const char c = part[i];
    if (c == ' ') continue;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      labels.push_back(c);
      continue;
    }
    check(part.substr(i, 3) == "...", "einsum: '{}' in \"{}\" is no letter, ',', '...' or '->'", c, all);
    check(!contains(labels, ellipsis), "einsum: '...' occurs twice in \"{}\" of \"{}\"", part, all);
    labels.push_back(ellipsis);
    i += 2;
  }
  return labels;
}

Equation parse(std::string_view subscripts) {
  Equation equation;
  const std::size_t arrow = subscripts.find("->");
  if (arrow != std::string_view::npos) {
    equation.output = parse_labels(subscripts.substr(arrow + 2), subscripts);
    for (const int label : *equation.output) {
      check(std::count(equation.output->begin(), equation.output->end(), label) == 1,
            "einsum: '{}' occurs twice in the output of \"{}\"", name_of(label), subscripts);
    }
  }
  std::string_view rest = subscripts.substr(0, arrow);
  for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
    equation.inputs.push_back(parse_labels(rest.substr(0, comma), subscripts));
    rest.remove_prefix(comma + 1);
  }
  equation.inputs.push_back(parse_labels(rest, subscripts));
  return equation;
}

/// The labels with a label for each axis of `...`, `count` of them.
Labels expanded(const Labels& labels, int count) {
  Labels result;
  for (const int label : labels) {
    if (label != ellipsis) result.push_back(label);
    for (int i = count; label == ellipsis && i > 0; --i) result.push_back(ellipsis + i - 1);
  }
  return result;
}

std::vector<Term> make_terms(std::string_view subscripts, const Equation& equation,
                             const std::vector<Tensor>& operands) {
  std::vector<Term> terms;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Labels& labels = equation.inputs[k];
    const bool open = contains(labels, ellipsis);
    const int unnamed = operands[k].rank() - static_cast<int>(labels.size()) + (open ? 1 : 0);
    check(open ? unnamed >= 0 : unnamed == 0,
          "einsum: the subscripts of operand {} in \"{}\" name {} axes; its shape is {}", k, subscripts,
          labels.size() - (open ? 1 : 0), operands[k].shape());
    terms.push_back({operands[k], expanded(labels, open ? unnamed : 0)});
  }
  return terms;
}

/// The labels of the output, given or implied: those of `...`, then letters that occur once, in alphabetical order.
Labels output_labels(std::string_view subscripts, const Equation& equation, const std::vector<Term>& terms) {
  Labels all;
  int open = 0;
  for (const Term& term : terms) {
    all.insert(all.end(), term.labels.begin(), term.labels.end());
    for (const int label : term.labels) open = std::max(open, label - ellipsis + 1);
  }
  if (equation.output) {
    for (const int label : *equation.output) {
      check(label == ellipsis || contains(all, label), "einsum: '{}' of the output of \"{}\" occurs in no operand",
            name_of(label), subscripts);
    }
    check(open == 0 || contains(*equation.output, ellipsis),
          "einsum: '...' stands for axes of the operands of \"{}\"; the output must have it too", subscripts);
    return expanded(*equation.output, open);
  }
  Labels result = expanded({ellipsis}, open);
  std::sort(all.begin(), all.end());
  for (const int label : all) {
    if (label < ellipsis && std::count(all.begin(), all.end(), label) == 1) result.push_back(label);
  }
  return result;
}

/// The size of each label, as long as the largest of `...`.
struct Sizes {
  std::int64_t of[ellipsis + Shape::max_rank];

  Sizes(std::string_view subscripts, const std::vector<Term>& terms) {
    std::fill(std::begin(of), std::end(of), std::int64_t{-1});
    for (std::size_t k = 0; k < terms.size(); ++k) {
      for (std::size_t axis = 0; axis < terms[k].labels.size(); ++axis) {
        const int label = terms[k].labels[axis];
        const std::int64_t size = terms[k].x.shape()[static_cast<int>(axis)];
        std::int64_t& known = of[label];
        const bool stretches = label >= ellipsis && (size == 1 || known == 1);
        check(known < 0 || known == size || stretches,
              "einsum: axis '{}' of \"{}\" has size {} in operand {}, {} before", name_of(label), subscripts, size, k,
              known);
        if (known < 0 || known == 1) known = size;
      }
    }
  }
};

Tensor permuted(const Term& term, const Labels& order) {
  if (order == term.labels) return term.x;
  std::vector<int> axes;
  for (const int label : order) {
    axes.push_back(static_cast<int>(std::find(term.labels.begin(), term.labels.end(), label) - term.labels.begin()));
  }
  return permute(term.x, axes);
}

/// Takes the diagonal for each label that occurs twice.
Term without_repetition(Term term) {
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    const auto again =
        std::find(term.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1, term.labels.end(), term.labels[i]);
    if (again == term.labels.end()) continue;
    const int second = static_cast<int>(again - term.labels.begin());
    std::vector<int> order;
    Labels labels;
    for (int axis = 0; axis < term.x.rank(); ++axis) {
      if (axis == static_cast<int>(i) || axis == second) continue;
      order.push_back(axis);
      labels.push_back(term.labels[static_cast<std::size_t>(axis)]);
    }
    labels.push_back(term.labels[i]);
    order.push_back(static_cast<int>(i));
    order.push_back(second);
    return without_repetition({diagonal(permute(term.x, order)), labels});
  }
  return term;
}

/// Drops the axes of `...` along which others are longer.
Term without_stretched(Term term, const Sizes& sizes) {
  for (int axis = term.x.rank() - 1; axis >= 0; --axis) {
    const auto position = term.labels.begin() + axis;
    if (term.x.shape()[axis] == sizes.of[*position]) continue;
    term.x = squeeze(term.x, {axis});
    term.labels.erase(position);
  }
  return term;
}

/// Sums over the axes whose labels are not in `kept`.
Term summed(const Term& term, const Labels& kept) {
  Axes axes;
  Labels labels;
  for (std::size_t axis = 0; axis < term.labels.size(); ++axis) {
    if (contains(kept, term.labels[axis]))
      labels.push_back(term.labels[axis]);
    else
      axes.push_back(static_cast<int>(axis));
  }
  return axes.empty() ? term : Term{sum(term.x, axes), labels};
}

/// The labels of two terms by what becomes of them in their product.
struct Roles {
  Labels batch, contracted, left, right;

  Roles(const Term& a, const Term& b, const Labels& kept) {
    for (const int label : a.labels) {
      (contains(b.labels, label) ? (contains(kept, label) ? batch : contracted) : left).push_back(label);
    }
    for (const int label : b.labels) {
      if (!contains(a.labels, label)) right.push_back(label);
    }
  }
};

Labels joined(const Labels& a, const Labels& b, const Labels& c = {}) {
  Labels all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

/// The product of two terms, summed over the labels that are in both and not in `kept`.
Term contract(const Term& a, const Term& b, const Labels& kept, const Sizes& sizes) {
  const Roles roles(a, b, kept);
  const auto count = [&](const Labels& labels) {
    std::int64_t product = 1;
    for (const int label : labels) product *= sizes.of[label];
    return product;
  };
  const std::int64_t batch = count(roles.batch);
  const std::int64_t rows = count(roles.left);
  const std::int64_t columns = count(roles.right);
  const std::int64_t depth = count(roles.contracted);
  const auto matrices = [&](const Tensor& x, std::int64_t m, std::int64_t n) {
    return roles.batch.empty() ? reshape(x, Shape{m, n}) : reshape(x, Shape{batch, m, n});
  };
  Tensor product;
  if (roles.contracted.empty()) {
    product = matrices(permuted(a, joined(roles.batch, roles.left)), rows, 1) *
              matrices(permuted(b, joined(roles.batch, roles.right)), 1, columns);
  } else {
    // A factor that lies the other way round already is not copied.
    const Labels a_turned = joined(roles.batch, roles.contracted, roles.left);
    const Labels b_turned = joined(roles.batch, roles.right, roles.contracted);
    const bool turn_a = a.labels == a_turned;
    const bool turn_b = b.labels == b_turned;
    const Tensor left = turn_a ? matrices(a.x, depth, rows)
                               : matrices(permuted(a, joined(roles.batch, roles.left, roles.contracted)), rows, depth);
    const Tensor right =
        turn_b ? matrices(b.x, columns, depth)
               : matrices(permuted(b, joined(roles.batch, roles.contracted, roles.right)), depth, columns);
    product = matmul(left, right, {.transpose_a = turn_a, .transpose_b = turn_b});
  }
  const Labels labels = joined(roles.batch, roles.left, roles.right);
  check(labels.size() <= static_cast<std::size_t>(Shape::max_rank),
        "einsum: the product of two operands has {} axes; 8 are the most", labels.size());
  std::vector<std::int64_t> shape;
  for (const int label : labels) shape.push_back(sizes.of[label]);
  return {reshape(product, Shape(shape)), labels};
}

/// The labels that anyone but terms `i` and `j` has, or the output.
Labels needed_beside(const std::vector<Term>& terms, const Labels& output, std::size_t i, std::size_t j) {
  Labels needed = output;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    if (k != i && k != j) needed.insert(needed.end(), terms[k].labels.begin(), terms[k].labels.end());
  }
  return needed;
}

/// Contracts the pair whose product is smallest.
void contract_best_pair(std::vector<Term>& terms, const Labels& output, const Sizes& sizes) {
  std::size_t first = 0;
  std::size_t second = 1;
  double smallest = -1;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    for (std::size_t j = i + 1; j < terms.size(); ++j) {
      const Roles roles(terms[i], terms[j], needed_beside(terms, output, i, j));
      double size = 1;
      for (const int label : joined(roles.batch, roles.left, roles.right)) size *= static_cast<double>(sizes.of[label]);
      if (smallest >= 0 && size >= smallest) continue;
      smallest = size;
      first = i;
      second = j;
    }
  }
  terms[first] = contract(terms[first], terms[second], needed_beside(terms, output, first, second), sizes);
  terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(second));
}

}  // namespace

Tensor einsum(std::string_view subscripts, const std::vector<Tensor>& operands) {
  const Equation equation = parse(subscripts);
  check(!operands.empty() && equation.inputs.size() == operands.size(),
        "einsum: \"{}\" is for {} operands, {} are given", subscripts, equation.inputs.size(), operands.size());
  std::vector<const Tensor*> pointers;
  for (const Tensor& operand : operands) pointers.push_back(&operand);
  detail::check_operands("einsum", pointers, Types::floating);

  std::vector<Term> terms = make_terms(subscripts, equation, operands);
  const Labels output = output_labels(subscripts, equation, terms);
  check(output.size() <= static_cast<std::size_t>(Shape::max_rank),
        "einsum: the output of \"{}\" has {} axes; 8 are the most", subscripts, output.size());
  const Sizes sizes(subscripts, terms);
  for (Term& term : terms) term = without_stretched(without_repetition(term), sizes);
  for (std::size_t k = 0; k < terms.size(); ++k) terms[k] = summed(terms[k], needed_beside(terms, output, k, k));
  while (terms.size() > 1) contract_best_pair(terms, output, sizes);
  return permuted(summed(terms[0], output), output);
}

}  // namespace wengert
