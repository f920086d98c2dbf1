#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <wengert/train.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert {
namespace {

/// What `f(out)` writes.
template <class F>
std::string written_by(F&& f) {
  std::FILE* out = std::tmpfile();
  f(out);
  std::string text(static_cast<std::size_t>(std::ftell(out)), '\0');
  std::rewind(out);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), out), text.size());
  std::fclose(out);
  return text;
}

TEST(Accuracy, IsTheShareOfRightPredictions) {
  const Tensor labels = from_data({0, 1, 2, 1}, int64);
  EXPECT_EQ(accuracy(from_data({0, 1, 1, 1}, int64), labels), 0.75);
  const Tensor logits = from_data({{5, 1, 1}, {0, 2, 1}, {3, 2, 1}, {1, 2, 3}});
  EXPECT_EQ(accuracy(logits, labels), 0.5);
}

TEST(Accuracy, RejectsWhatIsNotPredictionsAndLabels) {
  const Tensor labels = from_data({0, 1}, int64);
  expect_error<DTypeError>([&] { accuracy(zeros({2, 3}), zeros({2})); }, "accuracy: labels must be int64, got float32");
  expect_error<ShapeError>([&] { accuracy(zeros({3, 2}), labels); }, "accuracy: 3 predictions for 2 labels");
  expect_error<DTypeError>([&] { accuracy(zeros({2}), labels); }, "predicted labels must be int64, got float32");
  expect_error<ShapeError>(
      [&] {
        accuracy(zeros({2, 1, 3}), labels);
      },
      "predicted must be labels [N] or scores [N, K], got [2, 1, 3]");
  expect_error<ShapeError>([&] { accuracy(labels, zeros({2, 1}, int64)); }, "labels must be [N], got [2, 1]");
  expect_error<ShapeError>([&] { accuracy(zeros({0, 3}), zeros({0}, int64)); }, "accuracy: there are no samples");
  expect_error<Error>([&] { accuracy(Tensor(), labels); }, "accuracy: predicted is undefined");
}

TEST(ConfusionMatrix, CountsWhatWasTakenForWhat) {
  const Tensor matrix = confusion_matrix(from_data({0, 2, 2, 1}, int64), from_data({0, 1, 2, 1}, int64), 3);
  EXPECT_EQ(matrix.shape(), (Shape{3, 3}));
  EXPECT_EQ(values_of(matrix), (std::vector<double>{1, 0, 0, 0, 1, 1, 0, 0, 1}));
  EXPECT_EQ(values_of(confusion_matrix(zeros({0}, int64), zeros({0}, int64), 1)), std::vector<double>{0});
}

TEST(ConfusionMatrix, RejectsLabelsOutOfRange) {
  const Tensor labels = from_data({0, 1}, int64);
  expect_error<ShapeError>(
      [&] {
        confusion_matrix(from_data({0, 2}, int64), labels, 2);
      },
      "confusion_matrix: predicted label 2 is out of range for 2 classes");
  expect_error<ShapeError>(
      [&] {
        confusion_matrix(labels, from_data({0, -1}, int64), 2);
      },
      "confusion_matrix: true label -1 is out of range for 2 classes");
  expect_error<ShapeError>([&] { confusion_matrix(labels, labels, 0); }, "classes must be at least 1, got 0");
}

TEST(ConfusionMatrix, IsPrintedAsAnAlignedTable) {
  const Tensor matrix = from_data({{10, 0}, {2, 198}}, int64);
  EXPECT_EQ(format_confusion_matrix(matrix, {"cat", "dog"}),
            "truth \\ predicted  cat dog recall %\n"
            "              cat   10   .      100\n"
            "              dog    2 198       99\n"
            "      precision % 83.3 100\n");
}

