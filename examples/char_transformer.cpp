// A small transformer that writes English one character after the other.
//
// Rebuilds: what the notebooks list as next, a transformer. Text: Jane Austen's six novels, 4 million characters
// (`tools/fetch-data text`), the last tenth held out. The model: characters and their positions as vectors of 96, 3
// encoder layers with 4 heads that do not look ahead, each normalised first, GELU; it sees 64 characters. AdamW, a
// learning rate that rises for a tenth of the steps and falls along a cosine; an epoch is 100 steps of 32 pieces of
// text. Reference: none; the loss on the held-out text, in bits a character, is compared with that of bigrams, what the
// character before says, counted in the same training text.

#include <cmath>
#include <span>
#include <string_view>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr std::int64_t context = 64, width = 96, steps_per_epoch = 100, batch = 32;

struct Model : nn::Module {
  explicit Model(std::int64_t characters) : embedding(characters, width), head(width, characters) {}

  nn::Embedding embedding;
  nn::LearnedPositions positions{context, width};
  nn::TransformerEncoder encoder{
      width,
      4,
      {.layers = 3, .layer = {.dropout = 0.1, .activation = nn::TransformerActivation::gelu, .norm_first = true}}};
  nn::Dense head;

  /// [N, L] -> logits of the character that follows each, [N, L, characters].
  Tensor forward(const Tensor& x) const override { return head(encoder(positions(embedding(x)), {.causal = true})); }
  void visit(nn::Visitor& v) override {
    v("embedding", embedding), v("positions", positions), v("encoder", encoder), v("head", head);
  }
};

Tensor loss_of(const Model& model, const datasets::Batch& pieces) {
  return cross_entropy(flatten(model(pieces.x), 0, 1), flatten(pieces.y));
}

double bits(double nats) { return nats / std::log(2.0); }

/// Over `batches` batches of pieces that are spread over a text, in bits a character.
double held_out_loss(Model& model, const datasets::TextCorpus& text, std::int64_t batches) {
  model.eval();
  RunningMean mean_loss;
  const Tensor places =
      arange(0, static_cast<double>(batch * batches), 1, int64) * static_cast<double>(text.size() / (batch * batches));
  for (const Tensor& some : split(places, batch)) {
    mean_loss.add(no_grad([&] { return loss_of(model, text.batch(some.data<std::int64_t>())).item(); }));
  }
  model.train();
  return bits(mean_loss.value());
}

/// Of what the character before says, from counts that begin at 0.1. Both in pieces that do not overlap.
double bigram_loss(const datasets::TextCorpus& train, const datasets::TextCorpus& held_out) {
  const std::int64_t n = train.classes();
  const auto pairs_of = [&](const datasets::TextCorpus& text) {
    const auto [x, y] = text.all();
    return flatten(x * full({}, static_cast<double>(n), int64) + y);
  };
  const Tensor pairs = pairs_of(train);
  const Tensor counts =
      scatter_add(full({n * n}, 0.1, float64), 0, pairs, ones(pairs.shape(), float64)).reshape({n, n});
  const Tensor log_probability = log(counts / sum(counts, {1}, true)).reshape({n * n});
  return bits(-mean(embedding(log_probability, pairs_of(held_out))).item());
}

/// Goes on from `start`, each character drawn with its probability, sharpened a little.
std::string write(Model& model, const datasets::TextCorpus& text, std::string_view start, int count) {
  model.eval();
  std::vector<std::int64_t> numbers = text.encode(start);
  for (int i = 0; i < count; ++i) {
    const std::span seen = std::span(numbers).last(std::min<std::size_t>(numbers.size(), context));
    const Tensor x = from_span<std::int64_t>(seen, {1, static_cast<std::int64_t>(seen.size())});
    numbers.push_back(multinomial(softmax(model(x)[0][-1] / 0.8), 1).item<std::int64_t>());
  }
  model.train();
  return text.decode(numbers);
}

int main(int argc, char** argv) {
  const About about{.name = "char_transformer", .what = "A transformer that writes", .epochs = 20, .quick_epochs = 1};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const datasets::TextCorpus text({.window = context}), apart({.window = context, .stride = context});
    const datasets::TextCorpus train_text = text.part(0, 0.9), held_out_text = apart.part(0.9, 1);
    Model model(text.classes());
    optim::AdamW optimizer(model.parameters(), {.lr = 3e-3, .weight_decay = 0.01});
    const std::int64_t per_epoch = options.quick ? 30 : steps_per_epoch, steps = options.epochs * per_epoch;
    optim::Scheduler schedule(optimizer, optim::schedule::one_cycle(steps, {.warmup = 0.1}));
    ProgressLine progress({.epochs = options.epochs, .steps = per_epoch});
    Curve train{"training", {}}, held_out{"held out", {}};
    for (std::int64_t step = 1; step <= steps; ++step) {
      const Tensor places = randint(0, train_text.size(), {batch});
      const Tensor loss = loss_of(model, train_text.batch(places.data<std::int64_t>()));
      optimizer.zero_grad();
      loss.backward();
      optim::clip_grad_norm(model.parameters(), 1);
      optimizer.step();
      schedule.step();
      progress.step(batch, loss.item());
      if (step % per_epoch == 0) {
        train.values.push_back(bits(progress.progress().loss));
        held_out.values.push_back(held_out_loss(model, held_out_text, 4));
      }
    }
    progress.finish();
    fmt::print("{}\n", plot_curves(options.file("loss.png"), {{"bits a character", {train, held_out}}}).message);
    if (safetensors_available()) nn::save(model, options.file("model.safetensors"));
    fmt::print("\n{}\n\n", no_grad([&] { return write(model, text, "It was ", options.quick ? 40 : 500); }));

    const double reached = held_out_loss(model, held_out_text, options.quick ? 4 : 64),
                 pairs = bigram_loss(apart.part(0, 0.9), held_out_text);
    result.add("held_out_bits", reached);
    result.add("bigram_bits", pairs);
    result.add("parameters", model.parameter_count());
    result.expect(reached <= (options.quick ? 5 : pairs - 1), "a bit less for a character than bigrams need");
  });
}
