#pragma once

#include <cstdint>
#include <vector>

namespace wengert::kernels {

/// What a position along one axis of a resized image is made of: (1 - weight) x[first] + weight x[second].
struct Tap {
  std::int64_t first;
  std::int64_t second;
  double weight;
};
using Taps = std::vector<Tap>;

/// x: [planes, height, width] -> y: [planes, rows.size(), columns.size()]. What has weight 0 is not read.
template <class T>
void resize(std::int64_t planes, std::int64_t height, std::int64_t width, const Taps& rows, const Taps& columns,
            const T* x, T* y);

/// The adjoint, from y to x.
template <class T>
void resize_adjoint(std::int64_t planes, std::int64_t height, std::int64_t width, const Taps& rows, const Taps& columns,
                    const T* y, T* x);

}  // namespace wengert::kernels
