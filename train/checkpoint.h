#pragma once

#include <string>
#include <string_view>

#include <wengert/autograd/random.h>
#include <wengert/io/state_dict.h>

namespace wengert {

/// \file
/// Several states in one, for checkpoints of hand-written loops:
/// \code
///   StateDict all;
///   add_part(all, "model", model.state_dict());
///   add_part(all, "optimizer", optimizer.state_dict());
///   add_part(all, "random", random_state());
///   save_safetensors("run.safetensors", all);
///   ...
///   model.load_state_dict(part_of(all, "model"));
///   set_random_state(part_of(all, "random"));
/// \endcode

/// Adds all tensors of `part` as "<name>.<...>".
void add_part(StateDict& all, std::string_view name, const StateDict& part);
/// The tensors that were added as "<name>.<...>", under their own names; empty if there are none.
StateDict part_of(const StateDict& all, std::string_view name);

/// The state of a generator as a tensor "state", [2] int64.
StateDict random_state(const Generator& generator = default_generator());
/// Throws Error unless `state` is what `random_state` gives.
void set_random_state(const StateDict& state, Generator& generator = default_generator());

}  // namespace wengert
