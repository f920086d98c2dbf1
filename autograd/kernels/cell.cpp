#include "autograd/kernels/cell.h"

#include <algorithm>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/softmax.h"

namespace wengert::kernels {

namespace {

using detail::Access;
using simd::Pack;

/// Units handled by one chunk of a parallel loop; each takes some ten numbers in memory and a few exponentials.
constexpr std::int64_t units_per_chunk = 1 << 12;

/// Packets of the gates of one sample, gate by gate.
template <class T, class Lanes>
struct GatesAt {
  T* first;
  std::int64_t units;
  Lanes lanes;

  WENGERT_SIMD_INLINE Pack<std::remove_const_t<T>> load(std::int64_t gate) const {
    return lanes.load(first + gate * units, 0);
  }
  WENGERT_SIMD_INLINE void store(std::int64_t gate, Pack<std::remove_const_t<T>> v) const {
    lanes.store(v, first + gate * units);
  }
};

/// Where a packet of units lies: in states, and in gates.
template <class Lanes>
struct Units {
  std::int64_t in_state;
  std::int64_t sample;
  std::int64_t first;
  std::int64_t units;
  Lanes lanes;

  template <class T>
  WENGERT_SIMD_INLINE Pack<T> load(const T* state) const {
    return lanes.load(state + in_state, 0);
  }
  template <class T>
  WENGERT_SIMD_INLINE void store(T* state, Pack<T> v) const {
    lanes.store(v, state + in_state);
  }
  template <int count, class T>
  WENGERT_SIMD_INLINE GatesAt<T, Lanes> gates(T* of_all) const {
    return {of_all + sample * count * units + first, units, lanes};
  }
};

/// Calls `f(at)` for packets of units of each sample of a batch of states shaped like `state`.
template <class T, class F>
void for_units(const Tensor& state, F f) {
  const std::int64_t units = state.dim(1);
  const std::int64_t grain = std::max<std::int64_t>(1, units_per_chunk / std::max<std::int64_t>(1, units));
  parallel_for(state.dim(0), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t sample = begin; sample < end; ++sample) {
      for_each_pack<T>(units, [&](auto lanes, std::int64_t first) {
        f(Units<decltype(lanes)>{sample * units + first, sample, first, units, lanes});
      });
    }
  });
}

/// `f(row, column, lanes)` for packets of columns of each of some rows.
template <class T, class F>
void for_rows(std::int64_t rows, std::int64_t columns, F f) {
  const std::int64_t grain = std::max<std::int64_t>(1, units_per_chunk / std::max<std::int64_t>(1, columns));
  parallel_for(rows, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for_each_pack<T>(columns, [&](auto lanes, std::int64_t column) { f(row, column, lanes); });
    }
  });
}

/// x = f(x), in place.
template <class F>
void activate(const Tensor& x, F f) {
  dispatch_floating(x.dtype(), [&]<class T>() {
    T* values = Access::mutable_data<T>(x);
    parallel_for(x.numel(), units_per_chunk, [=](std::int64_t begin, std::int64_t end) {
      for_each_pack<T>(end - begin, [&](auto lanes, std::int64_t i) {
        lanes.store(f(lanes.load(values + begin + i, 0)), values + begin + i);
      });
    });
  });
}

}  // namespace

template <class T>
void add_to_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* bias, T* y) {
  for_rows<T>(rows, columns, [=](std::int64_t row, std::int64_t column, auto lanes) {
    lanes.store(lanes.load(x + row * columns + column, 0) + lanes.load(bias + column, 0), y + row * columns + column);
  });
}

template <class T>
void add_multiples(std::int64_t rows, std::int64_t columns, const T* x, const T* weight, const T* bias, T* y) {
  for_rows<T>(rows, columns, [=](std::int64_t row, std::int64_t column, auto lanes) {
    lanes.store(fma(Pack<T>(x[row]), lanes.load(weight + column, 0), lanes.load(bias + column, 0)),
                y + row * columns + column);
  });
}

void rnn_tanh(const Tensor& x) {
  activate(x, [](auto v) { return tanh(v); });
}

void rnn_relu(const Tensor& x) {
  activate(x, [](auto v) { return where(v <= 0, 0, v); });  // lets NaN through
}

