// A picture from a few of its singular values.
//
// Rebuilds: a photograph in grey, of which the k = 5, 10, 20, 100, 200, 400, 500 largest singular values and their
// vectors are kept: k (m + n + 1) numbers instead of m n. Reference: pictures; here also the compression rate, the mean
// square deviation and the signal-to-noise ratio in dB. By Eckart and Young (1936) no matrix of rank k comes nearer,
// and the deviation is what the other singular values hold; that is checked. Then, since svd is an op with a gradient:
// values that are missing are filled in, by descent along the gradient of the nuclear norm, the sum of the singular
// values.
//
//   svd_compression [PICTURE]    by default a photograph that tools/fetch-data fetched, or else a synthetic one

#include <cmath>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

/// [H, W], float64, by the weights of ITU-R BT.601.
Tensor in_grey(const Tensor& picture) {
  return sum(picture.to(float64) * from_data({0.299, 0.587, 0.114}, float64).reshape({3, 1, 1}), {0});
}

Tensor resized(const Tensor& x, Size2d size) {
  return interpolate(x.reshape({1, 1, x.dim(0), x.dim(1)}), size, {.mode = InterpolateMode::bilinear})[0][0];
}

double ratio_in_db(const Tensor& x, const Tensor& approximation) {
  return 10 * std::log10(sum(square(x)).item() / sum(square(x - approximation)).item());
}

Tensor of_rank(const SvdResult& f, std::int64_t k) {
  return matmul(slice(f.u, 1, 0, k) * f.s.slice(0, k), f.vt.slice(0, k));
}

/// A third of the pixels is missing; the loss pulls at those that are there, and the nuclear norm at all.
Tensor fill_in(const Tensor& x, const Tensor& known, int steps) {
  const Parameter filled(x * known + 0.5 * (1 - known));
  optim::Adam optimizer({filled}, {.lr = 0.02});
  optim::Scheduler schedule(optimizer, optim::schedule::cosine(steps));
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    const Tensor loss = matrix_norm(filled, MatrixNorm::nuclear) + 50 * sum(square(known * (filled - x)));
    loss.backward();
    optimizer.step();
    schedule.step();
  }
  return filled.value().detach();
}

int main(int argc, char** argv) {
  const About about{.name = "svd_compression",
                    .what = "A picture from a few of its singular values",
                    .epochs = 60,
                    .quick_epochs = 10,
                    .files = "a picture"};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    Tensor x = in_grey(load_picture(options));
    if (options.quick) x = resized(x, 160);
    const std::int64_t m = x.dim(0), n = x.dim(1);
    save_image(options.file("original.png"), x);

    const SvdResult f = svd(x);
    fmt::print("{} x {} pixels in grey\n    k  compression  mean square deviation  SNR in dB\n", m, n);
    bool as_eckart_and_young = true;
    for (const std::int64_t k : {5, 10, 20, 100, 200, 400, 500}) {
      if (k > f.s.dim(0)) {
        fmt::print("{:5}  there are only {} singular values\n", k, f.s.dim(0));
        continue;
      }
      const Tensor approximation = of_rank(f, k);
      const double compression = static_cast<double>(m * n) / static_cast<double>(k * (m + n + 1));
      const double deviation = mean(square(x - approximation)).item();
      const double left = sum(square(f.s.slice(k, f.s.dim(0)))).item() / static_cast<double>(m * n);
      as_eckart_and_young = as_eckart_and_young && std::abs(deviation - left) <= 1e-9 * left + 1e-20;
      fmt::print("{:5}  {:11.2f}  {:21.2e}  {:9.1f}\n", k, compression, deviation, ratio_in_db(x, approximation));
      save_image(options.file(fmt::format("rank_{}.png", k)), approximation);
      if (k == 100) result.add("snr_of_rank_100", ratio_in_db(x, approximation), 2);
    }
    const Tensor part = resized(x, 96);
    const Tensor known = (rand(part.shape(), float64) < 2.0 / 3);
    const Tensor filled = fill_in(part, known, options.epochs);
    const auto error = [&](const Tensor& guess) {
      return std::sqrt(sum((1 - known) * square(guess - part)).item() / sum(1 - known).item());
    };
    const double before = error(full({}, 0.5, float64)), after = error(filled);
    fmt::print("a third of the pixels of a small copy filled in: root mean square error {:.3f}, of grey {:.3f}\n",
               after, before);
    save_image(options.file("missing.png"), part * known);
    save_image(options.file("filled.png"), filled);
    fmt::print("pictures: {}/*.png\n", options.out.string());

    result.add("fill_in_error", after);
    result.add("as_eckart_and_young", as_eckart_and_young ? "yes" : "no");
    result.expect(as_eckart_and_young, "the deviation is what the singular values left out hold");
    result.expect(after < (options.quick ? 0.9 : 0.5) * before, "the nuclear norm fills in half of what is missing");
  });
}
