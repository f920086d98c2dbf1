#include "autograd/kernels/norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/softmax.h"

namespace wengert::kernels {

namespace {

using simd::Pack;

/// Elements that are worth a thread of their own.
constexpr std::int64_t grain_elements = 1 << 15;
/// Packets that are added up in T before their sum goes on in double.
constexpr std::int64_t packs_per_sum = 256;

/// How groups and their weights lie in packets.
enum class Mode : std::uint8_t {
  shared,    // a packet is of one channel, which has one weight
  separate,  // a packet is of one group, each lane has its weight
  columns,   // a packet is of several groups: for short runs, which lie beside those of the next groups
};

/// Which groups the lanes of a packet belong to: all to one, or `length` each to one after the other.
template <class T, Mode mode>
struct Lanes {
  static constexpr std::int64_t most_groups = mode == Mode::columns ? Pack<T>::size : 1;
  using Numbers = std::array<double, static_cast<std::size_t>(most_groups)>;  // one for each group

  explicit Lanes(const NormLayout& layout) : length(layout.length) {}

  std::int64_t groups() const { return mode == Mode::columns ? Pack<T>::size / length : 1; }

  /// Each group's value in its lanes, 0 in those of none.
  template <class Value>
  Pack<T> spread(const Value* values, std::int64_t count) const {
    if constexpr (mode != Mode::columns) return Pack<T>(*values);
    T lanes[Pack<T>::size] = {};
    for (std::int64_t lane = 0; lane < count * length; ++lane) lanes[lane] = static_cast<T>(values[lane / length]);
    return Pack<T>::load(lanes);
  }
  Pack<T> spread(const Numbers& values) const { return spread(values.data(), groups()); }

  WENGERT_SIMD_INLINE void add(Numbers& totals, Pack<T> sums) const {
    if constexpr (mode != Mode::columns) {
      totals[0] += static_cast<double>(sum_of_lanes(sums));
    } else {
      for (std::int64_t lane = 0; lane < groups() * length; ++lane) {
        totals[static_cast<std::size_t>(lane / length)] += static_cast<double>(sums[lane]);
      }
    }
  }

  std::int64_t length;
};

/// A sum over many packets for each group in their lanes.
template <class T, Mode mode>
struct Sum {
  explicit Sum(const Lanes<T, mode>& of) : lanes(of) {}

  WENGERT_SIMD_INLINE void flush() {
    lanes.add(total, recent);
    recent = 0;
  }

  Lanes<T, mode> lanes;
  Pack<T> recent = 0;
  typename Lanes<T, mode>::Numbers total{};
};

struct Runs {
  std::int64_t count;
  std::int64_t length;
  std::int64_t stride;
};

/// f(lanes, element, place in its run) for every packet, and flush() after every few hundred.
template <class T, class F, class Flush>
WENGERT_SIMD_INLINE void for_each_pack_of(const Runs& runs, F f, Flush flush) {
  constexpr std::int64_t longest = packs_per_sum * Pack<T>::size;
  const std::int64_t packs_in_run = (runs.length + Pack<T>::size - 1) / Pack<T>::size;
  const std::int64_t bunch = runs.count == 1 ? 1 : std::max<std::int64_t>(1, packs_per_sum / packs_in_run);
  for (std::int64_t first = 0; first < runs.count; first += bunch) {
    for (std::int64_t begin = 0; begin < runs.length; begin += longest) {
      for (std::int64_t run = first; run < std::min(runs.count, first + bunch); ++run) {
        for_each_pack<T>(std::min(longest, runs.length - begin),
                         [&](auto lanes, std::int64_t i) { f(lanes, run * runs.stride + begin + i, begin + i); });
      }
      flush();
    }
  }
}

/// (x - mean) rstd. The mean is a T and a rest, which together are as good as the double.
template <class T, Mode mode>
struct Standardize {
  using Numbers = typename Lanes<T, mode>::Numbers;

  Standardize(const Lanes<T, mode>& lanes, const Numbers& mean, const Numbers& rstd) : scale(lanes.spread(rstd)) {
    Numbers rounded;
    Numbers rest;
    for (std::size_t k = 0; k < mean.size(); ++k) {
      rounded[k] = static_cast<T>(mean[k]);
      rest[k] = (rounded[k] - mean[k]) * rstd[k];
    }
    beyond = static_cast<T>(mean[0]);
    center = lanes.spread(rounded);
    shift = lanes.spread(rest);
  }

  WENGERT_SIMD_INLINE Pack<T> operator()(Pack<T> x) const { return fma(x - center, scale, shift); }

