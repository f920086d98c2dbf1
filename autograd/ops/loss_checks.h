#pragma once

#include <cstdint>
#include <optional>

#include <wengert/autograd/tensor.h>

namespace wengert::detail {

/// Throws unless a loss of `input` and `target`, floats of one shape, has something to be the mean of.
void check_loss_inputs(const char* op, const char* input_name, const Tensor& input, const Tensor& target);

/// Throws unless each of the int64 `labels` is one of `classes`, or the label that is ignored.
void check_label_range(const char* op, const Tensor& labels, std::int64_t classes,
                       std::optional<std::int64_t> ignored = {});

}  // namespace wengert::detail
