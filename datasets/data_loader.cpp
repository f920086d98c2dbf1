#include "datasets/data_loader.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {

DataLoader::DataLoader(AnyDataset dataset, const DataLoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  check<Error>(options.batch_size >= 1, "DataLoader: batch_size must be at least 1, got {}", options.batch_size);
}

std::int64_t DataLoader::size() const {
  const std::int64_t whole = dataset_.size() / options_.batch_size;
  const bool partial = dataset_.size() % options_.batch_size != 0;
  return partial && !options_.drop_last ? whole + 1 : whole;
}

Batch DataLoader::batch(const std::vector<std::int64_t>& order, std::int64_t index) const {
  const std::int64_t begin = index * options_.batch_size;
  const std::int64_t count = std::min(options_.batch_size, dataset_.size() - begin);
  return dataset_.batch(std::span(order).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)));
}

DataLoader::Iterator::Iterator(const DataLoader& loader, std::uint64_t epoch)
    : loader_(&loader), count_(loader.size()) {
  const DataLoaderOptions& options = loader.options_;
  const std::int64_t n = loader.dataset_.size();
  std::vector<std::int64_t> order;
  if (options.shuffle) {
    order = detail::shuffled(n, options.seed, detail::Stream::epoch, epoch);
  } else {
    order.resize(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  order_ = std::make_shared<const std::vector<std::int64_t>>(std::move(order));
}

}  // namespace wengert::datasets
