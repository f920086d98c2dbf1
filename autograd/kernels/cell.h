#pragma once

#include <wengert/autograd/tensor.h>

/// \file
/// The element-wise part of recurrent cells, one pass over memory each: what follows the products that give the gates,
/// and what precedes the products that take their gradients. States are [N, H]; gates are [N, G H], a sample's gates
/// one after the other: i, f, g, o of a long short-term memory, r, z, n of a gated recurrent unit.

namespace wengert::kernels {

/// The gates' sums begin at y: [rows, columns] = x + bias, or bias + x: [rows, 1] weight: [1, columns].
template <class T>
void add_to_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* bias, T* y);
template <class T>
void add_multiples(std::int64_t rows, std::int64_t columns, const T* x, const T* weight, const T* bias, T* y);

/// tanh(x), or max(x, 0), in place.
void rnn_tanh(const Tensor& x);
void rnn_relu(const Tensor& x);

/// The next state. The gates are activated in place.
void lstm_forward(const Tensor& gates, const Tensor& c, const Tensor& next_h, const Tensor& next_c);

/// Gradients of the gates before their activation and of c, from the activated gates. An undefined gradient of a next
/// state is zero.
void lstm_backward(const Tensor& gates, const Tensor& c, const Tensor& next_c, const Tensor& g_next_h,
                   const Tensor& g_next_c, const Tensor& g_gates, const Tensor& g_c);

/// The next h, with n = tanh(.. + r m). The gates are activated in place.
void gru_forward(const Tensor& gates, const Tensor& m, const Tensor& h, const Tensor& next_h);

/// Gradients of the gates before their activation as x's product contributes to them, and as h's product does, which
/// differ in n; and what reaches h past its product.
void gru_backward(const Tensor& gates, const Tensor& m, const Tensor& h, const Tensor& g_next_h,
                  const Tensor& g_by_input, const Tensor& g_by_hidden, const Tensor& g_h);

/// Where the reset gate acts before the product, there are two passes. The first one activates r and z, and gives r h,
/// of which the caller adds the product to n; then n is activated, and gives the next h.
void gru_reset(const Tensor& gates, const Tensor& h, const Tensor& reset_h);
void gru_update(const Tensor& gates, const Tensor& h, const Tensor& next_h);

/// Backward the first one gives the gradients of z and n, and what reaches h past the products. From the caller's
/// gradient of r h comes that of r, and what r h adds to h's.
void gru_update_backward(const Tensor& gates, const Tensor& h, const Tensor& g_next_h, const Tensor& g_gates,
                         const Tensor& g_h);
void gru_reset_backward(const Tensor& gates, const Tensor& h, const Tensor& g_reset_h, const Tensor& g_gates,
                        const Tensor& g_h);

}  // namespace wengert::kernels
