#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>

#include <wengert/datasets/dataset.h>
#include <wengert/datasets/transforms.h>

namespace wengert::datasets {

struct DataLoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = true;
  std::uint64_t seed = 0;  ///< of the order
  bool drop_last = false;  ///< leave out a last batch of fewer samples than the others
  /// Of several processes with the same seed: this one takes samples index, index + count ... of the common order.
  /// Their numbers differ by at most 1; with drop_last they are equal.
  struct Shard {
    std::int64_t index = 0;
    std::int64_t count = 1;
  };
  Shard shard = {};
  /// Threads that gather and transform batches ahead of the loop; 0: the loop does it when it asks for a batch. The
  /// batches are the same whatever the number.
  int workers = 0;
  int prefetch = 2;  ///< batches that each worker may be ahead
  std::optional<Transform> transform =
      {};  ///< of each batch; knows the epoch. Its `default_generator` is the batch's own
};

/// Gives a data set in batches: `for (auto [x, y] : loader)`. Each loop is a new epoch, in a new order if `shuffle`;
/// the order of an epoch depends on the seed, the epoch's number and the size alone. Loops may overlap. A loop over
/// `workers` may be left at any time; what a worker throws is thrown by the loop at that batch.
class DataLoader {
 public:
  class Iterator;
  class Epoch;

  /// Throws Error if batch_size < 1, workers < 0, prefetch < 1, or the shard is not one of its count.
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
  class Source;
  class Workers;
  std::int64_t samples() const;

  AnyDataset dataset_;
  DataLoaderOptions options_;
  std::uint64_t next_epoch_ = 0;
};

/// Stands at a batch, which is gathered when asked for, or has been by a worker. Copies share the workers, which end
/// with the last of them; only one of the copies may go on.
class DataLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  Iterator() = default;

  Batch operator*() const;
  Iterator& operator++();
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return index_ == count_; }

 private:
  friend class DataLoader;
  friend class DataLoader::Epoch;
  Iterator(const DataLoader& loader, std::uint64_t epoch);

  std::shared_ptr<const Source> source_;
  std::shared_ptr<Workers> workers_;  // none if the loop gathers itself
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