void lstm_forward(const Tensor& gates, const Tensor& c, const Tensor& next_h, const Tensor& next_c) {
  dispatch_floating(c.dtype(), [&]<class T>() {
    T* all_gates = Access::mutable_data<T>(gates);
    const T* before = Access::data<T>(c);
    T* shown = Access::mutable_data<T>(next_h);
    T* after = Access::mutable_data<T>(next_c);
    for_units<T>(c, [=](auto at) {
      const auto gate = at.template gates<4>(all_gates);
      const Pack<T> i = sigmoid(gate.load(0));
      const Pack<T> f = sigmoid(gate.load(1));
      const Pack<T> g = tanh(gate.load(2));
      const Pack<T> o = sigmoid(gate.load(3));
      const Pack<T> memory = f * at.load(before) + i * g;
      gate.store(0, i);
      gate.store(1, f);
      gate.store(2, g);
      gate.store(3, o);
      at.store(after, memory);
      at.store(shown, o * tanh(memory));
    });
  });
}

void lstm_backward(const Tensor& gates, const Tensor& c, const Tensor& next_c, const Tensor& g_next_h,
                   const Tensor& g_next_c, const Tensor& g_gates, const Tensor& g_c) {
  dispatch_floating(c.dtype(), [&]<class T>() {
    const T* all_gates = Access::data<T>(gates);
    const T* before = Access::data<T>(c);
    const T* after = Access::data<T>(next_c);
    const T* g_shown = g_next_h.defined() ? Access::data<T>(g_next_h) : nullptr;
    const T* g_after = g_next_c.defined() ? Access::data<T>(g_next_c) : nullptr;
    T* all_g_gates = Access::mutable_data<T>(g_gates);
    T* g_before = Access::mutable_data<T>(g_c);
    for_units<T>(c, [=](auto at) {
      const auto gate = at.template gates<4>(all_gates);
      const auto g_gate = at.template gates<4>(all_g_gates);
      const Pack<T> i = gate.load(0);
      const Pack<T> f = gate.load(1);
      const Pack<T> g = gate.load(2);
      const Pack<T> o = gate.load(3);
      const Pack<T> squashed = tanh(at.load(after));
      const Pack<T> g_h = g_shown ? at.load(g_shown) : Pack<T>(0);
      Pack<T> g_memory = g_h * o * (1 - squashed * squashed);
      if (g_after) g_memory += at.load(g_after);
      g_gate.store(0, g_memory * g * i * (1 - i));
      g_gate.store(1, g_memory * at.load(before) * f * (1 - f));
      g_gate.store(2, g_memory * i * (1 - g * g));
      g_gate.store(3, g_h * squashed * o * (1 - o));
      at.store(g_before, g_memory * f);
    });
  });
}

void gru_forward(const Tensor& gates, const Tensor& m, const Tensor& h, const Tensor& next_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    T* all_gates = Access::mutable_data<T>(gates);
    const T* products = Access::data<T>(m);
    const T* before = Access::data<T>(h);
    T* after = Access::mutable_data<T>(next_h);
    for_units<T>(h, [=](auto at) {
      const auto gate = at.template gates<3>(all_gates);
      const Pack<T> r = sigmoid(gate.load(0));
      const Pack<T> z = sigmoid(gate.load(1));
      const Pack<T> n = tanh(gate.load(2) + r * at.load(products));
      gate.store(0, r);
      gate.store(1, z);
      gate.store(2, n);
      at.store(after, (1 - z) * n + z * at.load(before));
    });
  });
}

