#include <cstring>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;

void check_inputs(const char* op, const std::vector<Tensor>& tensors) {
  check(!tensors.empty(), "{}: there is nothing to join, the list of tensors is empty", op);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    check<Error>(tensors[i].defined(), "{}: tensor {} is undefined", op, i);
    check<DTypeError>(tensors[i].dtype() == tensors[0].dtype(),
                      "{}: tensor 0 is {} and tensor {} is {}; convert one with .to(dtype)", op, tensors[0].dtype(), i,
                      tensors[i].dtype());
  }
}

/// Copies tensors [outer, size_i, inner] side by side into `result`, [outer, sum of size_i, inner].
void join(const std::vector<Tensor>& tensors, std::int64_t outer, const Tensor& result) {
  if (result.numel() == 0) return;
  const std::size_t bytes = size_of(result.dtype());
  const auto stride = static_cast<std::size_t>(result.numel() / outer) * bytes;
  auto* to = Access::mutable_data<std::byte>(result);
  for (const Tensor& tensor : tensors) {
    const auto run = static_cast<std::size_t>(tensor.numel() / outer) * bytes;
    const auto* from = Access::data<std::byte>(tensor);
    for (std::size_t o = 0; o < static_cast<std::size_t>(outer); ++o) std::memcpy(to + o * stride, from + o * run, run);
    to += run;
  }
}

/// Records the joined tensor; `part(g, i, rows)` is the piece of the gradient that belongs to input i.
template <class F>
Tensor record_join(const char* op, const std::vector<Tensor>& tensors, Tensor result, F part) {
  auto rule = [part = std::move(part), count = tensors.size()](std::span<const Tensor> g, const std::uint8_t* needed,
                                                               Rows rows) {
    std::vector<Tensor> gradients(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (needed[i]) gradients[i] = part(g[0], i, rows);
    }
    return gradients;
  };
  return record(op, std::vector<Tensor>{std::move(result)}, wrt_all(tensors, std::move(rule)))[0];
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int axis) {
  check_inputs("cat", tensors);
  const Shape& first = tensors[0].shape();
  axis = normalize_axis("cat", axis, first.rank());
  std::vector<std::int64_t> ends;  // of each tensor, along the axis of the result
  ends.reserve(tensors.size());
  std::int64_t size = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Shape& shape = tensors[i].shape();
    check(shape.rank() == first.rank() && shape.with(axis, first[axis]) == first,
          "cat: tensor {} has shape {}, tensor 0 has {}; they must agree on all axes but {}", i, shape, first, axis);
    ends.push_back(size += shape[axis]);
  }
  Tensor result = Access::allocate(first.with(axis, size), tensors[0].dtype());
  join(tensors, first.numel(0, axis), result);
  return record_join("cat", tensors, std::move(result),
                     [axis, ends = std::move(ends)](const Tensor& g, std::size_t i, Rows rows) {
                       return slice(g, rows.axis(axis), i == 0 ? 0 : ends[i - 1], ends[i]);
                     });
}

Tensor stack(const std::vector<Tensor>& tensors, int axis) {
  check_inputs("stack", tensors);
  const Shape& first = tensors[0].shape();
  axis = normalize_axis("stack", axis, first.rank() + 1);
  check(first.rank() < Shape::max_rank, "stack: tensors of shape {} already have 8 axes, the most there can be", first);
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    check(tensors[i].shape() == first, "stack: tensor {} has shape {}, tensor 0 has {}; they must be equal", i,
          tensors[i].shape(), first);
  }
  Tensor result = Access::allocate(first.inserted(axis, static_cast<std::int64_t>(tensors.size())), tensors[0].dtype());
  join(tensors, first.numel(0, axis), result);
  return record_join("stack", tensors, std::move(result), [axis](const Tensor& g, std::size_t i, Rows rows) {
    return select(g, rows.axis(axis), static_cast<std::int64_t>(i));
  });
}

}  // namespace wengert
