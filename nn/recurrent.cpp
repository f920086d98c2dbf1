#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <wengert/nn/recurrent.h>

namespace wengert::nn {

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Which steps count.

/// Throws unless lengths is [N] with numbers from `least` to `steps`.
std::vector<std::int64_t> read_lengths(const Tensor& lengths, std::int64_t samples, std::int64_t least,
                                       std::int64_t steps) {
  check<DTypeError>(lengths.dtype() == int64, "lengths must be int64, got {}", lengths.dtype());
  check(lengths.shape() == Shape{samples}, "lengths has shape {}, expected one for each sample: [{}]", lengths.shape(),
        samples);
  const auto numbers = lengths.data<std::int64_t>();
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    check(numbers[n] >= least && numbers[n] <= steps, "lengths[{}] is {}, expected {} to {}", n, numbers[n], least,
          steps);
  }
  return {numbers.begin(), numbers.end()};
}

/// Which steps of which samples are there.
class Steps {
 public:
  enum class Present : std::uint8_t { all, some, none };

  Steps(std::int64_t steps, std::int64_t samples)
      : samples_(samples), present_(static_cast<std::size_t>(steps), Present::all) {}

  /// `there(n, t)` tells.
  template <class There>
  void leave_out(DType dtype, There there) {
    const auto steps = static_cast<std::int64_t>(present_.size());
    std::vector<double> flags;
    flags.reserve(static_cast<std::size_t>(steps * samples_));
    bool whole = true;
    for (std::int64_t t = 0; t < steps; ++t) {
      std::int64_t count = 0;
      for (std::int64_t n = 0; n < samples_; ++n) {
        const bool is_there = there(n, t);
        count += is_there ? 1 : 0;
        flags.push_back(is_there ? 1 : 0);
      }
      present_[static_cast<std::size_t>(t)] = count == samples_ ? Present::all
                                              : count == 0      ? Present::none
                                                                : Present::some;
      whole = whole && count == samples_;
    }
    if (!whole) mask_ = from_vector(flags, Shape{steps, samples_, 1}).to(dtype);
  }

  Present present(std::int64_t t) const { return present_[static_cast<std::size_t>(t)]; }
  /// [T, N, 1]; undefined if nothing is left out.
  const Tensor& mask() const { return mask_; }

 private:
  std::int64_t samples_;
  std::vector<Present> present_;
  Tensor mask_;
};

