// correlate2d and both of its gradients, as a percentage of the machine's multiply-adds; beside im2col with OpenBLAS
// ("hand") and what libtorch takes for it, oneDNN ("peer").

#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/columns.h"
#include "benchmarks/models/model.h"
#include "benchmarks/peer.h"

namespace wengert::bench {

namespace {

enum class Direction : std::uint8_t { forward, input, kernel };

Contenders correlation_contenders(const Images& images, Direction direction) {
  const auto& s = images;
  Draw draw;
  const Array x = draw.uniform("x", {s.batch, s.channels, s.side, s.side}, -1, 1);
  const Array kernel = draw.uniform("kernel", {s.maps, s.channels, s.kernel, s.kernel}, -1, 1);
  const Array g = draw.uniform("g", {s.batch, s.maps, s.out_side(), s.out_side()}, -1, 1);
  const ConvOptions options{.stride = s.stride, .padding = s.padding};

  Contenders sides{.bound = Bound::arithmetic, .amount = s.operations()};
  const auto hand = std::make_shared<Columns>(s, x.numbers, kernel.numbers, g.numbers);
  std::vector<float> ours;
  const auto take = [&](auto step_ours, auto step_hand, const std::vector<float>& result) {
    step_hand();
    ours = to_vector(step_ours());
    require_same("correlation, ours and im2col", ours, result);
    sides.ours = timed(step_ours);
    sides.hand = timed(step_hand);
  };
  const char* name = "";
  const Tensor tx = to_tensor(x);
  const Tensor tk = to_tensor(kernel);
  const Tensor tg = to_tensor(g);
  switch (direction) {
    case Direction::forward:
      name = "forward";
      take([=] { return correlate2d(tx, tk, options); }, [hand] { hand->forward(); }, hand->output());
      break;
    case Direction::input:
      name = "input";
      take([=, shape = tx.shape()] { return correlate2d_input_gradient(tg, tk, shape, options); },
           [hand] { hand->input_gradient(); }, hand->to_input());
      break;
    case Direction::kernel:
      name = "kernel";
      take([=, shape = tk.shape()] { return correlate2d_kernel_gradient(tx, tg, shape, options); },
           [hand] { hand->kernel_gradient(); }, hand->to_kernel());
      break;
  }
  if (has_peer()) {
    const Peer peer({.model = fmt::format("correlate2d {} {} {}", name, s.stride, s.padding), .data = {x, kernel, g}});
    require_same("correlation, ours and libtorch", ours, peer.results().at(0).numbers);
    sides.peer = peer.timed();
  }
  return sides;
}

}  // namespace

void register_correlation_benchmarks() {
  struct Case {
    const char* name;
    Images images;
  };
  // batch, channels, side, maps, kernel, stride, padding
  const Case cases[] = {
      {"LeNet 1-6 5x5", {64, 1, 28, 6, 5, 1, 2}},         {"LeNet 6-16 5x5", {64, 6, 14, 16, 5, 1, 0}},
      {"ResNet 3-64 7x7 /2", {4, 3, 224, 64, 7, 2, 3}},   {"ResNet 64-64 1x1", {4, 64, 56, 64, 1, 1, 0}},
      {"ResNet 64-64 3x3", {4, 64, 56, 64, 3, 1, 1}},     {"ResNet 64-256 1x1", {4, 64, 56, 256, 1, 1, 0}},
      {"ResNet 128-128 3x3", {4, 128, 28, 128, 3, 1, 1}}, {"ResNet 256-512 1x1 /2", {4, 256, 56, 512, 1, 2, 0}},
      {"ResNet 256-256 3x3", {4, 256, 14, 256, 3, 1, 1}}, {"ResNet 512-512 3x3", {4, 512, 7, 512, 3, 1, 1}},
  };
  for (const Case& each : cases) {
    for (const auto& [name, direction] : {std::pair{"forward", Direction::forward},
                                          {"input gradient", Direction::input},
                                          {"kernel gradient", Direction::kernel}}) {
      compare({.name = fmt::format("correlate2d {} {}", each.name, name), .batch = each.images.batch},
              [images = each.images, direction = direction] { return correlation_contenders(images, direction); });
    }
  }
}

}  // namespace wengert::bench
