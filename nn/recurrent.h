#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/ops.h>
#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

/// \file
/// Recurrent cells, which do one step, and the networks RNN, LSTM and GRU, which do all steps of a sequence:
/// \code
///   const nn::LSTM lstm(8, 64, {.layers = 2, .bidirectional = true});
///   auto [output, state] = lstm(x, {.lengths = lengths});                           // x: [N, T, 8]
///   const nn::Sequential forecast{nn::RNN(1, 64, {.last_only = true}), nn::Dense(64, 1)};  // [N, T, 1] -> [N, 1]
/// \endcode
/// N is the number of samples, T of steps, I of features that go in, H of units, L of layers, D of directions (2 if
/// bidirectional). Sequences are batch first, [N, T, ...], unless the option says [T, N, ...].

namespace wengert::nn {

/// [N, steps]: 1 at steps before lengths[n], else 0. lengths: [N], int64. Throws ShapeError naming a length that is not
/// in 0 ... steps.
Tensor sequence_mask(const Tensor& lengths, std::int64_t steps, DType dtype = float32);

// ---------------------------------------------------------------------------------------------------------------------
// Cells.

struct RNNCellOptions {
  RnnActivation activation = RnnActivation::tanh;
  bool bias = true;
  bool hidden_bias = true;                      ///< a bias of h's product too, as in PyTorch; Keras has the one
  std::optional<Initializer> init = {};         ///< of the input weight; uniform in +-1 / sqrt(H) if not given
  std::optional<Initializer> hidden_init = {};  ///< of the hidden weight, likewise
  std::optional<Initializer> bias_init = {};    ///< of both biases, likewise
  DType dtype = float32;
};

struct LSTMCellOptions {
  bool bias = true;
  bool hidden_bias = true;                      ///< a bias of h's product too, as in PyTorch; Keras has the one
  std::optional<double> forget_bias = {};       ///< what the forget gate's biases add up to: 1 in Keras
  std::optional<Initializer> init = {};         ///< of the input weight; uniform in +-1 / sqrt(H) if not given
  std::optional<Initializer> hidden_init = {};  ///< of the hidden weight, likewise
  std::optional<Initializer> bias_init = {};    ///< of both biases, likewise
  DType dtype = float32;
};

struct GRUCellOptions {
  bool reset_after = true;  ///< see wengert::GruOptions
  bool bias = true;
  bool hidden_bias = true;                      ///< a bias of h's product too, as in PyTorch and Keras
  std::optional<Initializer> init = {};         ///< of the input weight; uniform in +-1 / sqrt(H) if not given
  std::optional<Initializer> hidden_init = {};  ///< of the hidden weight, likewise
  std::optional<Initializer> bias_init = {};    ///< of both biases, likewise
  DType dtype = float32;
};

namespace detail {

/// What cells with G gates have in common: their weights. Initializers see those of all gates as one matrix.
class RecurrentCell : public Module {
 public:
  void visit(Visitor& v) override;
  std::string options() const override;
  std::int64_t input_size() const { return input_weight->dim(1); }
  std::int64_t hidden_size() const { return hidden_weight->dim(1); }
  /// As the ops take them.
  CellWeights weights() const;

  Parameter input_weight;   ///< [G H, I]
  Parameter hidden_weight;  ///< [G H, H]
  Parameter input_bias;     ///< [G H]; undefined if there is none
  Parameter hidden_bias;    ///< [G H]; undefined if there is none

 protected:
  template <class Options>
  RecurrentCell(const char* name, std::int64_t gates, std::int64_t in, std::int64_t hidden, const Options& options);

  /// Throws ShapeError unless x is [N, I].
  void check_input(const Tensor& x) const;
  /// h, or zeros for the samples of x.
  Tensor state_or_zeros(const Tensor& x, const Tensor& h) const;
};

}  // namespace detail

/// One step of an Elman network, as rnn_cell.
class RNNCell : public detail::RecurrentCell {
 public:
  using Options = RNNCellOptions;
  /// Throws Error unless both sizes are at least 1.
  RNNCell(std::int64_t in, std::int64_t hidden, const RNNCellOptions& options = {});

  /// x: [N, I], h: [N, H], the state before; zeros if undefined. The result is the state after, [N, H].
  Tensor operator()(const Tensor& x, const Tensor& h) const;
  using Module::operator();
  /// From a state of zeros.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;
  RnnActivation activation() const noexcept { return activation_; }

