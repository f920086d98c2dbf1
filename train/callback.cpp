#include "train/callback.h"

#include <algorithm>

namespace wengert {

void TrainingRun::stop(std::string reason) {
  if (stopped_.empty()) stopped_ = reason.empty() ? "a callback ended it" : std::move(reason);
}

bool TrainingRun::larger_is_better(std::string_view name) const {
  constexpr std::string_view prefix = "val_";
  const auto direction = [&](std::string_view metric) {
    const auto found = std::ranges::find(directions_, metric, &std::pair<std::string, bool>::first);
    return found != directions_.end() && found->second;
  };
  return direction(name) || (name.starts_with(prefix) && direction(name.substr(prefix.size())));
}

}  // namespace wengert
