// Pictures: the data that are written, what gnuplot makes of them, and what is refused.

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert {
namespace {

bool has_gnuplot() { return std::system("command -v gnuplot >/dev/null") == 0; }

/// Expects a picture of the kind that the path's end says.
void expect_picture(const PlotResult& result, const std::string& path) {
  EXPECT_TRUE(result.drawn) << result.message;
  const std::string content = bytes_of(path);
  if (path.ends_with(".png")) {
    EXPECT_EQ(content.substr(0, 4), "\x89PNG");
  } else {
    EXPECT_NE(content.find("<svg"), std::string::npos);
    EXPECT_TRUE(content.ends_with("</svg>\n\n") || content.ends_with("</svg>\n"))
        << content.substr(content.size() - 20);
  }
}

History some_history() {
  const auto scores = [](double loss, double accuracy) {
    return Evaluation{.loss = loss, .metrics = {{"accuracy", full({}, accuracy, float64)}}};
  };
  History history;
  for (int epoch = 1; epoch <= 3; ++epoch) {
    history.epochs.push_back({.epoch = epoch,
                              .train = scores(20.0 / (epoch * epoch * epoch), 0.2 * epoch),
                              .validation = scores(2.0 / epoch, 0.1 * epoch)});
  }
  return history;
}

TEST(Plots, OfAllKindsAreDrawnAsPngAndSvg) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const Folder folder;
  const Tensor points = from_data({{0, 0}, {1, 2}, {3, 1}});
  const Tensor labels = from_data({0, 1, 0}, int64);
  const auto regions = decision_regions(points, [](const Tensor& x) { return x; }, {.resolution = 20});
  for (const std::string end : {".png", ".svg"}) {
    const std::string path = folder / ("it's a picture" + end);
    expect_picture(plot_history(path, some_history(), {.title = "it's"}), path);
    expect_picture(plot_lines(path, {{"data", {0, 1, 2}, {1, NAN, 3}, LineStyle::points}, {"p", {0, 2}, {1, 3}}},
                              {.title = "it's", .log_y = true, .marks = {{1, "it's here"}}}),
                   path);
    expect_picture(
        plot_heat_maps(path,
                       {{rand({2, 3}), "it's", {"a", "b"}, {"long label", "d", "e'f"}}, {from_data({{1, NAN}}), "two"}},
                       {.title = "both", .x_label = "x"}),
        path);
    expect_picture(plot_scatter(path, points, labels, {.names = {"a", "it's"}, .regions = regions}), path);
    expect_picture(plot_scatter(path, points, labels), path);
    expect_picture(plot_images(path, rand({5, 4, 4}), {.title = "it's", .captions = {"a", "b", "c", "d", "e'"}}), path);
    expect_picture(plot_images(path, rand({2, 3, 4, 4})), path);
  }
}

TEST(Plots, SayWhatThereIsInsteadOfAPicture) {
  const Folder folder;
  const std::string path = folder / "map.png";
  const HeatMap map{from_data({{1, 2}, {3, NAN}})};
  const PlotResult without = plot_heat_maps(path, {map}, {.program = "no-such-gnuplot"});
  EXPECT_FALSE(without.drawn);
  EXPECT_EQ(without.message.find("no picture of the heat maps: no-such-gnuplot is not installed. Their data are in"),
            0U);
  EXPECT_EQ(plot_heat_maps("/nowhere/map.svg", {map}).message,
            "cannot write /nowhere/map.csv and /nowhere/map.gp; the heat maps are not kept");
  EXPECT_EQ(plot_heat_maps(folder / "map.jpg", {map}).message,
            "no picture of the heat maps: '" + folder / "map.jpg" + "' must end in .png or .svg");
  EXPECT_EQ(plot_heat_maps(path, {}).message, "there are no heat maps to draw");
  EXPECT_EQ(plot_lines(path, {}).message, "there are no lines to draw");
  EXPECT_EQ(plot_history(path, {}).message, "there are no curves to draw");
  EXPECT_EQ(plot_images(path, zeros({0, 2, 2})).message, "there are no images to draw");
  EXPECT_EQ(plot_scatter(path, zeros({0, 2}), zeros({0}, int64)).message, "there are no points to draw");
}

TEST(Plots, LeaveAnOlderPictureWhereANewOneFails) {
  const Folder folder;
  const std::string path = folder / "curves.png";
  std::ofstream(path) << "old";
  EXPECT_FALSE(plot_history(path, some_history(), {.program = "false"}).drawn);
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_FALSE(plot_history(path, some_history(), {.program = "true"}).drawn);
  EXPECT_EQ(bytes_of(path), "old");
}

TEST(PlotHistory, HasAPanelForEachMetricWithItsValidation) {
  const std::vector<Panel> panels = panels_of(some_history());
  ASSERT_EQ(panels.size(), 2U);
  EXPECT_EQ(panels[0].y_label, "loss");
  EXPECT_TRUE(panels[0].log_scale);  // from 20 to 0.67
  EXPECT_EQ(panels[1].y_label, "accuracy");
  EXPECT_FALSE(panels[1].log_scale);
  EXPECT_EQ(panels[1].curves[1].name, "validation");
  EXPECT_EQ(panels[1].curves[1].values, (std::vector<double>{0.1, 0.2, 0.1 * 3}));
  EXPECT_TRUE(panels_of({}).empty());
}

TEST(PlotLines, WritesTwoColumnsForEachLine) {
  const Folder folder;
  plot_lines(folder / "lines.png", {{"a,b", {1, 2}, {3, NAN}}, {"c", {5}, {6}}}, {.program = "true"});
  EXPECT_EQ(bytes_of(folder / "lines.csv"), "a b x,a b y,c x,c y\n1,3,5,6\n2,,,\n");
  expect_error<ShapeError>(
      [] {
        plot_lines("x.png", {{"a", {1, 2}, {1}}});
      },
      "plot_lines: 'a' has 2 values of x and 1 of y");
}

TEST(PlotHeatMaps, WriteNumbersThatCanBeReadOnTheirColour) {
  const Folder folder;
  plot_heat_maps(folder / "map.png", {{from_data({{0, 10}, {4, NAN}}, float64)}}, {.decimals = 1, .program = "true"});
  // column, row, value, text, colour of the text: black on bright cells
  EXPECT_EQ(bytes_of(folder / "map.csv"), "0,0,0,0.0,16777215\n1,0,10,10.0,0\n0,1,4,4.0,16777215\n1,1,NaN,-,0\n");
}

TEST(PlotHeatMaps, RefuseWhatIsNoMap) {
  expect_error<ShapeError>([] { plot_heat_maps("x.png", {{zeros({2})}}); }, "values must be [R, C], got [2]");
  expect_error<ShapeError>([] { plot_heat_maps("x.png", {{zeros({0, 2})}}); }, "values must be [R, C], got [0, 2]");
  expect_error<ShapeError>([] { plot_heat_maps("x.png", {{zeros({2, 2}), "", {"a"}}}); }, "1 row labels for 2 rows");
  expect_error<ShapeError>(
      [] {
        plot_heat_maps("x.png", {{zeros({1, 2}), "", {}, {"a"}}});
      },
      "1 column labels for 2 columns");
  expect_error<Error>([] { plot_heat_maps("x.png", {HeatMap{}}); }, "values are undefined");
}

TEST(DecisionRegions, AskForTheMiddlesOfCells) {
  // Class 1 above the diagonal.
  const auto scores = [](const Tensor& x) {
    return cat({x.index({Ellipsis, Slice(0, 1)}), x.index({Ellipsis, Slice(1, 2)})}, 1);
  };
  const DecisionRegions regions = decision_regions(from_data({{0, 0}, {4, 4}}), scores, {.resolution = 4, .margin = 0});
  EXPECT_EQ(regions.left, 0);
  EXPECT_EQ(regions.top, 4);
  EXPECT_EQ(values_of(regions.classes), (std::vector<double>{0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0}));
  const DecisionRegions wide = decision_regions(
      from_data({{0, 0}, {4, 2}}), [](const Tensor& x) { return zeros({x.dim(0)}, int64); }, {.margin = 0.25});
  EXPECT_EQ(wide.left, -1);
  EXPECT_EQ(wide.right, 5);
  EXPECT_EQ(wide.bottom, -0.5);
  EXPECT_EQ(wide.classes.shape(), (Shape{300, 300}));
}

TEST(DecisionRegions, RefuseWhatIsNoPointsAndNoScores) {
  const auto zero = [](const Tensor& x) { return zeros({x.dim(0)}, int64); };
  expect_error<ShapeError>(
      [&] {
        decision_regions(zeros({3, 3}), zero);
      },
      "points must be [N, 2] with N > 0, got [3, 3]");
  expect_error<Error>([&] { decision_regions(full({2, 2}, NAN), zero); }, "no point is finite");
  expect_error<ShapeError>(
      [&] {
        decision_regions(zeros({2, 2}), [](const Tensor& x) { return sum(x); });
      },
      "scores must give labels");
  expect_error<ShapeError>(
      [&] {
        decision_regions(zeros({2, 2}), [&](const Tensor& x) { return zero(x) - 1; });
      },
      "label -1 is out of range");
}

TEST(PlotScatter, RefusesWhatIsNoPointsAndLabels) {
  const Tensor labels = from_data({0, 1}, int64);
  expect_error<ShapeError>([&] { plot_scatter("x.png", zeros({2, 3}), labels); }, "points must be [N, 2], got [2, 3]");
  expect_error<ShapeError>([&] { plot_scatter("x.png", zeros({3, 2}), labels); }, "labels must be [3], got [2]");
  expect_error<DTypeError>([&] { plot_scatter("x.png", zeros({2, 2}), zeros({2})); }, "labels must be int64");
  expect_error<ShapeError>(
      [&] {
        plot_scatter("x.png", zeros({2, 2}), labels, {.names = {"a"}});
      },
      "1 names for 2 classes");
}

TEST(PlotImages, WritesPixelsSideBySide) {
  const Folder folder;
  // One pixel each: enlarged to 84 x 84 with gaps of 8 around.
  plot_images(folder / "images.png", from_data({{{0}}, {{0.5}}}),
              {.columns = 2, .low = 0, .high = 1, .program = "true"});
  const std::string pixels = bytes_of(folder / "images.rgb");
  ASSERT_EQ(pixels.size(), 3U * (2 * 92 + 8) * 100);
  const auto at = [&](std::size_t x, std::size_t y) { return static_cast<unsigned char>(pixels[(y * 192 + x) * 3]); };
  EXPECT_EQ(at(0, 0), 255);
  EXPECT_EQ(at(8, 8), 0);
  EXPECT_EQ(at(91, 91), 0);
  EXPECT_EQ(at(92, 91), 255);
  EXPECT_EQ(at(100, 91), 128);
}

TEST(PlotImages, RefusesWhatIsNoImages) {
  expect_error<ShapeError>([] { plot_images("x.png", zeros({2, 2, 4, 4})); }, "got [2, 2, 4, 4]");
  expect_error<ShapeError>([] { plot_images("x.png", zeros({4, 4})); }, "plot_images: images must be [N, H, W]");
  expect_error<ShapeError>(
      [] {
        plot_images("x.png", zeros({2, 4, 4}), {.captions = {"a"}});
      },
      "1 captions for 2 images");
}

}  // namespace
}  // namespace wengert