Steps find_steps(const Tensor& lengths, const Tensor& mask, std::int64_t steps, std::int64_t samples, DType dtype) {
  check<Error>(!lengths.defined() || !mask.defined(), "lengths and mask are both given; either says which steps count");
  Steps result(steps, samples);
  if (lengths.defined()) {
    const std::vector<std::int64_t> ends = read_lengths(lengths, samples, 0, steps);
    result.leave_out(dtype, [&](std::int64_t n, std::int64_t t) { return t < ends[static_cast<std::size_t>(n)]; });
  }
  if (mask.defined()) {
    check(mask.shape() == Shape{samples, steps}, "mask has shape {}, expected [N, T]: [{}, {}]", mask.shape(), samples,
          steps);
    dispatch(mask.dtype(), [&]<class T>() {
      const auto flags = mask.data<T>();
      result.leave_out(dtype, [&](std::int64_t n, std::int64_t t) {
        return flags[static_cast<std::size_t>(n * steps + t)] != T(0);
      });
    });
  }
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// One layer in one direction.

LstmState advance(const RNNCell& cell, const Tensor& x, const LstmState& state, const CellWeights& weights) {
  return {rnn_cell(x, state.h, weights, cell.activation()), {}};
}
LstmState advance(const LSTMCell& /*cell*/, const Tensor& x, const LstmState& state, const CellWeights& weights) {
  return lstm_cell(x, state, weights);
}
LstmState advance(const GRUCell& cell, const Tensor& x, const LstmState& state, const CellWeights& weights) {
  return {gru_cell(x, state.h, weights, {.reset_after = cell.reset_after()}), {}};
}

template <class Cell>
constexpr bool has_memory = std::is_same_v<Cell, LSTMCell>;

/// Whether the hidden bias is just another term of every gate's sum.
template <class Cell>
bool biases_add_up(const Cell& /*cell*/) {
  return true;
}
bool biases_add_up(const GRUCell& cell) { return !cell.reset_after(); }

/// x: [T, N, I] -> what each step's cell takes, [N, ..] each, with the weights to go with it. From a few features on
/// the products of all steps with the input weight are one product, which fills the machine better, and whose
/// gradients are one product each.
template <class Cell>
std::vector<Tensor> inputs_of_steps(const Cell& cell, const Tensor& x, CellWeights& weights) {
  constexpr std::int64_t few = 8;
  const std::int64_t samples = x.dim(1);
  const Tensor rows = reshape(x, {x.dim(0) * samples, x.dim(2)});
  if (x.dim(2) < few) return split(rows, samples);
  Tensor bias = std::move(weights.input_bias);
  if (biases_add_up(cell) && weights.hidden_bias.defined()) {
    bias = bias.defined() ? bias + weights.hidden_bias : weights.hidden_bias;
    weights.hidden_bias = Tensor();
  }
  const Tensor products = linear(rows, weights.input, bias);
  weights.input = Tensor();
  weights.input_bias = Tensor();
  return split(products, samples);
}

/// `state` becomes that after the last step. The result is h at each step, or nothing if `outputs` are not wanted.
template <class Cell>
std::vector<Tensor> unroll(const Cell& cell, const Tensor& x, const Steps& steps, bool reverse, bool outputs,
                           LstmState& state) {
  CellWeights weights = cell.weights();
  const std::vector<Tensor> inputs = inputs_of_steps(cell, x, weights);
  const std::int64_t count = x.dim(0);
  std::vector<Tensor> shown(outputs ? inputs.size() : 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t t = reverse ? count - 1 - i : i;
    const auto place = static_cast<std::size_t>(t);
    if (steps.present(t) == Steps::Present::none) {
      if (outputs) shown[place] = zeros(state.h.shape(), state.h.dtype());
      continue;
    }
    LstmState next = advance(cell, inputs[place], state, weights);
    if (steps.present(t) == Steps::Present::all) {
      state = std::move(next);
      if (outputs) shown[place] = state.h;
      continue;
    }
    const Tensor mask = steps.mask()[t];
    if (outputs) shown[place] = where(mask, next.h, 0.0);
    state.h = where(mask, next.h, state.h);
    if constexpr (has_memory<Cell>) state.c = where(mask, next.c, state.c);
  }
  return shown;
}

Tensor uniform_like_pytorch(const std::optional<Initializer>& given, const Shape& shape, std::int64_t hidden,
                            DType dtype) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  return given.value_or(init::uniform(-bound, bound))(shape, dtype);
}

std::string sizes(const detail::RecurrentCell& cell) {
  return fmt::format("{}, {}", cell.input_size(), cell.hidden_size());
}

std::string special(const RNNCell& cell) { return cell.activation() == RnnActivation::relu ? ", relu" : ""; }
std::string special(const LSTMCell& /*cell*/) { return ""; }
std::string special(const GRUCell& cell) { return cell.reset_after() ? "" : ", reset before"; }

std::string biases(const detail::RecurrentCell& cell) {
  if (!cell.input_bias.defined()) return ", no bias";
  return cell.hidden_bias.defined() ? "" : ", no hidden bias";
}

}  // namespace

Tensor sequence_mask(const Tensor& lengths, std::int64_t steps, DType dtype) {
  check<Error>(lengths.defined() && lengths.rank() == 1, "sequence_mask: lengths must be [N]");
  const std::vector<std::int64_t> ends = read_lengths(lengths, lengths.dim(0), 0, steps);
  std::vector<std::int64_t> flags;
  flags.reserve(ends.size() * static_cast<std::size_t>(std::max<std::int64_t>(steps, 0)));
  for (const std::int64_t end : ends) {
    for (std::int64_t t = 0; t < steps; ++t) flags.push_back(t < end ? 1 : 0);
  }
  return from_vector(flags, Shape{lengths.dim(0), steps}).to(dtype);
}

// ---------------------------------------------------------------------------------------------------------------------
// Cells.

