#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

struct DataLoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = true;
  std::uint64_t seed = 0;  ///< of the order
  bool drop_last = false;  ///< leave out a last batch of fewer samples than the others
};

/// Gives a data set in batches: `for (auto [x, y] : loader)`. Each loop is a new epoch, in a new order if `shuffle`;
/// the order of an epoch depends on the seed, the epoch's number and the size alone. Loops may overlap.
class DataLoader {
 public:
  class Iterator;
  class Epoch;

  /// Throws Error if batch_size < 1.
  explicit DataLoader(AnyDataset dataset, const DataLoaderOptions& options = {});

  /// The number of batches in an epoch.
  std::int64_t size() const;
  const AnyDataset& dataset() const { return dataset_; }
  const DataLoaderOptions& options() const { return options_; }

  /// Begins the next epoch; its number is how many were begun before.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

  /// The batches of an epoch of any number, whatever was begun before.
  Epoch epoch(std::uint64_t number) const;
  /// The number of the epoch that `begin` begins next; set it to go on where another run has ended.
  std::uint64_t next_epoch() const { return next_epoch_; }
  void set_next_epoch(std::uint64_t number) { next_epoch_ = number; }

 private:
  Batch batch(const std::vector<std::int64_t>& order, std::int64_t index) const;

  AnyDataset dataset_;
  DataLoaderOptions options_;
  std::uint64_t next_epoch_ = 0;
};

/// Stands at a batch, which is gathered when asked for. Valid as long as its loader.
class DataLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  Iterator() = default;

  Batch operator*() const { return loader_->batch(*order_, index_); }
  Iterator& operator++() {
    ++index_;
    return *this;
  }
  void operator++(int) { ++index_; }
  bool operator==(std::default_sentinel_t) const { return index_ == count_; }

 private:
  friend class DataLoader;
  friend class DataLoader::Epoch;
  Iterator(const DataLoader& loader, std::uint64_t epoch);

  const DataLoader* loader_ = nullptr;
  std::shared_ptr<const std::vector<std::int64_t>> order_;
  std::int64_t index_ = 0;
  std::int64_t count_ = 0;
};

class DataLoader::Epoch {
 public:
  Iterator begin() const { return Iterator(*loader_, number_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class DataLoader;
  Epoch(const DataLoader& loader, std::uint64_t number) : loader_(&loader), number_(number) {}

  const DataLoader* loader_;
  std::uint64_t number_;
};

inline DataLoader::Iterator DataLoader::begin() { return Iterator(*this, next_epoch_++); }
inline DataLoader::Epoch DataLoader::epoch(std::uint64_t number) const { return Epoch(*this, number); }

}  // namespace wengert::datasets
