#pragma once

#include <vector>

#include "train/history.h"
#include "train/metrics.h"

namespace wengert::detail {

/// A loss with what the metrics stand at.
inline Scores scores_of(double loss, const std::vector<AnyMetric>& metrics) {
  Scores scores{.loss = loss};
  for (const AnyMetric& metric : metrics) {
    if (const Tensor table = metric.table(); table.defined()) {
      scores.tables.emplace_back(metric.name(), table);
    } else {
      scores.metrics.emplace_back(metric.name(), metric.value());
    }
  }
  return scores;
}

}  // namespace wengert::detail
