#pragma once

#include <cstdint>
#include <string>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

struct DigitsOptions {
  std::string file = {};  ///< digits.csv or digits.csv.gz; where it is looked for if empty: datasets/README.md
  bool raw = false;       ///< values 0 to 16 as in the file, instead of 0 to 1
  DType dtype = float32;  ///< of x; float32 or float64
};

/// 1797 handwritten digits: x: [1797, 1, 8, 8], y: labels [1797]. The test part of "Optical Recognition of Handwritten
/// Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0.
class Digits : public TensorDataset {
 public:
  static constexpr std::int64_t count = 1797;
  static constexpr std::int64_t side = 8;

  /// Throws IoError naming the file and what is wrong with it: missing, cut short, a row, a column, a value.
  explicit Digits(const DigitsOptions& options = {});
};

}  // namespace wengert::datasets