  T beyond;  // an x for lanes outside a run that gives no infinity
  Pack<T> center;
  Pack<T> scale;
  Pack<T> shift;
};

/// The groups that are worked on together: those of a packet.
template <class T, Mode mode>
struct Block {
  Block(const NormLayout& layout, std::int64_t block)
      : lanes(layout),
        first(block * lanes.groups()),
        start(first * layout.group_stride),
        channel_size(layout.runs * layout.length),
        channel{layout.runs, std::min(lanes.groups(), layout.groups - first) * layout.length, layout.run_stride},
        whole(layout.channels == 1 ? channel : Runs{1, layout.size(), 0}),
        parameter(layout.period == 1 ? 0 : first % layout.period * layout.parameters_per_group()) {}

  /// Of groups; fewer than fill a packet at the end.
  std::int64_t count() const { return mode == Mode::columns ? channel.length / lanes.length : 1; }

  Lanes<T, mode> lanes;
  std::int64_t first;         // group
  std::int64_t start;         // element
  std::int64_t channel_size;  // elements from one channel of a group to the next
  Runs channel;
  Runs whole;
  std::int64_t parameter;  // of the first element
};

/// The weights, or biases, of a channel's packets.
template <class T, Mode mode>
struct Parameters {
  Parameters(const T* values, const Block<T, mode>& block, std::int64_t channel, T otherwise)
      : own(values ? values + block.parameter + channel : nullptr), same(otherwise) {
    if (mode != Mode::separate && own) same = block.lanes.spread(own, block.count());
  }

  template <class L>
  WENGERT_SIMD_INLINE Pack<T> at(L lanes, std::int64_t place) const {
    if constexpr (mode == Mode::separate) return own ? lanes.load(own + place, 0) : same;
    return same;
  }

