#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>
#include <wengert/autograd/simd_math.h>
#include <wengert/autograd/tape.h>

/// \file
/// Element-wise ops from one formula each for the value and for the gradients. A formula is a generic lambda. It runs
/// over SIMD packets as one fused pass over memory; a gradient's formula runs over tensors, as recorded ops, when the
/// gradient itself is to be differentiated. So a rule is written once and has every higher derivative.
/// \code
///   Tensor tanh(const Tensor& x) {
///     return elementwise("tanh", x,
///                        [](auto v) { return tanh(v); },
///                        by_output([](auto g, auto y) { return g * (1 - y * y); }));
///   }
/// \endcode

namespace wengert {

namespace detail {

/// A gradient's formula with the list of what it takes after g: an input's number, or `output_operand`.
template <class F, int... operands>
struct Gradient {
  F formula;
};

inline constexpr int output_operand = -1;

struct Identity {
  template <class G>
  G operator()(const G& g) const {
    return g;
  }
};

}  // namespace detail

/// Gradient that is the upstream gradient itself, which is passed on as it is.
inline detail::Gradient<detail::Identity> by_identity() { return {}; }

/// Gradient as `formula(g)`: nothing is saved.
template <class F>
detail::Gradient<F> by_upstream(F formula) {
  return {std::move(formula)};
}

/// Gradient as `formula(g, inputs...)`, from the listed inputs only; by default from the first. They are saved.
template <int... inputs, class F>
auto by_input(F formula) {
  if constexpr (sizeof...(inputs) == 0)
    return detail::Gradient<F, 0>{std::move(formula)};
  else
    return detail::Gradient<F, inputs...>{std::move(formula)};
}

/// Gradient as `formula(g, y)`, from the op's own output, which is saved.
template <class F>
detail::Gradient<F, detail::output_operand> by_output(F formula) {
  return {std::move(formula)};
}

/// Gradient as `formula(g, inputs..., y)`, from the listed inputs and the op's own output.
template <int... inputs, class F>
detail::Gradient<F, inputs..., detail::output_operand> by_input_and_output(F formula) {
  return {std::move(formula)};
}

/// Element types that an op takes.
enum class Types : std::uint8_t { floating, all };

namespace detail {

/// How the operands of one fused loop are walked: rows of `inner` elements in which an operand either advances or
/// stands still, inside up to seven outer axes.
struct BroadcastPlan {
  static constexpr int max_operands = 8;

  std::int64_t inner = 1;
  std::int64_t rows = 1;
  int outer_axes = 0;
  std::int64_t outer_sizes[Shape::max_rank];
  std::int64_t outer_strides[Shape::max_rank][max_operands];
  bool advances[max_operands];