void gru_backward(const Tensor& gates, const Tensor& m, const Tensor& h, const Tensor& g_next_h,
                  const Tensor& g_by_input, const Tensor& g_by_hidden, const Tensor& g_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    const T* all_gates = Access::data<T>(gates);
    const T* products = Access::data<T>(m);
    const T* before = Access::data<T>(h);
    const T* g_after = Access::data<T>(g_next_h);
    T* all_by_input = Access::mutable_data<T>(g_by_input);
    T* all_by_hidden = Access::mutable_data<T>(g_by_hidden);
    T* g_before = Access::mutable_data<T>(g_h);
    for_units<T>(h, [=](auto at) {
      const auto gate = at.template gates<3>(all_gates);
      const auto by_input = at.template gates<3>(all_by_input);
      const auto by_hidden = at.template gates<3>(all_by_hidden);
      const Pack<T> r = gate.load(0);
      const Pack<T> z = gate.load(1);
      const Pack<T> n = gate.load(2);
      const Pack<T> g = at.load(g_after);
      const Pack<T> g_n = g * (1 - z) * (1 - n * n);
      const Pack<T> g_r = g_n * at.load(products) * r * (1 - r);
      const Pack<T> g_z = g * (at.load(before) - n) * z * (1 - z);
      by_input.store(0, g_r);
      by_input.store(1, g_z);
      by_input.store(2, g_n);
      by_hidden.store(0, g_r);
      by_hidden.store(1, g_z);
      by_hidden.store(2, g_n * r);
      at.store(g_before, g * z);
    });
  });
}

void gru_reset(const Tensor& gates, const Tensor& h, const Tensor& reset_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    T* all_gates = Access::mutable_data<T>(gates);
    const T* before = Access::data<T>(h);
    T* reset = Access::mutable_data<T>(reset_h);
    for_units<T>(h, [=](auto at) {
      const auto gate = at.template gates<3>(all_gates);
      const Pack<T> r = sigmoid(gate.load(0));
      gate.store(0, r);
      gate.store(1, sigmoid(gate.load(1)));
      at.store(reset, r * at.load(before));
    });
  });
}

void gru_update(const Tensor& gates, const Tensor& h, const Tensor& next_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    T* all_gates = Access::mutable_data<T>(gates);
    const T* before = Access::data<T>(h);
    T* after = Access::mutable_data<T>(next_h);
    for_units<T>(h, [=](auto at) {
      const auto gate = at.template gates<3>(all_gates);
      const Pack<T> z = gate.load(1);
      const Pack<T> n = tanh(gate.load(2));
      gate.store(2, n);
      at.store(after, (1 - z) * n + z * at.load(before));
    });
  });
}

void gru_update_backward(const Tensor& gates, const Tensor& h, const Tensor& g_next_h, const Tensor& g_gates,
                         const Tensor& g_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    const T* all_gates = Access::data<T>(gates);
    const T* before = Access::data<T>(h);
    const T* g_after = Access::data<T>(g_next_h);
    T* all_g_gates = Access::mutable_data<T>(g_gates);
    T* g_before = Access::mutable_data<T>(g_h);
    for_units<T>(h, [=](auto at) {
      const auto gate = at.template gates<3>(all_gates);
      const auto g_gate = at.template gates<3>(all_g_gates);
      const Pack<T> z = gate.load(1);
      const Pack<T> n = gate.load(2);
      const Pack<T> g = at.load(g_after);
      g_gate.store(1, g * (at.load(before) - n) * z * (1 - z));
      g_gate.store(2, g * (1 - z) * (1 - n * n));
      at.store(g_before, g * z);
    });
  });
}

void gru_reset_backward(const Tensor& gates, const Tensor& h, const Tensor& g_reset_h, const Tensor& g_gates,
                        const Tensor& g_h) {
  dispatch_floating(h.dtype(), [&]<class T>() {
    const T* all_gates = Access::data<T>(gates);
    const T* before = Access::data<T>(h);
    const T* g_reset = Access::data<T>(g_reset_h);
    T* all_g_gates = Access::mutable_data<T>(g_gates);
    T* g_before = Access::mutable_data<T>(g_h);
    for_units<T>(h, [=](auto at) {
      const Pack<T> r = at.template gates<3>(all_gates).load(0);
      const Pack<T> g = at.load(g_reset);
      at.template gates<3>(all_g_gates).store(0, g * at.load(before) * r * (1 - r));
      at.store(g_before, at.load(g_before) + g * r);
    });
  });
}

template void add_to_rows(std::int64_t, std::int64_t, const float*, const float*, float*);
template void add_to_rows(std::int64_t, std::int64_t, const double*, const double*, double*);
template void add_multiples(std::int64_t, std::int64_t, const float*, const float*, const float*, float*);
template void add_multiples(std::int64_t, std::int64_t, const double*, const double*, const double*, double*);

}  // namespace wengert::kernels