 private:
  RnnActivation activation_;
};

/// One step of a long short-term memory, as lstm_cell: gates i, f, g, o.
class LSTMCell : public detail::RecurrentCell {
 public:
  using Options = LSTMCellOptions;
  /// Throws Error unless both sizes are at least 1.
  LSTMCell(std::int64_t in, std::int64_t hidden, const LSTMCellOptions& options = {});

  /// x: [N, I], state: [N, H] each, zeros where undefined. The result is the state after; its h is what the cell shows.
  LstmState operator()(const Tensor& x, const LstmState& state) const;
  using Module::operator();
  /// h, from a state of zeros.
  Tensor forward(const Tensor& x) const override;
};

/// One step of a gated recurrent unit, as gru_cell: gates r, z, n.
class GRUCell : public detail::RecurrentCell {
 public:
  using Options = GRUCellOptions;
  /// Throws Error unless both sizes are at least 1.
  GRUCell(std::int64_t in, std::int64_t hidden, const GRUCellOptions& options = {});

  /// x: [N, I], h: [N, H], the state before; zeros if undefined. The result is the state after, [N, H].
  Tensor operator()(const Tensor& x, const Tensor& h) const;
  using Module::operator();
  /// From a state of zeros.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;
  bool reset_after() const noexcept { return reset_after_; }

 private:
  bool reset_after_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Networks.

struct RNNOptions {
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool batch_first = true;  ///< sequences are [N, T, ...], in and out; else [T, N, ...]. (PyTorch's default is false.)
  bool last_only = false;   ///< see RNN
  double dropout = 0;       ///< of what goes from one layer to the next, in training mode
  RnnActivation activation = RnnActivation::tanh;
  bool bias = true;
  bool hidden_bias = true;  ///< these as in RNNCellOptions
  std::optional<Initializer> init = {};
  std::optional<Initializer> hidden_init = {};
  std::optional<Initializer> bias_init = {};
  DType dtype = float32;
};

struct LSTMOptions {
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool batch_first = true;  ///< sequences are [N, T, ...], in and out; else [T, N, ...]. (PyTorch's default is false.)
  bool last_only = false;   ///< see RNN
  double dropout = 0;       ///< of what goes from one layer to the next, in training mode
  bool bias = true;
  bool hidden_bias = true;  ///< these as in LSTMCellOptions
  std::optional<double> forget_bias = {};
  std::optional<Initializer> init = {};
  std::optional<Initializer> hidden_init = {};
  std::optional<Initializer> bias_init = {};
  DType dtype = float32;
};

struct GRUOptions {
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool batch_first = true;  ///< sequences are [N, T, ...], in and out; else [T, N, ...]. (PyTorch's default is false.)
  bool last_only = false;   ///< see RNN
  double dropout = 0;       ///< of what goes from one layer to the next, in training mode
  bool reset_after = true;
  bool bias = true;
  bool hidden_bias = true;  ///< these as in GRUCellOptions
  std::optional<Initializer> init = {};
  std::optional<Initializer> hidden_init = {};
  std::optional<Initializer> bias_init = {};
  DType dtype = float32;
};

/// What a call of RNN or GRU takes beside the sequences. Steps that are left out, by `lengths` or by `mask` (not both),
/// keep the state and give zeros; what x has there, NaN included, touches neither results nor gradients. So the reverse
/// direction of a bidirectional network starts at each sequence's own end.
struct RNNArguments {
  Tensor state = {};    ///< [L D, N, H], the state before the first step: layer 0, its reverse, layer 1, ...; or zeros
  Tensor lengths = {};  ///< [N], int64: how many steps each sequence has, from the first on
  Tensor mask = {};     ///< [N, T] whatever the layout of x, of any dtype: steps where it is 0 are left out
};

/// Same for LSTM.
struct LSTMArguments {
  LstmState state = {};
  Tensor lengths = {};
  Tensor mask = {};
};

struct RNNResult {
  Tensor output;  ///< the last layer's h at every step: [N, T, D H], forward first, then reverse; see RNN
  Tensor state;   ///< [L D, N, H], after the last step of each direction
};

struct LSTMResult {
  Tensor output;    ///< as in RNNResult
  LstmState state;  ///< [L D, N, H] each
};

namespace detail {

/// How the cells of a recurrent network are put together.
struct RecurrentLayout {
  std::int64_t layers;
  bool bidirectional;
  bool batch_first;
  bool last_only;
  double dropout;
};

/// What RNN, LSTM and GRU have in common.
template <class Cell>
class Recurrent : public Module {
 public:
  Recurrent(const Recurrent&) = default;
  Recurrent(Recurrent&&) = default;
  Recurrent& operator=(const Recurrent&) = default;
  /// Gives numbers to the parameters there are, as assigning a copy does, which may throw.
  Recurrent& operator=(Recurrent&& other) {  // NOLINT(performance-noexcept-move-constructor)
    return *this = std::as_const(other);
  }
  ~Recurrent() override = default;

