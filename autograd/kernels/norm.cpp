#include "autograd/kernels/norm.h"

#include <algorithm>
#include <cmath>

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
  columns,   // a lane is a group: for runs of one element, which lie beside those of the next groups
};

/// What the groups in the lanes of a packet have: numbers for each, and sums.
template <class T, Mode mode>
struct Lanes {
  static constexpr std::int64_t groups = mode == Mode::columns ? Pack<T>::size : 1;

  WENGERT_SIMD_INLINE static Pack<T> spread(const double* values) {
    if constexpr (mode != Mode::columns) return Pack<T>(*values);
    T rounded[Pack<T>::size] = {};
    std::transform(values, values + groups, rounded, [](double value) { return static_cast<T>(value); });
    return Pack<T>::load(rounded);
  }

  WENGERT_SIMD_INLINE static void add(double* totals, Pack<T> sums) {
    if constexpr (mode == Mode::columns) {
      for (std::int64_t k = 0; k < groups; ++k) totals[k] += static_cast<double>(sums[k]);
    } else {
      *totals += static_cast<double>(sum_of_lanes(sums));
    }
  }
};

/// A sum over many packets for each group in their lanes.
template <class T, Mode mode>
struct Sum {
  Pack<T> recent = 0;
  double total[Lanes<T, mode>::groups] = {};

  WENGERT_SIMD_INLINE void flush() {
    Lanes<T, mode>::add(total, recent);
    recent = 0;
  }
};

struct Runs {
  std::int64_t count;
  std::int64_t length;
  std::int64_t stride;

  double size(Mode mode) const { return static_cast<double>(mode == Mode::columns ? count : count * length); }
};

/// f(lanes, element, place in its run) for every packet, and flush() after every few hundred.
template <class T, class F, class Flush>
WENGERT_SIMD_INLINE void for_each_pack_of(const Runs& runs, F f, Flush flush) {
  constexpr std::int64_t longest = packs_per_sum * Pack<T>::size;
  const std::int64_t packs_in_run = (runs.length + Pack<T>::size - 1) / Pack<T>::size;
  const std::int64_t bunch = std::max<std::int64_t>(1, packs_per_sum / packs_in_run);
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
  Standardize(const double* mean, const double* rstd) : scale(Lanes<T, mode>::spread(rstd)) {
    constexpr std::int64_t groups = Lanes<T, mode>::groups;
    double rounded[groups];
    double rest[groups];
    for (std::int64_t k = 0; k < groups; ++k) {
      rounded[k] = static_cast<T>(mean[k]);
      rest[k] = (rounded[k] - mean[k]) * rstd[k];
    }
    beyond = static_cast<T>(mean[0]);
    center = Lanes<T, mode>::spread(rounded);
    shift = Lanes<T, mode>::spread(rest);
  }

  WENGERT_SIMD_INLINE Pack<T> operator()(Pack<T> x) const { return fma(x - center, scale, shift); }

  T beyond;  // an x for lanes outside a run that gives no infinity
  Pack<T> center;
  Pack<T> scale;
  Pack<T> shift;
};

/// The groups that are worked on together: one, or a packet's.
template <class T, Mode mode>
struct Block {
  static constexpr std::int64_t groups = Lanes<T, mode>::groups;

  Block(const NormLayout& layout, std::int64_t block)
      : first(block * groups),
        count(std::min(groups, layout.groups - first)),
        start(first * layout.group_stride),
        channel_size(layout.runs * layout.length),
        channel(mode == Mode::columns ? Runs{layout.runs, count, layout.run_stride}
                                      : Runs{layout.runs, layout.length, layout.run_stride}),
        whole(layout.channels == 1 ? channel : Runs{1, layout.size(), 0}),
        parameter(first % layout.period * layout.parameters_per_group()) {}

  std::int64_t first;         // group
  std::int64_t count;         // of groups
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
    if (mode == Mode::shared && own) same = *own;
    if (mode == Mode::columns && own) same = Pack<T>::load_partial(own, block.count);
  }

  template <class L>
  WENGERT_SIMD_INLINE Pack<T> at(L lanes, std::int64_t place) const {
    if constexpr (mode == Mode::separate) return own ? lanes.load(own + place, 0) : same;
    return same;
  }

  const T* own;
  Pack<T> same;
};