  const T* own;
  Pack<T> same;
};

template <class T, Mode mode>
struct Moments {
  typename Lanes<T, mode>::Numbers mean;
  typename Lanes<T, mode>::Numbers variance;
};

/// Of each group, in two passes. The second one also sums the deviations, which tells what the first one's rounding has
/// lost (Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983).
template <class T, Mode mode>
Moments<T, mode> find_moments(const NormLayout& layout, NormKind kind, const T* x, const Block<T, mode>& block) {
  const auto n = static_cast<double>(layout.size());
  typename Lanes<T, mode>::Numbers center{};
  if (kind == NormKind::deviations) {
    Sum<T, mode> sum(block.lanes);
    for_each_pack_of<T>(
        block.whole, [&](auto lanes, std::int64_t i, std::int64_t) { sum.recent += lanes.load(x + i, 0); },
        [&] { sum.flush(); });
    for (std::size_t k = 0; k < center.size(); ++k) center[k] = static_cast<T>(sum.total[k] / n);
  }
  const Pack<T> centers = block.lanes.spread(center);
  const T beyond = static_cast<T>(center[0]);
  Sum<T, mode> deviations(block.lanes);
  Sum<T, mode> squares(block.lanes);
  for_each_pack_of<T>(
      block.whole,
      [&](auto lanes, std::int64_t i, std::int64_t) {
        const Pack<T> d = lanes.load(x + i, beyond) - centers;
        deviations.recent += d;
        squares.recent = fma(d, d, squares.recent);
      },
      [&] {
        deviations.flush();
        squares.flush();
      });
  Moments<T, mode> moments;
  for (std::size_t k = 0; k < center.size(); ++k) {
    const double off = kind == NormKind::deviations ? deviations.total[k] / n : 0;
    const double variance = squares.total[k] / n - off * off;
    moments.mean[k] = center[k] + off;
    moments.variance[k] = variance < 0 ? 0 : variance;  // not std::max, which would lose a NaN
  }
  return moments;
}

template <class T, Mode mode>
void normalize_block(const NormLayout& layout, NormKind kind, double epsilon, const T* x, const T* weight,
                     const T* bias, const GroupStatistics& statistics, T* y, const Block<T, mode>& block) {
  typename Lanes<T, mode>::Numbers mean{};
  typename Lanes<T, mode>::Numbers rstd{};
  if (kind == NormKind::given) {
    std::copy_n(statistics.mean + block.first, block.count(), mean.begin());
    std::copy_n(statistics.rstd + block.first, block.count(), rstd.begin());
  } else {
    const Moments<T, mode> moments = find_moments<T, mode>(layout, kind, x + block.start, block);
    mean = moments.mean;
    for (std::size_t k = 0; k < rstd.size(); ++k) rstd[k] = 1 / std::sqrt(moments.variance[k] + epsilon);
    std::copy_n(mean.begin(), block.count(), statistics.mean + block.first);
    std::copy_n(rstd.begin(), block.count(), statistics.rstd + block.first);
    if (statistics.variance) std::copy_n(moments.variance.begin(), block.count(), statistics.variance + block.first);
  }
  const Standardize<T, mode> standardize(block.lanes, mean, rstd);
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    const std::int64_t start = block.start + channel * block.channel_size;
    const Parameters<T, mode> scale(weight, block, channel, 1);
    const Parameters<T, mode> shift(bias, block, channel, 0);
    for_each_pack_of<T>(
        block.channel,
        [&](auto lanes, std::int64_t i, std::int64_t place) {
          const Pack<T> z = standardize(lanes.load(x + start + i, 0));
          lanes.store(fma(z, scale.at(lanes, place), shift.at(lanes, place)), y + start + i);
        },
        [] {});
  }
}

/// For each group in a block.
template <class T, Mode mode>
struct GroupSums {
  typename Lanes<T, mode>::Numbers h{};   // of g weight
  typename Lanes<T, mode>::Numbers hz{};  // of g weight z
};

/// The sums of a group, and on the way the gradients of its weights and biases.
template <class T, Mode mode>
GroupSums<T, mode> sum_products(const NormLayout& layout, const T* g, const T* x, const T* weight,
                                Standardize<T, mode> standardize, T* weight_gradient, T* bias_gradient,
                                const Block<T, mode>& block) {
  GroupSums<T, mode> sums;
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    const std::int64_t start = block.start + channel * block.channel_size;
    const std::int64_t parameter = block.parameter + channel;
    const Parameters<T, mode> weights(weight, block, channel, 1);
    Sum<T, mode> h(block.lanes);
    Sum<T, mode> hz(block.lanes);
    for_each_pack_of<T>(
        block.channel,
        [&](auto lanes, std::int64_t i, std::int64_t place) {
          Pack<T> gradient = lanes.load(g + start + i, 0);
          const Pack<T> z = standardize(lanes.load(x + start + i, standardize.beyond));
          if constexpr (mode == Mode::separate) {
            if (weight_gradient) {
              T* to = weight_gradient + parameter + place;
              lanes.store(fma(gradient, z, lanes.load(to, 0)), to);
            }
            if (bias_gradient) {
              T* to = bias_gradient + parameter + place;
              lanes.store(gradient + lanes.load(to, 0), to);
            }
            gradient *= weights.at(lanes, place);
          }
          h.recent += gradient;
          hz.recent = fma(gradient, z, hz.recent);
        },
        [&] {
          h.flush();
          hz.flush();
        });
    for (std::int64_t group = 0; group < block.count(); ++group) {
      const auto k = static_cast<std::size_t>(group);
      double w = 1;
      if constexpr (mode != Mode::separate) {
        if (weight_gradient) weight_gradient[parameter + group] = static_cast<T>(hz.total[k]);
        if (bias_gradient) bias_gradient[parameter + group] = static_cast<T>(h.total[k]);
        if (weight) w = static_cast<double>(weight[parameter + group]);
      }
      sums.h[k] += w * h.total[k];
      sums.hz[k] += w * hz.total[k];
    }
  }
  return sums;
}

template <class T, Mode mode>
void differentiate_block(const NormLayout& layout, NormKind kind, const T* g, const T* x, const T* weight,
                         const double* mean, const double* rstd, const NormGradients<T>& gradients,
                         const Block<T, mode>& block) {
  using Numbers = typename Lanes<T, mode>::Numbers;
  Numbers means{};
  Numbers rstds{};
  std::copy_n(mean + block.first, block.count(), means.begin());
  std::copy_n(rstd + block.first, block.count(), rstds.begin());
  const Standardize<T, mode> standardize(block.lanes, means, rstds);
  GroupSums<T, mode> sums;
  if (kind != NormKind::given || gradients.weight || gradients.bias) {
    sums = sum_products(layout, g, x, weight, standardize, gradients.weight, gradients.bias, block);
  }
  if (!gradients.x) return;

  // dx = rstd h - z (rstd mean(h z)) - rstd mean(h)
  Numbers along_z{};
  Numbers constant{};
  const auto n = static_cast<double>(layout.size());
  for (std::size_t k = 0; k < along_z.size(); ++k) {
    if (kind != NormKind::given) along_z[k] = -rstds[k] * sums.hz[k] / n;
    if (kind == NormKind::deviations) constant[k] = -rstds[k] * sums.h[k] / n;
  }
  const Pack<T> slope = block.lanes.spread(along_z);
  const Pack<T> offset = block.lanes.spread(constant);
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    const std::int64_t start = block.start + channel * block.channel_size;
    const Parameters<T, mode> weights(weight, block, channel, 1);
    for_each_pack_of<T>(
        block.channel,
        [&](auto lanes, std::int64_t i, std::int64_t place) {
          const Pack<T> h = lanes.load(g + start + i, 0) * weights.at(lanes, place);
          const Pack<T> z = standardize(lanes.load(x + start + i, 0));
          lanes.store(fma(h, standardize.scale, fma(z, slope, offset)), gradients.x + start + i);
        },
        [] {});
  }
}