namespace detail {

template <class Options>
RecurrentCell::RecurrentCell(const char* name, std::int64_t gates, std::int64_t in, std::int64_t hidden,
                             const Options& options) {
  check<Error>(in > 0 && hidden > 0, "{}: in and hidden must be at least 1, got {} and {}", name, in, hidden);
  const std::int64_t rows = gates * hidden;
  const auto draw = [&](const std::optional<Initializer>& initializer, const Shape& shape) {
    return Parameter(uniform_like_pytorch(initializer, shape, hidden, options.dtype));
  };
  input_weight = draw(options.init, {rows, in});
  hidden_weight = draw(options.hidden_init, {rows, hidden});
  if (options.bias) input_bias = draw(options.bias_init, {rows});
  if (options.bias && options.hidden_bias) hidden_bias = draw(options.bias_init, {rows});
}

void RecurrentCell::visit(Visitor& v) {
  v("input_weight", input_weight);
  v("hidden_weight", hidden_weight);
  v("input_bias", input_bias);
  v("hidden_bias", hidden_bias);
}

std::string RecurrentCell::options() const { return sizes(*this) + biases(*this); }

CellWeights RecurrentCell::weights() const {
  return {.input = input_weight, .hidden = hidden_weight, .input_bias = input_bias, .hidden_bias = hidden_bias};
}

void RecurrentCell::check_input(const Tensor& x) const {
  check<Error>(x.defined(), "x is undefined");
  check(x.rank() == 2 && x.dim(1) == input_size(), "x has shape {}, expected [N, {}]", x.shape(), input_size());
}

Tensor RecurrentCell::state_or_zeros(const Tensor& x, const Tensor& h) const {
  return h.defined() ? h : zeros({x.dim(0), hidden_size()}, hidden_weight->dtype());
}

}  // namespace detail

RNNCell::RNNCell(std::int64_t in, std::int64_t hidden, const RNNCellOptions& options)
    : RecurrentCell("RNNCell", 1, in, hidden, options), activation_(options.activation) {}

Tensor RNNCell::operator()(const Tensor& x, const Tensor& h) const {
  return hooked(x, [&](const Tensor& input) {
    check_input(input);
    return rnn_cell(input, state_or_zeros(input, h), weights(), activation_);
  });
}

Tensor RNNCell::forward(const Tensor& x) const {
  check_input(x);
  return rnn_cell(x, state_or_zeros(x, {}), weights(), activation_);
}

std::string RNNCell::options() const { return sizes(*this) + special(*this) + biases(*this); }

LSTMCell::LSTMCell(std::int64_t in, std::int64_t hidden, const LSTMCellOptions& options)
    : RecurrentCell("LSTMCell", 4, in, hidden, options) {
  if (!options.forget_bias) return;
  check<Error>(options.bias, "LSTMCell: forget_bias needs a bias");
  const auto set_forget_gate = [hidden](Parameter& bias, double value) {
    if (!bias.defined()) return;
    bias.set(cat({bias->slice(0, hidden), full({hidden}, value, bias->dtype()), bias->slice(2 * hidden, 4 * hidden)}));
  };
  set_forget_gate(input_bias, *options.forget_bias);
  set_forget_gate(hidden_bias, 0);
}

LstmState LSTMCell::operator()(const Tensor& x, const LstmState& state) const {
  return hooked(
      x,
      [&](const Tensor& input) {
        check_input(input);
        return lstm_cell(input, {state_or_zeros(input, state.h), state_or_zeros(input, state.c)}, weights());
      },
      &LstmState::h);
}

Tensor LSTMCell::forward(const Tensor& x) const {
  check_input(x);
  const Tensor nothing = state_or_zeros(x, {});
  return lstm_cell(x, {nothing, nothing}, weights()).h;
}

GRUCell::GRUCell(std::int64_t in, std::int64_t hidden, const GRUCellOptions& options)
    : RecurrentCell("GRUCell", 3, in, hidden, options), reset_after_(options.reset_after) {}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  return hooked(x, [&](const Tensor& input) {
    check_input(input);
    return gru_cell(input, state_or_zeros(input, h), weights(), {.reset_after = reset_after_});
  });
}

Tensor GRUCell::forward(const Tensor& x) const {
  check_input(x);
  return gru_cell(x, state_or_zeros(x, {}), weights(), {.reset_after = reset_after_});
}

std::string GRUCell::options() const { return sizes(*this) + special(*this) + biases(*this); }

// ---------------------------------------------------------------------------------------------------------------------
// Networks.

namespace detail {

template <class Cell>
Recurrent<Cell>::Recurrent(const char* name, std::int64_t in, std::int64_t hidden, const RecurrentLayout& layout,
                           const typename Cell::Options& options)
    : layout_(layout) {
  check<Error>(in > 0 && hidden > 0 && layout.layers > 0,
               "{}: in, hidden and layers must be at least 1, got {}, {} and {}", name, in, hidden, layout.layers);
  check<Error>(layout.dropout >= 0 && layout.dropout < 1, "{}: dropout must be at least 0 and below 1, got {}", name,
               layout.dropout);
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    const std::int64_t size = layer == 0 ? in : layout.bidirectional ? 2 * hidden : hidden;
    cells.emplace_back(size, hidden, options);
    if (layout.bidirectional) reverse_cells.emplace_back(size, hidden, options);
  }
}

