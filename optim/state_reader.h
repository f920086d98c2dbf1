#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <wengert/io/state_dict.h>

namespace wengert::optim {

/// Takes named tensors out of a state dict and notes what does not fit, for an error that lists all of it.
class StateReader {
 public:
  explicit StateReader(const StateDict& state) : state_(state) {}

  bool contains(const std::string& name) const { return state_.contains(name); }
  /// The tensor of that name; undefined, and a problem, unless it is there with this shape and dtype.
  Tensor take(const std::string& name, const Shape& shape, DType dtype);
  /// An integer >= 0; 0 if there is a problem.
  std::int64_t take_count(const std::string& name);
  /// A number; 0 if there is a problem.
  double take_number(const std::string& name);
  /// `count` finite numbers >= 0; zeros if there is a problem.
  std::vector<double> take_rates(const std::string& name, std::size_t count);

  void add_problem(std::string_view text);
  /// Throws Error "load_state_dict: the state does not fit `what`:" with all problems, one a line, and all tensors that
  /// nobody took. Does nothing if the state fits.
  void finish(std::string_view what) const;

 private:
  const StateDict& state_;
  std::vector<std::string> taken_;
  std::string problems_;
};

}  // namespace wengert::optim