/// f(integral_constant of the layout's mode).
template <class T, class F>
void with_mode(const NormLayout& layout, F f) {
  if (layout.per_element) {
    f(std::integral_constant<Mode, Mode::separate>());
  } else if (layout.runs > 1 && layout.length <= Pack<T>::size / 2) {
    f(std::integral_constant<Mode, Mode::columns>());
  } else {
    f(std::integral_constant<Mode, Mode::shared>());
  }
}

/// Blocks of groups that one task works on. Where several groups add to the same gradients, each task has sums of its
/// own, of which there are not too many.
std::int64_t blocks_per_task(const NormLayout& layout, std::int64_t groups_per_block) {
  constexpr std::int64_t most_sums = 64;
  const std::int64_t enough = std::max<std::int64_t>(1, grain_elements / (layout.size() * groups_per_block));
  return layout.per_element ? std::max(enough, (layout.groups + most_sums - 1) / most_sums) : enough;
}

/// f(block, number of its task) for all blocks.
template <class T, Mode mode, class F>
void for_each_block(const NormLayout& layout, F f) {
  const std::int64_t groups = Lanes<T, mode>(layout).groups();
  const std::int64_t grain = blocks_per_task(layout, groups);
  parallel_for((layout.groups + groups - 1) / groups, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) f(Block<T, mode>(layout, block), block / grain);
  });
}

}  // namespace

template <class T>
void normalize(const NormLayout& layout, NormKind kind, double epsilon, const T* x, const T* weight, const T* bias,
               const GroupStatistics& statistics, T* y) {
  with_mode<T>(layout, [&](auto mode) {
    for_each_block<T, mode()>(layout, [&](const auto& block, std::int64_t) {
      normalize_block<T, mode()>(layout, kind, epsilon, x, weight, bias, statistics, y, block);
    });
  });
}

std::int64_t gradient_rows(const NormLayout& layout) {
  if (!layout.per_element) return layout.groups / layout.period;
  const std::int64_t per_task = blocks_per_task(layout, 1);
  return (layout.groups + per_task - 1) / per_task;
}

template <class T>
void normalize_gradients(const NormLayout& layout, NormKind kind, const T* g, const T* x, const T* weight,
                         const double* mean, const double* rstd, const NormGradients<T>& gradients) {
  const std::int64_t parameters = layout.parameters();
  if (layout.per_element) {
    const std::int64_t sums = gradient_rows(layout) * parameters;
    if (gradients.weight) std::fill_n(gradients.weight, sums, T(0));
    if (gradients.bias) std::fill_n(gradients.bias, sums, T(0));
  }
  with_mode<T>(layout, [&](auto mode) {
    for_each_block<T, mode()>(layout, [&](const auto& block, std::int64_t task) {
      const std::int64_t row = mode() == Mode::separate ? task : block.first / layout.period;
      NormGradients<T> to = gradients;
      if (to.weight) to.weight += row * parameters;
      if (to.bias) to.bias += row * parameters;
      differentiate_block<T, mode()>(layout, kind, g, x, weight, mean, rstd, to, block);
    });
  });
}

template void normalize(const NormLayout&, NormKind, double, const float*, const float*, const float*,
                        const GroupStatistics&, float*);
template void normalize(const NormLayout&, NormKind, double, const double*, const double*, const double*,
                        const GroupStatistics&, double*);
template void normalize_gradients(const NormLayout&, NormKind, const float*, const float*, const float*, const double*,
                                  const double*, const NormGradients<float>&);
template void normalize_gradients(const NormLayout&, NormKind, const double*, const double*, const double*,
                                  const double*, const double*, const NormGradients<double>&);

}  // namespace wengert::kernels