/// Mean and variance of each group, in two passes. The second one also sums the deviations, which tells what the first
/// one's rounding has lost (Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983).
template <class T, Mode mode>
void find_statistics(const T* x, const Runs& runs, NormKind kind, double* mean, double* variance) {
  constexpr std::int64_t groups = Lanes<T, mode>::groups;
  const double n = runs.size(mode);
  double center[groups] = {};
  if (kind == NormKind::deviations) {
    Sum<T, mode> sum;
    for_each_pack_of<T>(
        runs, [&](auto lanes, std::int64_t i, std::int64_t) { sum.recent += lanes.load(x + i, 0); },
        [&] { sum.flush(); });
    for (std::int64_t k = 0; k < groups; ++k) center[k] = static_cast<T>(sum.total[k] / n);
  }
  const Pack<T> centers = Lanes<T, mode>::spread(center);
  Sum<T, mode> deviations;
  Sum<T, mode> squares;
  for_each_pack_of<T>(
      runs,
      [&](auto lanes, std::int64_t i, std::int64_t) {
        const Pack<T> d = lanes.load(x + i, static_cast<T>(center[0])) - centers;
        deviations.recent += d;
        squares.recent = fma(d, d, squares.recent);
      },
      [&] {
        deviations.flush();
        squares.flush();
      });
  for (std::int64_t k = 0; k < groups; ++k) {
    const double off = kind == NormKind::deviations ? deviations.total[k] / n : 0;
    mean[k] = center[k] + off;
    variance[k] = squares.total[k] / n - off * off;
    if (variance[k] < 0) variance[k] = 0;  // not std::max, which loses a NaN
  }
}

template <class T, Mode mode>
void normalize_block(const NormLayout& layout, NormKind kind, double epsilon, const T* x, const T* weight,
                     const T* bias, const GroupStatistics& statistics, T* y, const Block<T, mode>& block) {
  constexpr std::int64_t groups = Lanes<T, mode>::groups;
  double mean[groups] = {};
  double rstd[groups] = {};
  if (kind == NormKind::given) {
    std::copy_n(statistics.mean + block.first, block.count, mean);
    std::copy_n(statistics.rstd + block.first, block.count, rstd);
  } else {
    double variance[groups];
    find_statistics<T, mode>(x + block.start, block.whole, kind, mean, variance);
    for (std::int64_t k = 0; k < groups; ++k) rstd[k] = 1 / std::sqrt(variance[k] + epsilon);
    std::copy_n(mean, block.count, statistics.mean + block.first);
    std::copy_n(rstd, block.count, statistics.rstd + block.first);
    if (statistics.variance) std::copy_n(variance, block.count, statistics.variance + block.first);
  }
  const Standardize<T, mode> standardize(mean, rstd);
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
  double h[Lanes<T, mode>::groups] = {};   // of g weight
  double hz[Lanes<T, mode>::groups] = {};  // of g weight z
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
    Sum<T, mode> h;
    Sum<T, mode> hz;
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
    for (std::int64_t k = 0; k < block.count; ++k) {
      double w = 1;
      if constexpr (mode != Mode::separate) {
        if (weight_gradient) weight_gradient[parameter + k] = static_cast<T>(hz.total[k]);
        if (bias_gradient) bias_gradient[parameter + k] = static_cast<T>(h.total[k]);
        if (weight) w = static_cast<double>(weight[parameter + k]);
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
  constexpr std::int64_t groups = Lanes<T, mode>::groups;
  double means[groups] = {};
  double rstds[groups] = {};
  std::copy_n(mean + block.first, block.count, means);
  std::copy_n(rstd + block.first, block.count, rstds);
  const Standardize<T, mode> standardize(means, rstds);
  GroupSums<T, mode> sums;
  if (kind != NormKind::given || gradients.weight || gradients.bias) {
    sums = sum_products(layout, g, x, weight, standardize, gradients.weight, gradients.bias, block);
  }
  if (!gradients.x) return;

  // dx = rstd h - z (rstd mean(h z)) - rstd mean(h)
  double along_z[groups] = {};
  double constant[groups] = {};
  const double n = block.whole.size(mode);
  for (std::int64_t k = 0; k < groups; ++k) {
    if (kind != NormKind::given) along_z[k] = -rstds[k] * sums.hz[k] / n;
    if (kind == NormKind::deviations) constant[k] = -rstds[k] * sums.h[k] / n;
  }
  const Pack<T> slope = Lanes<T, mode>::spread(along_z);
  const Pack<T> offset = Lanes<T, mode>::spread(constant);
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

Mode mode_of(const NormLayout& layout) {
  if (layout.per_element) return Mode::separate;
  return layout.runs > 1 && layout.length == 1 ? Mode::columns : Mode::shared;
}

/// f(integral_constant of the layout's mode).
template <class F>
void with_mode(const NormLayout& layout, F f) {
  switch (mode_of(layout)) {
    case Mode::shared: return f(std::integral_constant<Mode, Mode::shared>());
    case Mode::separate: return f(std::integral_constant<Mode, Mode::separate>());
    case Mode::columns: return f(std::integral_constant<Mode, Mode::columns>());
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
  constexpr std::int64_t groups = Lanes<T, mode>::groups;
  const std::int64_t grain = blocks_per_task(layout, groups);
  parallel_for((layout.groups + groups - 1) / groups, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) f(Block<T, mode>(layout, block), block / grain);
  });
}

}  // namespace

template <class T>
void normalize(const NormLayout& layout, NormKind kind, double epsilon, const T* x, const T* weight, const T* bias,
               const GroupStatistics& statistics, T* y) {
  with_mode(layout, [&](auto mode) {
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
  with_mode(layout, [&](auto mode) {
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
