#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include <wengert/autograd/elementwise.h>
#include <wengert/optim/optimizer.h>

namespace wengert::optim {

namespace detail {

/// Elements handled by one chunk. Threads share what does not stay in one's own cache: else the next step would have to
/// get half of the weights from another's.
constexpr std::int64_t update_chunk(std::int64_t n) {
  constexpr std::int64_t shared_from = 1 << 19;
  return n < shared_from ? std::max<std::int64_t>(n, 1) : wengert::detail::elementwise_grain;
}

/// Elements begin to end - 1. All is taken by value: a packet that is stored might, for all that the compiler knows,
/// change what lies behind a reference, and it would be read again for each packet.
template <class T, class F, std::size_t N, std::size_t... I>
void fused_update_range(F formula, const T* weight, T* next_weight, const T* gradient,
                        [[maybe_unused]] std::array<const T*, N> state, [[maybe_unused]] std::array<T*, N> next_state,
                        std::int64_t begin, std::int64_t end, std::index_sequence<I...> /*states*/) {
  using Pack = simd::Pack<T>;
  std::int64_t i = begin;
  for (; i + Pack::size <= end; i += Pack::size) {
    Pack w = Pack::load(weight + i);
    std::array<Pack, N> s{Pack::load(state[I] + i)...};
    formula(w, Pack::load(gradient + i), s[I]...);
    w.store(next_weight + i);
    (s[I].store(next_state[I] + i), ...);
  }
  if (const std::int64_t rest = end - i; rest > 0) {
    Pack w = Pack::load_partial(weight + i, rest);
    std::array<Pack, N> s{Pack::load_partial(state[I] + i, rest)...};
    formula(w, Pack::load_partial(gradient + i, rest), s[I]...);
    w.store_partial(next_weight + i, rest);
    (s[I].store_partial(next_state[I] + i, rest), ...);
  }
}

}  // namespace detail

/// Updates a parameter and the N tensors of its state in one pass over memory. `formula(w, g, s...)` is a generic
/// lambda over SIMD packets that takes the weight and the state by reference and changes them. In place, but for
/// tensors that somebody else still holds: those get elements of their own.
/// \code
///   fused_update<1>(u, [=](auto& w, auto g, auto& v) {
///     v = momentum * v + g;
///     w -= learning_rate * v;
///   });
/// \endcode
template <std::size_t N, class F>
void fused_update(const PerParameterOptimizer::Update& u, const F& formula) {
  using wengert::detail::Access;
  const Tensor& weight = u.parameter.value();
  const Tensor next_weight = wengert::detail::writable(weight);
  [&]<std::size_t... I>(std::index_sequence<I...> indices) {
    const std::array<Tensor, N> next_state{wengert::detail::writable(u.state[I])...};
    dispatch_floating(weight.dtype(), [&]<class T>() {
      const std::array<const T*, N> from{Access::data<T>(u.state[I])...};
      const std::array<T*, N> to{Access::mutable_data<T>(next_state[I])...};
      parallel_for(weight.numel(), detail::update_chunk(weight.numel()), [&](std::int64_t begin, std::int64_t end) {
        detail::fused_update_range(formula, Access::data<T>(weight), Access::mutable_data<T>(next_weight),
                                   Access::data<T>(u.gradient), from, to, begin, end, indices);
      });
    });
    ((u.state[I] = next_state[I]), ...);
  }(std::make_index_sequence<N>());
  wengert::detail::rebind(u.parameter, next_weight);
}

}  // namespace wengert::optim