TEST(ConfusionMatrix, HasADashWhereThereAreNoSamples) {
  EXPECT_EQ(format_confusion_matrix(from_data({{0, 0}, {0, 3}}, int64)),
            "truth \\ predicted 0   1 recall %\n"
            "                0 0   .        -\n"
            "                1 .   3      100\n"
            "      precision % - 100\n");
  expect_error<ShapeError>([] { format_confusion_matrix(zeros({2, 3}, int64)); }, "must be [K, K], got [2, 3]");
  expect_error<ShapeError>([] { format_confusion_matrix(zeros({2, 2}, int64), {"a"}); }, "1 names for 2 classes");
}

TEST(RunningMean, WeighsWhatItIsGiven) {
  RunningMean mean;
  EXPECT_TRUE(std::isnan(mean.value()));
  mean.add(1, 3);
  mean.add(5);
  EXPECT_EQ(mean.value(), 2);
  mean.clear();
  EXPECT_TRUE(mean.empty());
}

TEST(Progress, IsOneLineOfFixedColumns) {
  Progress progress{.epoch = 3,
                    .epochs = 20,
                    .step = 12,
                    .steps = 123,
                    .loss = 0.12344,
                    .accuracy = 0.5,
                    .samples_per_second = 12345.6,
                    .seconds_left = 65};
  EXPECT_EQ(format_progress(progress),
            "epoch  3/20  step  12/123  loss 0.1234  accuracy 0.5000   12346 samples/s  ETA 1:05");
  progress.accuracy.reset();
  progress.seconds_left = std::nan("");
  EXPECT_EQ(format_progress(progress), "epoch  3/20  step  12/123  loss 0.1234   12346 samples/s  ETA -:--");
}

TEST(Progress, WritesDurationsForPeople) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(754), "12:34");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(-1), "-:--");
  EXPECT_EQ(format_duration(std::nan("")), "-:--");
  EXPECT_EQ(format_duration(HUGE_VAL), "-:--");
}

TEST(ProgressLine, AveragesOverTheEpochBySamples) {
  written_by([](std::FILE* out) {
    ProgressLine line({.epochs = 2, .steps = 2, .out = out});
    EXPECT_EQ(line.progress().step, 0);
    line.step(30, 1.0, 0.5);
    line.step(10, 5.0, 0.9);
    EXPECT_EQ(line.progress().loss, 2.0);
    EXPECT_DOUBLE_EQ(*line.progress().accuracy, 0.6);
    EXPECT_EQ(line.progress().epoch, 1);
    EXPECT_EQ(line.progress().step, 2);
    line.step(30, 0.25);
    EXPECT_EQ(line.progress().loss, 0.25);
    EXPECT_FALSE(line.progress().accuracy.has_value());
    EXPECT_EQ(line.progress().epoch, 2);
    EXPECT_EQ(line.progress().step, 1);
    EXPECT_GT(line.progress().samples_per_second, 0);
  });
}

TEST(ProgressLine, WritesPlainLinesNowAndThenIntoAFile) {
  const std::string text = written_by([](std::FILE* out) {
    ProgressLine line({.epochs = 1, .steps = 100, .out = out, .seconds_between_lines = 1000});
    for (int i = 0; i < 100; ++i) line.step(1, 1.0);
    line.finish();
    line.finish();
  });
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_TRUE(text.starts_with("epoch 1/1  step   1/100  loss 1.0000")) << text;
  EXPECT_NE(text.find("\nepoch 1/1  step 100/100  loss 1.0000"), std::string::npos) << text;
  EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos);
}

TEST(ProgressLine, WritesALineForEveryStepIfAskedTo) {
  const std::string text = written_by([](std::FILE* out) {
    ProgressLine line({.epochs = 1, .steps = 5, .out = out, .seconds_between_lines = 0});
    for (int i = 0; i < 5; ++i) line.step(1, 1.0);
  });
  EXPECT_EQ(std::ranges::count(text, '\n'), 5);
}