  /// The output for a state of zeros and whole sequences.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  std::vector<Cell> cells;          ///< of the layers; named forward.0, forward.1, ...
  std::vector<Cell> reverse_cells;  ///< of the reverse direction; named reverse.0, ...

 protected:
  /// An LSTM's state, or any other's, which has no c.
  struct Result {
    Tensor output;
    LstmState state;
  };

  Recurrent(const char* name, std::int64_t in, std::int64_t hidden, const RecurrentLayout& layout,
            const typename Cell::Options& options);

  Result run(const Tensor& x, const LstmState& state, const Tensor& lengths, const Tensor& mask) const;
  /// A call of a network whose cells have no c.
  RNNResult call(const Tensor& x, const RNNArguments& arguments) const;

 private:
  RecurrentLayout layout_;
};

extern template class Recurrent<RNNCell>;
extern template class Recurrent<LSTMCell>;
extern template class Recurrent<GRUCell>;

}  // namespace detail

/// Elman's network: layers of RNNCell, each reading the sequence of the one below. x: [N, T, I]; called as `rnn(x)`, in
/// a Sequential for example, it gives RNNResult's output. With the option `last_only` that is [N, D H] instead, the
/// last output of each direction alone: that of each sequence's last step, and the reverse direction's of the first
/// step, where it ends. Hooks see x and the output.
///
/// As Keras's SimpleRNN starts: `{.hidden_bias = false, .init = init::xavier_uniform(), .hidden_init =
/// init::orthogonal(), .bias_init = init::zeros()}`.
class RNN : public detail::Recurrent<RNNCell> {
 public:
  /// Throws Error unless all sizes are at least 1 and dropout is in [0, 1).
  RNN(std::int64_t in, std::int64_t hidden, const RNNOptions& options = {});

  /// Throws ShapeError or DTypeError unless x is [N, T, I] with at least one sample and step, and the arguments are as
  /// described.
  RNNResult operator()(const Tensor& x, const RNNArguments& arguments) const;
  using Module::operator();
};

/// Long short-term memory: layers of LSTMCell; otherwise as RNN.
class LSTM : public detail::Recurrent<LSTMCell> {
 public:
  LSTM(std::int64_t in, std::int64_t hidden, const LSTMOptions& options = {});
  LSTMResult operator()(const Tensor& x, const LSTMArguments& arguments) const;
  using Module::operator();
};

/// Gated recurrent units: layers of GRUCell; otherwise as RNN.
class GRU : public detail::Recurrent<GRUCell> {
 public:
  GRU(std::int64_t in, std::int64_t hidden, const GRUOptions& options = {});
  RNNResult operator()(const Tensor& x, const RNNArguments& arguments) const;
  using Module::operator();
};

struct LastStepOptions {
  bool batch_first = true;     ///< x is [N, T, F]; else [T, N, F]
  bool bidirectional = false;  ///< the second half of the features comes from a reverse direction, which ends at step 0
};

/// The last step of each sequence: [N, T, F] -> [N, F].
class LastStep : public Module {
 public:
  explicit LastStep(const LastStepOptions& options = {}) : options_(options) {}

  /// lengths: [N], int64, each from 1 to T. Throws ShapeError naming one that is not.
  Tensor operator()(const Tensor& x, const Tensor& lengths) const;
  using Module::operator();
  /// Of sequences that all have T steps.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Tensor take(const Tensor& x, const Tensor& lengths) const;

  LastStepOptions options_;
};

}  // namespace wengert::nn