template <class Cell>
void Recurrent<Cell>::visit(Visitor& v) {
  v("forward", cells);
  v("reverse", reverse_cells);
}

template <class Cell>
std::string Recurrent<Cell>::options() const {
  const Cell& cell = cells.front();
  std::string text = sizes(cell);
  if (layout_.layers > 1) text += fmt::format(", {} layers", layout_.layers);
  if (layout_.bidirectional) text += ", bidirectional";
  text += special(cell) + biases(cell);
  if (layout_.dropout > 0) text += fmt::format(", dropout {}", layout_.dropout);
  if (!layout_.batch_first) text += ", steps first";
  if (layout_.last_only) text += ", last only";
  return text;
}

template <class Cell>
Tensor Recurrent<Cell>::forward(const Tensor& x) const {
  return run(x, {}, {}, {}).output;
}

template <class Cell>
auto Recurrent<Cell>::run(const Tensor& x, const LstmState& state, const Tensor& lengths, const Tensor& mask) const
    -> Result {
  const std::int64_t in = cells.front().input_size();
  check<Error>(x.defined(), "x is undefined");
  check(x.rank() == 3 && x.dim(2) == in, "x has shape {}, expected [{}, {}]", x.shape(),
        layout_.batch_first ? "N, T" : "T, N", in);
  check(x.dim(0) > 0 && x.dim(1) > 0, "x has shape {}, expected at least one sample and one step", x.shape());
  const DType dtype = cells.front().hidden_weight->dtype();
  check<DTypeError>(x.dtype() == dtype, "x is {}, the weights are {}", x.dtype(), dtype);
  Tensor sequence = layout_.batch_first ? transpose(x, 0, 1) : x;
  const std::int64_t samples = sequence.dim(1);
  const Steps steps = find_steps(lengths, mask, sequence.dim(0), samples, dtype);
  // Cells run on steps that are left out for some: NaN there would reach the gradients of the weights.
  if (steps.mask().defined()) sequence = where(steps.mask(), sequence, 0.0);

  const std::int64_t directions = layout_.bidirectional ? 2 : 1;
  const std::int64_t hidden = cells.front().hidden_size();
  const Shape one{samples, hidden};
  const Shape all{layout_.layers * directions, samples, hidden};
  const Tensor nothing = zeros(one, dtype);
  for (const auto& [name, given] :
       {std::pair{has_memory<Cell> ? "state.h" : "state", &state.h}, {"state.c", &state.c}}) {
    check(!given->defined() || given->shape() == all, "{} has shape {}, expected [layers * directions, N, H]: {}", name,
          given->defined() ? given->shape() : Shape(), all);
  }
  const auto before = [&](const Tensor& given, std::int64_t place) { return given.defined() ? given[place] : nothing; };

  std::vector<Tensor> last_h;
  std::vector<Tensor> last_c;
  Tensor output;
  for (std::int64_t layer = 0; layer < layout_.layers; ++layer) {
    const bool on_top = layer + 1 == layout_.layers;
    std::vector<Tensor> sides;
    for (std::int64_t direction = 0; direction < directions; ++direction) {
      const Cell& cell = (direction == 0 ? cells : reverse_cells)[static_cast<std::size_t>(layer)];
      const std::int64_t place = layer * directions + direction;
      LstmState now{before(state.h, place), has_memory<Cell> ? before(state.c, place) : Tensor()};
      const std::vector<Tensor> shown =
          unroll(cell, sequence, steps, direction == 1, !(on_top && layout_.last_only), now);
      sides.push_back(shown.empty() ? now.h : stack(shown, on_top && layout_.batch_first ? 1 : 0));
      last_h.push_back(std::move(now.h));
      if constexpr (has_memory<Cell>) last_c.push_back(std::move(now.c));
    }
    Tensor joined = directions == 1 ? std::move(sides.front()) : cat(sides, -1);
    if (on_top)
      output = std::move(joined);
    else
      sequence = dropout(joined, layout_.dropout, is_training());
  }
  return {std::move(output), {stack(last_h), has_memory<Cell> ? stack(last_c) : Tensor()}};
}

