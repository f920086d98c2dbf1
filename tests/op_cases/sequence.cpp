#include <string>
#include <vector>

#include "tests/op_cases/rows.h"

namespace wengert::test {

// ---------------------------------------------------------------------------------------------------------------------
// Recurrent cells. The inputs of a row: x, h, of the long short-term memory c, then the weights that the form has:
// hidden, input, input bias, hidden bias.

namespace {

struct Form {
  bool input = true;
  bool input_bias = false;
  bool hidden_bias = false;
};

struct Sizes {
  std::int64_t samples = 3;
  std::int64_t features = 4;
  std::int64_t units = 2;
};

/// A cell with its options chosen.
struct Cell {
  std::string name;
  std::int64_t gates;
  std::size_t states = 1;  // h, or h and c
  Tensor (*apply)(In in, const CellWeights& weights, int option);
  /// From the sums W x + b, [N, G H], and a function that gives R v + c for any v in place of h, in the same form.
  Array (*expected)(const Array& sums, const std::function<Array(const Array&)>& hidden, From in, int option);
};

std::vector<Shape> shapes_of(const Cell& cell, const Form& form, const Sizes& sizes) {
  const std::int64_t rows = cell.gates * sizes.units;
  std::vector<Shape> shapes{{sizes.samples, form.input ? sizes.features : rows}};
  for (std::size_t k = 0; k < cell.states; ++k) shapes.push_back({sizes.samples, sizes.units});
  shapes.push_back({rows, sizes.units});
  if (form.input) shapes.push_back({rows, sizes.features});
  if (form.input_bias) shapes.push_back({rows});
  if (form.hidden_bias) shapes.push_back({rows});
  return shapes;
}

/// The weights among the inputs, or among their numbers.
template <class Weights, class List>
Weights weights_in(const List& in, const Cell& cell, const Form& form) {
  Weights weights{};
  std::size_t next = 1 + cell.states;
  weights.hidden = in[next++];
  if (form.input) weights.input = in[next++];
  if (form.input_bias) weights.input_bias = in[next++];
  if (form.hidden_bias) weights.hidden_bias = in[next++];
  return weights;
}

struct PlainWeights {
  Array input;
  Array hidden;
  Array input_bias;
  Array hidden_bias;
};

/// weight v for every sample's v, plus the bias if there is one.
Array affine_of(const Array& v, const Array& weight, const Array& bias, bool has_bias) {
  return make({v.shape[0], weight.shape[0]}, [&](const Index& i) {
    double total = has_bias ? bias({i[1]}) : 0;
    for (std::int64_t k = 0; k < v.shape[1]; ++k) total += weight({i[1], k}) * v({i[0], k});
    return total;
  });
}

Array expected_of(const Cell& cell, const Form& form, int option, From in) {
  const auto weights = weights_in<PlainWeights>(in, cell, form);
  const Array sums = form.input ? affine_of(in[0], weights.input, weights.input_bias, form.input_bias)
                                : make(in[0].shape, [&](const Index& i) {
                                    return in[0](i) + (form.input_bias ? weights.input_bias({i[1]}) : 0);
                                  });
  const auto hidden = [&](const Array& v) {
    return affine_of(v, weights.hidden, weights.hidden_bias, form.hidden_bias);
  };
  return cell.expected(sums, hidden, in, option);
}

void set_form(OpCase& row, const Cell& cell, const Form& form, const Sizes& sizes, int option) {
  row.inputs.clear();
  for (const Shape& shape : shapes_of(cell, form, sizes)) {
    row.inputs.push_back({.shape = shape, .low = -1, .high = 1});
  }
  row.f = [=](In in) { return cell.apply(in, weights_in<CellWeights>(in, cell, form), option); };
  row.reference = [=](From in) { return expected_of(cell, form, option, in); };
}

OpCase cell_row(const Cell& cell, const char* variant, const Form& form, int option) {
  OpCase row{.name = cell.name, .variant = variant};
  set_form(row, cell, form, {}, option);
  row.big = shapes_of(cell, form, {.samples = 300, .features = 17, .units = 35});
  row.empty = shapes_of(cell, form, {.samples = 0});
  // An input bias left out is another form, not an error; the last one may be left out in every form.
  row.last_is_optional = form.hidden_bias;
  if (form.input_bias) row.error_prefix = std::string("-");
  return row;
}

/// Every form, each of `options` ways to call the cell, any sizes.
void add_forms(Table& t, const Cell& cell, const std::vector<const char*>& options) {
  const auto count = static_cast<int>(options.size());
  for (int option = 0; option < count; ++option) {
    const auto title = [&](const char* form) {
      return fmt::format("{}{}", options[static_cast<std::size_t>(option)], form);
    };
    t.push_back(cell_row(cell, title("").c_str(), {}, option));
    t.push_back(cell_row(cell, title(", both biases").c_str(), {.input_bias = true, .hidden_bias = true}, option));
    t.push_back(cell_row(cell, title(", hidden bias").c_str(), {.hidden_bias = true}, option));
    t.push_back(cell_row(cell, title(", x is the product").c_str(), {.input = false, .hidden_bias = true}, option));
  }
  t.push_back(cell_row(cell, "any form", {}, 0));
  t.back().vary = [cell, count](Draw& draw, OpCase& row) {
    const Form form{.input = draw.coin(), .input_bias = draw.coin(), .hidden_bias = draw.coin()};
    const Sizes sizes{.samples = draw.integer(0, 4), .features = draw.size(), .units = draw.size()};
    set_form(row, cell, form, sizes, static_cast<int>(draw.integer(0, count - 1)));
  };
}

Array expected_rnn(const Array& sums, const std::function<Array(const Array&)>& hidden, From in, int option) {
  const Array products = hidden(in[1]);
  return make(in[1].shape, [&](const Index& i) {
    const double sum = sums(i) + products(i);
    return option == 0 ? std::tanh(sum) : std::max(sum, 0.0);
  });
}

Array expected_lstm(const Array& sums, const std::function<Array(const Array&)>& hidden, From in, int option) {
  const Array products = hidden(in[1]);
  const std::int64_t units = in[1].shape[1];
  const auto gate = [&](const Index& i, std::int64_t number) {
    const Index at{i[0], number * units + i[1]};
    return sums(at) + products(at);
  };
  const Array c = make(in[1].shape, [&](const Index& i) {
    return sigmoid_of(gate(i, 1)) * in[2](i) + sigmoid_of(gate(i, 0)) * std::tanh(gate(i, 2));
  });
  const Array h = make(in[1].shape, [&](const Index& i) { return sigmoid_of(gate(i, 3)) * std::tanh(c(i)); });
  if (option == 1) return h;
  if (option == 2) return c;
  return make({in[1].shape[0], 2 * units}, [&](const Index& i) {
    return i[1] < units ? h(i) : c({i[0], i[1] - units});
  });
}

Array expected_gru(const Array& sums, const std::function<Array(const Array&)>& hidden, From in, int option) {
  const Array& h = in[1];
  const std::int64_t units = h.shape[1];
  const Array products = hidden(h);
  const auto gate = [&](const Index& i, std::int64_t number) {
    const Index at{i[0], number * units + i[1]};
    return sigmoid_of(sums(at) + products(at));
  };
  const Array of_reset = hidden(make(h.shape, [&](const Index& i) { return gate(i, 0) * h(i); }));
  return make(h.shape, [&](const Index& i) {
    const Index at{i[0], 2 * units + i[1]};
    const double n = std::tanh(sums(at) + (option == 0 ? gate(i, 0) * products(at) : of_reset(at)));
    return (1 - gate(i, 1)) * n + gate(i, 1) * h(i);
  });
}

}  // namespace

void add_cells(Table& t) {
  add_forms(t,
            {.name = "rnn_cell",
             .gates = 1,
             .apply =
                 [](In in, const CellWeights& weights, int option) {
                   return rnn_cell(in[0], in[1], weights, option == 0 ? RnnActivation::tanh : RnnActivation::relu);
                 },
             .expected = expected_rnn},
            {"tanh", "relu"});
  add_forms(t,
            {.name = "lstm_cell",
             .gates = 4,
             .states = 2,
             .apply =
                 [](In in, const CellWeights& weights, int option) {
                   const auto [h, c] = lstm_cell(in[0], {in[1], in[2]}, weights);
                   return option == 0 ? cat({h, c}, 1) : option == 1 ? h : c;
                 },
             .expected = expected_lstm},
            {"h and c", "h alone", "c alone"});
  add_forms(t,
            {.name = "gru_cell",
             .gates = 3,
             .apply = [](In in, const CellWeights& weights,
                         int option) { return gru_cell(in[0], in[1], weights, {.reset_after = option == 0}); },
             .expected = expected_gru},
            {"reset after", "reset before"});
}

// ---------------------------------------------------------------------------------------------------------------------
// Connectionist temporal classification. Inputs: log probabilities, target, lengths of inputs and of targets.

namespace {

using Labels = std::vector<std::int64_t>;

Labels target_of(From in, std::int64_t sample) {
  Labels labels;
  for (std::int64_t s = 0; s < static_cast<std::int64_t>(in[3]({sample})); ++s) {
    labels.push_back(static_cast<std::int64_t>(in[1]({sample, s})));
  }
  return labels;
}

/// What a path spells: repetitions joined, blanks left out.
Labels spelt_by(const Labels& path, std::int64_t blank) {
  Labels labels;
  for (std::size_t t = 0; t < path.size(); ++t) {
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) labels.push_back(path[t]);
  }
  return labels;
}

/// The sum of the probabilities of all paths that spell the sample's target, one after the other.
double probability_by_paths(From in, std::int64_t sample, std::int64_t blank) {
  const std::int64_t classes = in[0].shape[2];
  const Labels target = target_of(in, sample);
  Labels path(static_cast<std::size_t>(in[2]({sample})), 0);
  double total = 0;
  for (;;) {
    if (spelt_by(path, blank) == target) {
      double log_probability = 0;
      for (std::size_t t = 0; t < path.size(); ++t) {
        log_probability += in[0]({static_cast<std::int64_t>(t), sample, path[t]});
      }
      total += std::exp(log_probability);
    }
    std::size_t digit = 0;  // the next path, counting with K digits
    while (digit < path.size() && ++path[digit] == classes) path[digit++] = 0;
    if (digit == path.size()) return total;
  }
}

/// The same by the recursion of Graves et al. (2006), equations 6 and 7, with plain probabilities.
double probability_by_recursion(From in, std::int64_t sample, std::int64_t blank) {
  Labels states{blank};
  for (const std::int64_t label : target_of(in, sample)) states.insert(states.end(), {label, blank});
  Values alpha(states.size());
  alpha[0] = 1;
  for (std::int64_t t = 0; t < static_cast<std::int64_t>(in[2]({sample})); ++t) {
    for (std::size_t s = states.size(); s-- > 0;) {
      if (s > 0) alpha[s] += alpha[s - 1];
      if (s > 1 && states[s] != blank && states[s] != states[s - 2]) alpha[s] += alpha[s - 2];
      alpha[s] *= std::exp(in[0]({t, sample, states[s]}));
    }
  }
  return alpha.back() + (alpha.size() > 1 ? alpha[alpha.size() - 2] : 0);
}

template <class F>
Array ctc_of(From in, std::int64_t blank, F probability) {
  const std::int64_t samples = in[0].shape[1];
  double sum = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const double p = probability(in, n, blank);
    if (p > 0) sum -= std::log(p) / std::max(1.0, in[3]({n}));
  }
  return number(sum / static_cast<double>(samples));
}

