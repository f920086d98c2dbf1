#include "datasets/data_loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <wengert/autograd/random.h>
#include <wengert/autograd/tape.h>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {

/// The batches of one epoch: all that a worker needs, whatever becomes of the loader.
class DataLoader::Source {
 public:
  Source(const DataLoader& loader, std::uint64_t epoch)
      : dataset_(loader.dataset_),
        options_(loader.options_),
        epoch_(epoch),
        epoch_seed_(detail::derived_seed(options_.seed, detail::Stream::loader, epoch)) {
    in_order_ = !options_.shuffle && options_.shard.count == 1 && !options_.transform;
    if (in_order_) return;
    const std::int64_t n = dataset_.size();
    if (options_.shuffle) {
      order_ = detail::shuffled(n, options_.seed, detail::Stream::epoch, epoch);
    } else {
      order_.resize(static_cast<std::size_t>(n));
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }
    const auto [index, count] = options_.shard;
    if (count == 1) return;
    const std::int64_t samples = loader.samples();
    for (std::int64_t i = 0; i < samples; ++i) {
      order_[static_cast<std::size_t>(i)] = order_[static_cast<std::size_t>(index + i * count)];
    }
    order_.resize(static_cast<std::size_t>(samples));
  }

  Batch batch(std::int64_t index) const {
    // A generator for each batch, so that what a data set or a transform of the user's draws does not depend on who
    // works; and no tape, whatever the worker's thread has.
    Generator generator(detail::derived_seed(epoch_seed_, detail::Stream::loader, static_cast<std::uint64_t>(index)));
    const GeneratorScope scope(generator);
    const NoGrad guard;
    if (in_order_) {
      const std::int64_t begin = index * options_.batch_size;
      return dataset_.range(begin, std::min(options_.batch_size, dataset_.size() - begin));
    }
    const auto begin = static_cast<std::size_t>(index * options_.batch_size);
    const std::size_t count = std::min(static_cast<std::size_t>(options_.batch_size), order_.size() - begin);
    const std::span<const std::int64_t> indices = std::span(order_).subspan(begin, count);
    Batch batch = dataset_.batch(indices);
    if (!options_.transform) return batch;
    return (*options_.transform)(batch, {.indices = indices, .epoch = epoch_});
  }

 private:
  AnyDataset dataset_;
  DataLoaderOptions options_;
  std::uint64_t epoch_;
  std::uint64_t epoch_seed_;
  bool in_order_ = false;  // batches are stretches of the data set: there is no need to write down the order
  std::vector<std::int64_t> order_;
};

/// Threads that make batches ahead of one that takes them in order. Batch i is made by whoever is free, into place
/// i % places; there are as many places as batches may be ahead.
class DataLoader::Workers {
 public:
  Workers(std::shared_ptr<const Source> source, std::int64_t count, const DataLoaderOptions& options)
      : source_(std::move(source)),
        count_(count),
        places_(static_cast<std::size_t>(std::min<std::int64_t>(
            count, static_cast<std::int64_t>(options.workers) * static_cast<std::int64_t>(options.prefetch)))) {
    const auto threads = std::min<std::size_t>(static_cast<std::size_t>(options.workers), places_.size());
    try {
      for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  /// Waits for batch `index`, which is the first that has not been passed.
  Batch take(std::int64_t index) {
    std::unique_lock lock(mutex_);
    Place& place = place_of(index);
    made_.wait(lock, [&] { return place.index == index; });
    if (place.error) std::rethrow_exception(place.error);
    return place.batch;
  }

  /// Batch `index` will not be asked for any more.
  void pass(std::int64_t index) {
    Batch old;  // let go of outside the lock
    {
      const std::lock_guard lock(mutex_);
      Place& place = place_of(index);
      if (place.index == index) std::swap(old, place.batch);
      passed_ = index + 1;
    }
    room_.notify_one();
  }

 private:
  struct Place {
    std::int64_t index = -1;  // of the batch that is here
    Batch batch;
    std::exception_ptr error;
  };

  Place& place_of(std::int64_t index) { return places_[static_cast<std::size_t>(index) % places_.size()]; }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      room_.wait(lock, [&] {
        return stopped_ || next_ == count_ || next_ < passed_ + static_cast<std::int64_t>(places_.size());
      });
      if (stopped_ || next_ == count_) {
        room_.notify_one();  // the others may be waiting for the same end
        return;
      }
      const std::int64_t index = next_++;
      lock.unlock();
      Place made{.index = index, .batch = {}, .error = {}};
      try {
        made.batch = source_->batch(index);
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      // A batch that was passed before it was there is dropped: its place may be another's by now.
      if (index >= passed_) place_of(index) = std::move(made);
      made_.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  std::shared_ptr<const Source> source_;
  std::int64_t count_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable made_;
  std::vector<Place> places_;
  std::int64_t next_ = 0;    // the first batch that nobody makes yet
  std::int64_t passed_ = 0;  // the first that is still of interest
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

DataLoader::DataLoader(AnyDataset dataset, const DataLoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  check<Error>(options.batch_size >= 1, "DataLoader: batch_size must be at least 1, got {}", options.batch_size);
  check<Error>(options.workers >= 0 && options.workers <= 1024, "DataLoader: workers must be 0 to 1024, got {}",
               options.workers);
  check<Error>(options.prefetch >= 1, "DataLoader: prefetch must be at least 1, got {}", options.prefetch);
  const auto [index, count] = options.shard;
  check<Error>(count >= 1 && index >= 0 && index < count, "DataLoader: there is no shard {} of {}", index, count);
}

/// Of an epoch, in this shard.
std::int64_t DataLoader::samples() const {
  const auto [index, count] = options_.shard;
  const std::int64_t n = dataset_.size();
  return options_.drop_last ? n / count : n / count + (index < n % count ? 1 : 0);
}

std::int64_t DataLoader::size() const {
  const std::int64_t whole = samples() / options_.batch_size;
  const bool partial = samples() % options_.batch_size != 0;
  return partial && !options_.drop_last ? whole + 1 : whole;
}

DataLoader::Iterator::Iterator(const DataLoader& loader, std::uint64_t epoch)
    : source_(std::make_shared<const Source>(loader, epoch)), count_(loader.size()) {
  if (loader.options_.workers > 0 && count_ > 0) {
    workers_ = std::make_shared<Workers>(source_, count_, loader.options_);
  }
}

Batch DataLoader::Iterator::operator*() const { return workers_ ? workers_->take(index_) : source_->batch(index_); }

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  if (workers_) workers_->pass(index_);
  ++index_;
  return *this;
}

}  // namespace wengert::datasets
