// A small transformer that writes English one character after the other.
//
// Rebuilds: what the notebooks list as next, a transformer. Text: the Jargon File 4.4.7, in the public domain, 1.4
// million characters (`tools/fetch-data text`), the last tenth held out. The model: characters and their positions as
// vectors of 96, 3 encoder layers with 4 heads that do not look ahead, each normalised first, GELU; it sees 64
// characters. AdamW, a learning rate that rises for a tenth of the steps and falls along a cosine; an epoch is 100
// steps of 32 pieces of text. Reference: none; the loss on the held-out text, in bits a character, is compared with
// what the character before predicts (bigrams, counted in the same training text).

#include <cmath>
#include <fstream>
#include <iterator>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr std::int64_t context = 64, width = 96, steps_per_epoch = 100, batch = 32;

/// A text as numbers of its characters (bytes), from 0.
struct Text {
  std::string alphabet = {};
  Tensor train = {}, held_out = {};

  std::int64_t size() const { return static_cast<std::int64_t>(alphabet.size()); }
};

Text read(const std::string& path, double held_out_share) {
  std::ifstream file(path, std::ios::binary);
  check<IoError>(file.is_open(), "cannot read {}; tools/fetch-data text fetches it", path);
  const std::string characters{std::istreambuf_iterator<char>(file), {}};
  Text text;
  std::vector<std::int64_t> number(256, -1), numbers;
  for (const char c : characters) {
    std::int64_t& n = number[static_cast<unsigned char>(c)];
    if (n < 0) n = text.size(), text.alphabet += c;
    numbers.push_back(n);
  }
  const auto split = static_cast<std::int64_t>(static_cast<double>(numbers.size()) * (1 - held_out_share));
  const Tensor all = from_vector(numbers);
  text.train = all.slice(0, split);
  text.held_out = all.slice(split, all.dim(0));
  return text;
}

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

/// The mean loss of all characters of the pieces [N, context + 1] but their first.
Tensor loss_of(const Model& model, const Tensor& pieces) {
  const Tensor logits = model(slice(pieces, 1, 0, context));
  return cross_entropy(flatten(logits, 0, 1), flatten(slice(pieces, 1, 1, context + 1)));
}

Tensor random_pieces(const Tensor& text, std::int64_t count) {
  const Tensor begin = randint(0, text.dim(0) - context, {count, 1});
  return embedding(text, begin + arange(0, context + 1, 1, int64));
}

double bits(double nats) { return nats / std::log(2.0); }

/// Over pieces spread over a text, in bits a character.
double held_out_loss(Model& model, const Tensor& text, int batches) {
  model.eval();
  RunningMean mean_loss;
  const Tensor pieces = unfold(text, 0, context + 1, (text.dim(0) - context - 1) / (batch * batches));
  for (std::int64_t i = 0; i < batches; ++i) {
    mean_loss.add(no_grad([&] { return loss_of(model, pieces.slice(batch * i, batch * (i + 1))).item(); }));
  }
  model.train();
  return bits(mean_loss.value());
}

/// Of the character before, from counts that all begin at 0.1.
double bigram_loss(const Text& text) {
  const auto pair_of = [&](const Tensor& t) {
    return t.slice(0, -1) * full({}, static_cast<double>(text.size()), int64) + t.slice(1, t.dim(0));
  };
  const std::int64_t n = text.size();
  const Tensor pairs = pair_of(text.train);
  const Tensor counts =
      scatter_add(full({n * n}, 0.1, float64), 0, pairs, ones({pairs.dim(0)}, float64)).reshape({n, n});
  const Tensor log_probability = log(counts / sum(counts, {1}, true)).reshape({n * n});
  return bits(-mean(embedding(log_probability, pair_of(text.held_out))).item());
}

/// Goes on from `start`, each character drawn with its probability, sharpened a little.
std::string write(Model& model, const Text& text, std::string start, int count) {
  model.eval();
  for (int i = 0; i < count; ++i) {
    std::vector<std::int64_t> numbers;
    for (const char c : start.substr(start.size() - std::min<std::size_t>(start.size(), context))) {
      numbers.push_back(static_cast<std::int64_t>(text.alphabet.find(c)));
    }
    const Tensor logits = model(unsqueeze(from_vector(numbers), 0))[0][-1];
    start += text.alphabet[multinomial(softmax(logits / 0.8), 1).item<std::size_t>()];
  }
  model.train();
  return start;
}

int main(int argc, char** argv) {
  const About about{.name = "char_transformer", .what = "A transformer that writes", .epochs = 20, .quick_epochs = 1};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const Text text = read(fetched_file("text/jargon.txt"), 0.1);
    Model model(text.size());
    optim::AdamW optimizer(model.parameters(), {.lr = 3e-3, .weight_decay = 0.01});
    const std::int64_t per_epoch = options.quick ? 30 : steps_per_epoch, steps = options.epochs * per_epoch;
    optim::Scheduler schedule(optimizer, optim::schedule::one_cycle(steps, {.warmup = 0.1}));
    ProgressLine progress({.epochs = options.epochs, .steps = per_epoch});
    Curve train{"training", {}}, held_out{"held out", {}};
    for (std::int64_t step = 1; step <= steps; ++step) {
      const Tensor loss = loss_of(model, random_pieces(text.train, batch));
      optimizer.zero_grad();
      loss.backward();
      optim::clip_grad_norm(model.parameters(), 1);
      optimizer.step();
      schedule.step();
      progress.step(batch, loss.item());
      if (step % per_epoch == 0) {
        train.values.push_back(bits(progress.progress().loss));
        held_out.values.push_back(held_out_loss(model, text.held_out, 4));
      }
    }
    progress.finish();
    fmt::print("{}\n", plot_curves(options.file("loss.png"), {{"bits a character", {train, held_out}}}).message);
    if (safetensors_available()) nn::save(model, options.file("model.safetensors"));
    fmt::print("\n{}\n\n", no_grad([&] { return write(model, text, "The hacker ", options.quick ? 40 : 500); }));

    const double reached = held_out_loss(model, text.held_out, options.quick ? 4 : 64), pairs = bigram_loss(text);
    result.add("held_out_bits", reached);
    result.add("bigram_bits", pairs);
    result.add("parameters", model.parameter_count());
    result.expect(reached <= (options.quick ? 5 : pairs - 1), "a bit less for a character than bigrams need");
  });
}