Input integers(const Shape& shape, std::int64_t low, std::int64_t high) {
  return {.shape = shape,
          .kind = Input::Kind::index,
          .low = static_cast<double>(low),
          .high = static_cast<double>(high) + 1};
}

Tensor apply_ctc(In in) { return ctc_loss(in[0], in[1], in[2], in[3]); }

/// Any sizes, lengths and blank; some samples may be impossible to spell.
void any_alignment(Draw& draw, OpCase& row) {
  const std::int64_t classes = draw.integer(2, 4);
  const std::int64_t steps = draw.integer(0, 4);
  const std::int64_t samples = draw.integer(1, 3);
  const std::int64_t longest = draw.integer(0, 3);
  const std::int64_t blank = draw.coin() ? classes - 1 : 0;
  row.inputs = {real({steps, samples, classes}),
                integers({samples, longest}, blank == 0 ? 1 : 0, blank == 0 ? classes - 1 : classes - 2),
                integers({samples}, 0, steps), integers({samples}, 0, longest)};
  row.f = [blank](In in) { return ctc_loss(in[0], in[1], in[2], in[3], {.blank = blank, .zero_infinity = true}); };
  row.reference = [blank](From in) { return ctc_of(in, blank, probability_by_paths); };
}

}  // namespace

void add_ctc(Table& t) {
  t.push_back({.name = "ctc_loss",
               .inputs = {real({5, 4, 3}), integers({4, 3}, 1, 2), integers({4}, 5, 5), integers({4}, 0, 3)},
               .f = apply_ctc,
               .reference = [](From in) { return ctc_of(in, 0, probability_by_paths); },
               .vary = any_alignment});
  t.push_back({.name = "ctc_loss",
               .variant = "many steps",
               .inputs = {real({12, 3, 4}), integers({3, 5}, 1, 3), integers({3}, 9, 12), integers({3}, 0, 5)},
               .f = apply_ctc,
               .reference = [](From in) { return ctc_of(in, 0, probability_by_recursion); },
               .big = {{12, 200, 40}, {200, 5}, {200}, {200}}});
  t.push_back({.name = "ctc_loss",
               .variant = "impossible ones count 0",
               .inputs = {real({3, 5, 3}), integers({5, 3}, 1, 1), integers({5}, 0, 3), integers({5}, 1, 3)},
               .f = [](In in) { return ctc_loss(in[0], in[1], in[2], in[3], {.zero_infinity = true}); },
               .reference = [](From in) { return ctc_of(in, 0, probability_by_paths); }});
  t.push_back({.name = "ctc_loss",
               .variant = "empty targets, last label blank",
               .inputs = {real({3, 2, 4}), integers({2, 0}, 0, 0), integers({2}, 0, 3), integers({2}, 0, 0)},
               .f = [](In in) { return ctc_loss(in[0], in[1], in[2], in[3], {.blank = 3}); },
               .reference = [](From in) { return ctc_of(in, 3, probability_by_paths); },
               .empty = {{3, 1, 4}, {1, 0}, {1}, {1}}});
}

}  // namespace wengert::test