  /// Start of row `row` for operand `operand`.
  std::int64_t offset(std::int64_t row, int operand) const noexcept {
    std::int64_t result = 0;
    for (int axis = outer_axes - 1; axis >= 0; --axis) {
      result += row % outer_sizes[axis] * outer_strides[axis][operand];
      row /= outer_sizes[axis];
    }
    return result;
  }
};

BroadcastPlan plan_broadcast(const Shape& shape, std::span<const Tensor* const> operands);

/// Throws unless all operands are defined and share one dtype that the op takes. Without names they are called x, or
/// a and b, or by number.
void check_operands(const char* op, std::span<const Tensor* const> operands, Types types,
                    std::initializer_list<const char*> names = {});

/// The shape that the operands broadcast to. Throws ShapeError that lists theirs.
Shape broadcast_operands(const char* op, std::span<const Tensor* const> operands);

/// Elements handled by one chunk of a parallel loop; a multiple of every packet's size.
inline constexpr std::int64_t elementwise_grain = 1 << 15;

/// Same for a loop over n elements, which stays on one thread, beside the data, while it takes no longer than to share.
constexpr std::int64_t elementwise_chunk(std::int64_t n) {
  return n < 4 * elementwise_grain ? std::max<std::int64_t>(n, 1) : elementwise_grain;
}

template <bool contiguous, class T, class F, std::size_t... I>
[[gnu::always_inline]] inline void fused_loop(const F& shared, T* out,
                                              const std::array<const T*, sizeof...(I)>& operands, const bool* advances,
                                              std::int64_t n, std::index_sequence<I...>) {
  using Pack = simd::Pack<T>;
  // Copies that nothing points to: for all that the compiler knows, each packet that is stored changes the others.
  F formula = shared;
  const auto in = operands;
  const auto load = [&](auto operand, std::int64_t i) {
    constexpr std::size_t k = operand;
    return contiguous || advances[k] ? Pack::load(in[k] + i) : Pack(*in[k]);
  };
  const auto load_partial = [&](auto operand, std::int64_t i, std::int64_t count) {
    constexpr std::size_t k = operand;
    return contiguous || advances[k] ? Pack::load_partial(in[k] + i, count) : Pack(*in[k]);
  };
  std::int64_t i = 0;
  for (; i + Pack::size <= n; i += Pack::size) {
    Pack(formula(load(std::integral_constant<std::size_t, I>(), i)...)).store(out + i);
  }
  if (i < n) {
    Pack(formula(load_partial(std::integral_constant<std::size_t, I>(), i, n - i)...)).store_partial(out + i, n - i);
  }
}

/// `formula` over the operands, broadcast to the shape of `result`, into its elements, in one pass. If they do not
/// broadcast, all have that shape, or the first one has and the others lack its leading axis. An operand of that shape
/// may be the result itself.
template <Types types, bool broadcasts, class F, std::size_t N>
void fused_into(const Tensor& result, F& formula, const std::array<const Tensor*, N>& operands) {
  static_assert(N <= BroadcastPlan::max_operands);
  const Shape& shape = result.shape();
  const auto run = [&]<class T>() {
    constexpr auto indices = std::make_index_sequence<N>();
    T* out = Access::mutable_data<T>(result);
    std::array<const T*, N> in;
    bool contiguous = true;
    for (std::size_t k = 0; k < N; ++k) {
      in[k] = Access::data<T>(*operands[k]);
      if constexpr (broadcasts) contiguous = contiguous && operands[k]->shape() == shape;
    }
    if (contiguous) {
      // Beside many gradients (see Rows) stand operands without their axis, which are read again for each.
      const std::int64_t period = broadcasts || N == 1 ? result.numel() : operands[N - 1]->numel();
      parallel_for(result.numel(), elementwise_chunk(result.numel()), [&](std::int64_t begin, std::int64_t end) {
        while (begin < end) {
          const std::int64_t again = begin < period ? begin : begin % period;
          const std::int64_t count = std::min(period - again, end - begin);
          std::array<const T*, N> from = in;
          for (std::size_t k = 0; k < N; ++k) from[k] += k == 0 ? begin : again;
          fused_loop<true>(formula, out + begin, from, nullptr, count, indices);
          begin += count;
        }
      });
      return;
    }
    if constexpr (broadcasts) {
      const BroadcastPlan plan = plan_broadcast(shape, operands);
      parallel_for(result.numel(), elementwise_chunk(result.numel()), [&](std::int64_t begin, std::int64_t end) {
        while (begin < end) {
          const std::int64_t column = begin % plan.inner;
          const std::int64_t count = std::min(plan.inner - column, end - begin);
          std::array<const T*, N> from = in;
          for (std::size_t k = 0; k < N; ++k) {
            from[k] += plan.offset(begin / plan.inner, static_cast<int>(k)) + (plan.advances[k] ? column : 0);
          }
          fused_loop<false>(formula, out + begin, from, plan.advances, count, indices);
          begin += count;
        }
      });
    }
  };
  if constexpr (types == Types::all)
    dispatch(result.dtype(), run);
  else
    dispatch_floating(result.dtype(), run);
}

/// Same as a tensor of its own. Records nothing.
template <Types types, bool broadcasts, class F, std::size_t N>
Tensor fused(F& formula, const Shape& shape, DType dtype, const std::array<const Tensor*, N>& operands) {
  Tensor result = Access::allocate(shape, dtype);
  fused_into<types, broadcasts>(result, formula, operands);
  return result;
}

/// The closure behind one input's gradient: fused, or recorded when it is to be differentiated again.
template <bool broadcasts, class F, int... operands>
class FusedRule {
 public:
  /// What is saved aligns with g at the last axis, so one more axis in front of g changes nothing.
  static constexpr bool takes_rows = true;

  /// Saves nothing unless the rule is `needed`; `record` drops the others.
  FusedRule(F formula, [[maybe_unused]] std::span<const Tensor* const> inputs, bool needed)
      : formula_(std::move(formula)),
        saved_{(operands == output_operand || !needed ? Tensor() : *inputs[std::max(operands, 0)])...} {}

  Tensor operator()(const Tensor& g)
    requires((operands != output_operand) && ...)
  {
    return apply(g, Tensor());
  }
  Tensor operator()(const Tensor& g, const Tensor& y)
    requires((operands == output_operand) || ...)
  {
    return apply(g, y);
  }

