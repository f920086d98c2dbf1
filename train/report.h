#pragma once

#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>
#include <wengert/train/plot.h>

namespace wengert {

/// Some samples as a report shows them.
struct ReportSamples {
  Tensor images;                           ///< [N, H, W], [N, 1, H, W] or [N, 3, H, W]
  std::vector<std::string> captions = {};  ///< N of them, or none
  std::vector<bool> wrong = {};            ///< N of them, or none: which predictions are marked as wrong
};

/// What a report says. Parts that are empty are left out.
struct Report {
  std::string title = "Training run";
  std::vector<std::pair<std::string, std::string>> configuration = {};  ///< names and values, in this order
  std::vector<Panel> panels = {};                                       ///< `panels_of(history)`, or any others
  Tensor confusion = {};                                                ///< [K, K]; truth by row, prediction by column
  std::vector<std::string> classes = {};                                ///< K names; the numbers if empty
  ReportSamples samples = {};
  std::string model = {};  ///< `model.summary(...)`
};

/// The report as one HTML page that needs nothing else: curves are drawn inside it, images are part of it, and it
/// follows the reader's choice of light or dark. Texts are escaped. Throws ShapeError for a confusion matrix that is
/// not [K, K], images that are not as above, and lists of another length.
std::string html_report(const Report& report);

/// Writes it, whole or not at all. Throws IoError if that can't be done, and as above.
void write_report(const std::string& path, const Report& report);

}  // namespace wengert
