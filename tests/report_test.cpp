#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <wengert/train/report.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert {
namespace {

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t number = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++number;
  return number;
}

Report full_report() {
  return {.title = "Digits & <more>",
          .configuration = {{"learning rate", "0.1"}, {"note", "\"quoted\" <b>'s"}},
          .panels = {{"loss", {{"train", {1.0, 0.1, 0.01}}, {"validation", {2.0, NAN, 0.5}}}, true},
                     {"accuracy", {{"train", {0.5, 0.75, 1.0}}}}},
          .confusion = from_data({{8, 2}, {0, 5}}, int64),
          .classes = {"cat", "dog"},
          .samples = {.images = arange(8).reshape({2, 2, 2}), .captions = {"a cat", "a dog"}, .wrong = {false, true}},
          .model = "Dense(2, 2)"};
}

TEST(Report, IsOnePageThatNeedsNothingElse) {
  const std::string html = html_report(full_report());
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_TRUE(html.ends_with("</body></html>\n"));
  EXPECT_EQ(count(html, "http"), 0U);
  EXPECT_EQ(count(html, "<script"), 0U);
  for (const char* heading : {"Configuration", "Curves", "Confusion matrix", "Samples", "Model"}) {
    EXPECT_EQ(count(html, "<h2>" + std::string(heading)), 1U) << heading;
  }
}

TEST(Report, EscapesTexts) {
  const std::string html = html_report(full_report());
  EXPECT_EQ(count(html, "Digits &amp; &lt;more&gt;"), 2U);
  EXPECT_EQ(count(html, "&quot;quoted&quot; &lt;b&gt;&#39;s"), 1U);
  EXPECT_EQ(count(html, "<more>"), 0U);
}

TEST(Report, DrawsCurvesWithHolesWhereTheyHaveNoNumbers) {
  const std::string html = html_report(full_report());
  EXPECT_EQ(count(html, "<svg"), 2U);
  EXPECT_EQ(count(html, "<polyline"), 4U) << "one each, and two for the curve with a hole";
  // From (1, low) at the lower left to (3, high) at the upper right.
  EXPECT_EQ(count(html, "points=\"56.0,262.0 263.0,146.0 470.0,30.0 \""), 1U) << html;
  EXPECT_EQ(count(html, "nan"), 0U);
}

TEST(Report, ShowsTheMatrixWithRecall) {
  const std::string html = html_report(full_report());
  EXPECT_EQ(count(html, "<th>cat</th>"), 2U);
  EXPECT_EQ(count(html, ">8</td>"), 1U);
  EXPECT_EQ(count(html, "<td>0.800</td>"), 1U);
  EXPECT_EQ(count(html, "<td>1.000</td>"), 1U);
}

TEST(Report, HoldsImagesAsBitmaps) {
  const std::string html = html_report({.samples = {.images = from_data({{{0.0, 1.0}}})}});
  // BM, 62 bytes in all, 54 of header, 2 x 1 pixels of 24 bits: black, white, two bytes of padding.
  EXPECT_EQ(
      count(html, "base64,Qk0+AAAAAAAAADYAAAAoAAAAAgAAAAEAAAABABgAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAA////AAA=\""), 1U)
      << html;
  EXPECT_EQ(count(html_report(full_report()), "<img"), 2U);
  EXPECT_EQ(count(html_report(full_report()), "class=\"wrong\""), 1U);
}

TEST(Report, TakesWhatHasNoNumbersOrOneOnly) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const bool log_scale : {false, true}) {
    for (const std::vector<double>& values : {std::vector<double>{}, std::vector<double>{3.0},
                                              std::vector<double>{NAN, infinity}, std::vector<double>{0.0}}) {
      const std::string html = html_report({.panels = {{"loss", {{"train", values}}, log_scale}}});
      EXPECT_EQ(count(html, "<svg"), 1U);
      EXPECT_EQ(count(html, "nan") + count(html, "inf"), 0U) << html;
    }
  }
  EXPECT_EQ(count(html_report({}), "<h2>"), 0U);
}

TEST(Report, RejectsPartsThatDoNotFit) {
  expect_error<ShapeError>(
      [] {
        html_report({.confusion = zeros({2, 3})});
      },
      "report: the confusion matrix is [2, 3], expected [K, K]");
  expect_error<ShapeError>(
      [] {
        html_report({.confusion = zeros({2, 2}), .classes = {"a"}});
      },
      "report: 1 names for 2 classes");
  expect_error<ShapeError>(
      [] {
        html_report({.samples = {.images = zeros({2, 2})}});
      },
      "report: the images are [2, 2], expected [N, H, W]");
  expect_error<ShapeError>(
      [] {
        html_report({.samples = {.images = zeros({2, 2, 2}), .captions = {"a"}}});
      },
      "report: 1 captions for 2 images");
}

TEST(Report, IsWrittenWholeOrNotAtAll) {
  const Folder folder;
  write_report(folder / "report.html", full_report());
  EXPECT_EQ(bytes_of(folder / "report.html"), html_report(full_report()));
  expect_error<IoError>([&] { write_report(folder / "missing/report.html", full_report()); }, "write_report");
}

}  // namespace
}  // namespace wengert