  /// Same, into g's elements if nobody else can see them: memory that is in the cache already.
  Tensor use_up(Tensor&& g, const Tensor& y) {
    if (std::is_same_v<F, Identity> || grad_enabled() || !Access::owns_alone(g)) return apply(g, y);
    return with_operands(g, y, [&](const auto& all) {
      fused_into<Types::floating, broadcasts>(g, formula_, all);
      return Access::detached(std::move(g));  // a hook may have recorded how it made g
    });
  }

 private:
  Tensor apply(const Tensor& g, const Tensor& y) {
    if constexpr (std::is_same_v<F, Identity>) return g;
    return with_operands(g, y, [&]<std::size_t N>(const std::array<const Tensor*, N>& all) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        if (grad_enabled() && (all[I]->requires_grad() || ...)) return Tensor(formula_(*all[I]...));
        return fused<Types::floating, broadcasts>(formula_, g.shape(), g.dtype(), all);
      }(std::make_index_sequence<N>());
    });
  }

  /// `f` of g and what else the formula takes.
  template <class Do>
  Tensor with_operands(const Tensor& g, [[maybe_unused]] const Tensor& y, Do f) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return f(
          std::array<const Tensor*, 1 + sizeof...(operands)>{&g, (operands == output_operand ? &y : &saved_[I])...});
    }(std::make_index_sequence<sizeof...(operands)>());
  }

  F formula_;
  std::array<Tensor, sizeof...(operands)> saved_;
};

template <bool broadcasts, class F, int... operands>
FusedRule<broadcasts, F, operands...> make_rule(Gradient<F, operands...> gradient,
                                                std::span<const Tensor* const> inputs, bool needed) {
  return {std::move(gradient.formula), inputs, needed};
}

template <Types types, std::size_t N, class Value, class... Gradients>
Tensor elementwise_op(const char* name, const std::array<const Tensor*, N>& inputs, Value& value,
                      Gradients&&... gradients) {
  check_operands(name, inputs, types);
  const Shape& first = inputs[0]->shape();
  const auto differs = [&](const Tensor* input) { return !(input->shape() == first); };
  std::optional<Shape> joint;
  if (std::any_of(inputs.begin() + 1, inputs.end(), differs)) joint = broadcast_operands(name, inputs);
  const Shape& shape = joint ? *joint : first;
  Tensor result = fused<types, (N > 1)>(value, shape, inputs[0]->dtype(), inputs);
  if constexpr (sizeof...(Gradients) > 0) {
    static_assert(sizeof...(Gradients) == N, "one gradient for each input");
    if (!grad_enabled()) return result;
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      if (!(inputs[I]->requires_grad() || ...)) {
        (inherit_stop(result, *inputs[I]), ...);
        return result;
      }
      return record(name, std::move(result),
                    wrt(*inputs[I], make_rule<(N > 1)>(std::move(gradients), inputs, inputs[I]->requires_grad()))...);
    }(std::make_index_sequence<N>());
  } else {
    if (grad_enabled()) {
      for (const Tensor* input : inputs) note_stop(name, result, *input);
    }
    return result;
  }
}

}  // namespace detail

/// An element-wise op of one input: `value(x)`, and its gradient as one of the `by_...` functions makes it. Without a
/// gradient the result is a constant. `name` lives as long as the program.
template <Types types = Types::floating, class Value, class... Gradients>
  requires(!std::is_convertible_v<Value, const Tensor&> && sizeof...(Gradients) <= 1)
Tensor elementwise(const char* name, const Tensor& x, Value value, Gradients... gradients) {
  return detail::elementwise_op<types>(name, std::array{&x}, value, std::move(gradients)...);
}

/// Of two inputs, which broadcast: `value(a, b)`, and the gradients with respect to a and to b.
template <Types types = Types::floating, class Value, class... Gradients>
  requires(!std::is_convertible_v<Value, const Tensor&>)
Tensor elementwise(const char* name, const Tensor& a, const Tensor& b, Value value, Gradients... gradients) {
  return detail::elementwise_op<types>(name, std::array{&a, &b}, value, std::move(gradients)...);
}

/// Of N inputs, which broadcast: `elementwise("lerp", {a, b, t}, value, gradient_a, gradient_b, gradient_t)`.
template <Types types = Types::floating, std::size_t N, class Value, class... Gradients>
Tensor elementwise(const char* name, const Tensor (&inputs)[N], Value value, Gradients... gradients) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return detail::elementwise_op<types>(name, std::array{&inputs[I]...}, value, std::move(gradients)...);
  }(std::make_index_sequence<N>());
}

}  // namespace wengert