template <class Cell>
RNNResult Recurrent<Cell>::call(const Tensor& x, const RNNArguments& arguments) const {
  return this->hooked(
      x,
      [&](const Tensor& input) {
        Result result = run(input, {arguments.state, {}}, arguments.lengths, arguments.mask);
        return RNNResult{std::move(result.output), std::move(result.state.h)};
      },
      &RNNResult::output);
}

template class Recurrent<RNNCell>;
template class Recurrent<LSTMCell>;
template class Recurrent<GRUCell>;

}  // namespace detail

namespace {

template <class Options>
detail::RecurrentLayout layout_of(const Options& options) {
  return {.layers = options.layers,
          .bidirectional = options.bidirectional,
          .batch_first = options.batch_first,
          .last_only = options.last_only,
          .dropout = options.dropout};
}

}  // namespace

RNN::RNN(std::int64_t in, std::int64_t hidden, const RNNOptions& options)
    : Recurrent("RNN", in, hidden, layout_of(options),
                {.activation = options.activation,
                 .bias = options.bias,
                 .hidden_bias = options.hidden_bias,
                 .init = options.init,
                 .hidden_init = options.hidden_init,
                 .bias_init = options.bias_init,
                 .dtype = options.dtype}) {}

RNNResult RNN::operator()(const Tensor& x, const RNNArguments& arguments) const { return call(x, arguments); }

LSTM::LSTM(std::int64_t in, std::int64_t hidden, const LSTMOptions& options)
    : Recurrent("LSTM", in, hidden, layout_of(options),
                {.bias = options.bias,
                 .hidden_bias = options.hidden_bias,
                 .forget_bias = options.forget_bias,
                 .init = options.init,
                 .hidden_init = options.hidden_init,
                 .bias_init = options.bias_init,
                 .dtype = options.dtype}) {}

LSTMResult LSTM::operator()(const Tensor& x, const LSTMArguments& arguments) const {
  return hooked(
      x,
      [&](const Tensor& input) {
        Result result = run(input, arguments.state, arguments.lengths, arguments.mask);
        return LSTMResult{std::move(result.output), std::move(result.state)};
      },
      &LSTMResult::output);
}

GRU::GRU(std::int64_t in, std::int64_t hidden, const GRUOptions& options)
    : Recurrent("GRU", in, hidden, layout_of(options),
                {.reset_after = options.reset_after,
                 .bias = options.bias,
                 .hidden_bias = options.hidden_bias,
                 .init = options.init,
                 .hidden_init = options.hidden_init,
                 .bias_init = options.bias_init,
                 .dtype = options.dtype}) {}

RNNResult GRU::operator()(const Tensor& x, const RNNArguments& arguments) const { return call(x, arguments); }

// ---------------------------------------------------------------------------------------------------------------------
// The last step.

Tensor LastStep::operator()(const Tensor& x, const Tensor& lengths) const {
  return hooked(x, [&](const Tensor& input) { return take(input, lengths); });
}

Tensor LastStep::forward(const Tensor& x) const { return take(x, {}); }

std::string LastStep::options() const {
  std::string text = options_.bidirectional ? "bidirectional" : "";
  if (!options_.batch_first) text += text.empty() ? "steps first" : ", steps first";
  return text;
}

Tensor LastStep::take(const Tensor& x, const Tensor& lengths) const {
  check<Error>(x.defined(), "x is undefined");
  check(x.rank() == 3, "x has shape {}, expected [{}, F]", x.shape(), options_.batch_first ? "N, T" : "T, N");
  const int step_axis = options_.batch_first ? 1 : 0;
  const std::int64_t samples = x.dim(1 - step_axis);
  const std::int64_t steps = x.dim(step_axis);
  const std::int64_t features = x.dim(2);
  check(steps > 0, "x has shape {}, expected at least one step", x.shape());
  check(!options_.bidirectional || features % 2 == 0, "x has {} features, expected as many of either direction",
        features);

  Tensor last;
  if (lengths.defined()) {
    read_lengths(lengths, samples, 1, steps);
    const Tensor places = reshape(lengths - 1, options_.batch_first ? Shape{samples, 1, 1} : Shape{1, samples, 1});
    last = squeeze(take_along_dim(x, step_axis, places), {step_axis});
  } else {
    last = select(x, step_axis, -1);
  }
  if (!options_.bidirectional) return last;
  const Tensor first = select(x, step_axis, 0);
  return cat({slice(last, 1, 0, features / 2), slice(first, 1, features / 2, features)}, 1);
}

}  // namespace wengert::nn
