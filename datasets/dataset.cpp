#include "datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include <wengert/autograd/ops.h>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {
namespace {

std::vector<std::int64_t> indices_up_to(std::int64_t n) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return indices;
}

void check_indices(const char* of, std::span<const std::int64_t> indices, std::int64_t size) {
  for (const std::int64_t index : indices) {
    check(index >= 0 && index < size, "{}: index {} is out of range for {} samples", of, index, size);
  }
}

bool is_consecutive(std::span<const std::int64_t> indices) {
  return std::ranges::adjacent_find(indices, [](auto a, auto b) { return b != a + 1; }) == indices.end();
}

bool are_labels(const Tensor& y) { return y.rank() == 1 && y.dtype() == int64; }

std::int64_t class_count(const Tensor& y, std::optional<std::int64_t> classes) {
  if (classes) {
    check(*classes >= 0, "TensorDataset: classes must not be negative, got {}", *classes);
    if (*classes == 0) return 0;
    check<DTypeError>(are_labels(y), "TensorDataset: {} classes need labels y [N] of int64, got {} of {}", *classes,
                      y.shape(), y.dtype());
    for (const std::int64_t label : y.data<std::int64_t>()) {
      check(label >= 0 && label < *classes, "TensorDataset: label {} is out of range for {} classes", label, *classes);
    }
    return *classes;
  }
  if (!are_labels(y) || y.numel() == 0) return 0;
  const auto [lowest, highest] = std::ranges::minmax(y.data<std::int64_t>());
  return lowest < 0 ? 0 : highest + 1;
}

/// For each sample, whether it is one of `test_count` drawn from `order`, as evenly as can be over the labels.
std::vector<bool> draw_stratified(const AnyDataset& dataset, std::vector<std::int64_t> order, std::int64_t test_count) {
  const Tensor y = dataset.all().y;
  check<Error>(are_labels(y), "train_test_split: stratified needs labels y [N] of int64, got {} of {}", y.shape(),
               y.dtype());
  const auto labels = y.data<std::int64_t>();
  const auto label = [&](std::int64_t index) { return labels[static_cast<std::size_t>(index)]; };
  std::ranges::stable_sort(order, {}, label);

  // Systematic sampling: every k-th of the samples in the order of their labels, k being a fraction.
  std::vector<bool> in_test(order.size());
  const auto n = static_cast<std::int64_t>(order.size());
  for (std::int64_t i = 0, drawn = 0; i < n; ++i) {
    const auto due = static_cast<std::int64_t>(
        std::floor(static_cast<double>(i + 1) * static_cast<double>(test_count) / static_cast<double>(n)));
    if (due == drawn) continue;
    in_test[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
    drawn = due;
  }
  return in_test;
}

}  // namespace

Batch Dataset::all() const { return batch(indices_up_to(size())); }

TensorDataset::TensorDataset(const Tensor& x, const Tensor& y, std::optional<std::int64_t> classes) {
  check<Error>(x.defined() && y.defined(), "TensorDataset: {} is undefined", x.defined() ? "y" : "x");
  check(x.rank() >= 1 && y.rank() >= 1, "TensorDataset: x and y need a leading axis of samples, got {} and {}",
        x.shape(), y.shape());
  check(x.dim(0) == y.dim(0), "TensorDataset: x has {} samples and y has {}; x is {}, y is {}", x.dim(0), y.dim(0),
        x.shape(), y.shape());
  x_ = x.detach();
  y_ = y.detach();
  classes_ = class_count(y, classes);
}

Batch TensorDataset::batch(std::span<const std::int64_t> indices) const {
  // A stretch is what its ends are, which spares a loop that goes straight through the looks at the others.
  const bool stretch = !indices.empty() && is_consecutive(indices);
  if (!stretch || indices.front() < 0 || indices.back() >= size()) check_indices("TensorDataset", indices, size());
  if (stretch) {
    return {x_.slice(indices.front(), indices.back() + 1), y_.slice(indices.front(), indices.back() + 1)};
  }
  const Tensor rows = from_span(indices, {static_cast<std::int64_t>(indices.size())});
  return {index_select(x_, 0, rows), index_select(y_, 0, rows)};
}

Subset::Subset(AnyDataset of, std::vector<std::int64_t> indices)
    : of_(std::move(of)), indices_(std::make_shared<const std::vector<std::int64_t>>(std::move(indices))) {
  check_indices("Subset", *indices_, of_.size());
}

Batch Subset::batch(std::span<const std::int64_t> indices) const {
  check_indices("Subset", indices, size());
  std::vector<std::int64_t> mapped(indices.size());
  std::ranges::transform(indices, mapped.begin(),
                         [&](auto index) { return (*indices_)[static_cast<std::size_t>(index)]; });
  return of_.batch(mapped);
}

Split train_test_split(const AnyDataset& dataset, double test_fraction, const SplitOptions& options) {
  check<Error>(test_fraction > 0 && test_fraction < 1,
               "train_test_split: test_fraction must be between 0 and 1, both excluded, got {}", test_fraction);
  const std::int64_t n = dataset.size();
  const auto test_count = static_cast<std::int64_t>(std::round(test_fraction * static_cast<double>(n)));
  check<Error>(test_count > 0 && test_count < n,
               "train_test_split: test_fraction {} of {} samples leaves {} for training and {} for testing",
               test_fraction, n, n - test_count, test_count);

  const std::vector<std::int64_t> order = detail::shuffled(n, options.seed, detail::Stream::split);
  std::vector<bool> in_test(order.size());
  if (options.stratified) {
    in_test = draw_stratified(dataset, order, test_count);
  } else {
    for (std::int64_t i = 0; i < test_count; ++i)
      in_test[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
  }
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> test;
  for (const std::int64_t index : order) (in_test[static_cast<std::size_t>(index)] ? test : train).push_back(index);
  return {Subset(dataset, std::move(train)), Subset(dataset, std::move(test))};
}

}  // namespace wengert::datasets