TEST(ProgressLine, OverwritesOneLineOnATerminal) {
  const std::string text = written_by([](std::FILE* out) {
    ProgressLine line({.epochs = 1, .steps = 3, .out = out, .updating = true});
    for (int i = 0; i < 3; ++i) line.step(1, 1.0);
  });
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_TRUE(text.starts_with("\r\x1b[Kepoch 1/1  step 1/3"));
  EXPECT_NE(text.rfind("\r\x1b[Kepoch 1/1  step 3/3"), std::string::npos);
}

TEST(ProgressLine, WritesNothingWithoutASingleStep) {
  EXPECT_EQ(written_by([](std::FILE* out) { ProgressLine({.epochs = 1, .steps = 3, .out = out}); }), "");
  expect_error<Error>([] { ProgressLine({.epochs = 0, .steps = 3}); },
                      "epochs and steps must be at least 1, got 0 epochs of 3 steps");
}

bool handles_interrupts() {
  struct sigaction action = {};
  ::sigaction(SIGINT, nullptr, &action);
  return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

/// A background job, as a test run may be, inherits an ignored SIGINT.
class InterruptGuardTest : public ::testing::Test {
 protected:
  InterruptGuardTest() : before_(::signal(SIGINT, SIG_DFL)) {}
  ~InterruptGuardTest() override { ::signal(SIGINT, before_); }

 private:
  void (*before_)(int);
};
using InterruptGuardDeathTest = InterruptGuardTest;

TEST_F(InterruptGuardTest, TurnsTheFirstInterruptIntoAFlag) {
  {
    const InterruptGuard interrupt;
    EXPECT_FALSE(interrupt.requested());
    ::raise(SIGINT);
    EXPECT_TRUE(interrupt.requested());
    EXPECT_FALSE(handles_interrupts());  // the next one ends the program
  }
  const InterruptGuard again;
  EXPECT_FALSE(again.requested());
  EXPECT_TRUE(handles_interrupts());
}

TEST_F(InterruptGuardDeathTest, EndsTheProgramAtTheSecondInterrupt) {
  EXPECT_EXIT(
      {
        const InterruptGuard interrupt;
        ::raise(SIGINT);
        ::raise(SIGINT);
        std::exit(0);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

TEST_F(InterruptGuardTest, MayEndInAnyOrder) {
  auto first = std::make_unique<InterruptGuard>();
  auto second = std::make_unique<InterruptGuard>();
  first.reset();
  EXPECT_TRUE(handles_interrupts());
  ::raise(SIGINT);
  EXPECT_TRUE(second->requested());
  second.reset();
  EXPECT_FALSE(handles_interrupts());
}

int interrupts_seen = 0;

TEST_F(InterruptGuardTest, RestoresTheHandlerThatWasThere) {
  struct sigaction own = {};
  own.sa_handler = [](int) { ++interrupts_seen; };
  ::sigaction(SIGINT, &own, nullptr);
  {
    const InterruptGuard interrupt;
    { const InterruptGuard inner; }
    ::raise(SIGINT);
    EXPECT_TRUE(interrupt.requested());
    EXPECT_EQ(interrupts_seen, 0);
    const InterruptGuard inner;
    EXPECT_TRUE(inner.requested());
  }
  ::raise(SIGINT);
  EXPECT_EQ(interrupts_seen, 1);
}

TEST_F(InterruptGuardTest, LeavesAnIgnoredInterruptIgnored) {
  ::signal(SIGINT, SIG_IGN);
  const InterruptGuard interrupt;
  ::raise(SIGINT);
  EXPECT_FALSE(interrupt.requested());
}

TEST(DrawImages, GivesEachPixelTwoShadedCharacters) {
  EXPECT_EQ(draw_images(from_data({{{0, 1}, {2, 4}}})), "  ░░\n▒▒██\n");
  EXPECT_EQ(draw_images(from_data({{{{-8, 3}}}}, float64)), "  ██\n");
  EXPECT_EQ(draw_images(full({1, 1, 2}, 7)), "\n");
  EXPECT_EQ(draw_images(from_data({{{-HUGE_VAL, 0, 1, std::nan(""), HUGE_VAL}}})), "    ██??██\n");
}

TEST(DrawImages, PutsImagesSideBySideAndBelow) {
  const Tensor images = from_data({{{1, 0}}, {{0, 1}}, {{1, 0}}});
  EXPECT_EQ(draw_images(images, {.captions = {"a", "größer", "c"}, .columns = 11}),
            "██       ██\n"
            "a      größ\n"
            "\n"
            "██\n"
            "c\n");
  EXPECT_EQ(draw_images(images, {.columns = 1}), "██\n\n  ██\n\n██\n");
  EXPECT_EQ(draw_images(zeros({0, 8, 8})), "");
}

TEST(DrawImages, RejectsWhatIsNotGreyImages) {
  expect_error<ShapeError>(
      [] {
        draw_images(zeros({8, 8}));
      },
      "draw_images: images must be [N, H, W] or [N, 1, H, W], got [8, 8]");
  expect_error<ShapeError>([] { draw_images(zeros({2, 3, 8, 8})); }, "got [2, 3, 8, 8]");
  expect_error<ShapeError>([] { draw_images(zeros({2, 8, 8}), {.captions = {"one"}}); }, "1 captions for 2 images");
}

const std::vector<Panel> two_panels{{.y_label = "loss", .curves = {{"train", {2, 1, 0.5}}}, .log_scale = true},
                                    {.y_label = "it's, new", .curves = {{"a", {0.1, NAN}}, {"b", {0.25}}}}};

TEST(PlotCurves, WritesDataAndScriptAndSaysSoWithoutGnuplot) {
  const Folder folder;
  const PlotResult result = plot_curves(folder / "curves.png", two_panels, {.program = "no-such-gnuplot"});
  EXPECT_FALSE(result.drawn);
  EXPECT_NE(result.message.find("no-such-gnuplot is not installed. Their data are in " + folder / "curves.csv"),
            std::string::npos)
      << result.message;
  EXPECT_EQ(bytes_of(folder / "curves.csv"),
            "epoch,loss train,it's  new a,it's  new b\n1,2,0.1,0.25\n2,1,,\n3,0.5,,\n");
  EXPECT_NE(bytes_of(folder / "curves.gp").find("set ylabel 'it''s, new'"), std::string::npos);
}

TEST(PlotCurves, ReportsAProgramThatFails) {
  const Folder folder;
  EXPECT_NE(plot_curves(folder / "curves.png", two_panels, {.program = "false"}).message.find("false failed"),
            std::string::npos);
  EXPECT_NE(plot_curves(folder / "curves.png", two_panels, {.program = "true"}).message.find("true failed"),
            std::string::npos);
}

TEST(PlotCurves, NeverThrows) {
  EXPECT_EQ(plot_curves("/nowhere/curves.png", two_panels).message,
            "cannot write /nowhere/curves.csv and /nowhere/curves.gp; the curves are not kept");
  EXPECT_EQ(plot_curves("curves.png", {}).message, "there are no curves to draw");
  EXPECT_EQ(plot_curves("curves.png", {{.y_label = "loss", .curves = {}}}).message, "there are no curves to draw");
}

TEST(PlotCurves, DrawsAPictureWithGnuplot) {
  if (std::system("command -v gnuplot >/dev/null") != 0) GTEST_SKIP() << "gnuplot is not installed";
  const Folder folder;
  const PlotResult result = plot_curves(folder / "curves.png", two_panels, {.title = "it's"});
  EXPECT_TRUE(result.drawn) << result.message;
  EXPECT_EQ(bytes_of(folder / "curves.png").substr(0, 4), "\x89PNG");
}

}  // namespace
}  // namespace wengert
