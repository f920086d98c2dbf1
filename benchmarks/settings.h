#pragma once

#include <string>

namespace wengert::bench {

/// What the command line says, beside Google Benchmark's own flags.
struct Settings {
  bool quick = false;      ///< --quick: fewer and shorter repetitions, and without the longest lines
  bool peers = true;       ///< --no-peers: leave libtorch and oneDNN out
  int threads = 1;         ///< --threads=N: of Wengert, the peers and the peak; the hand-written sides have one
  std::string json = {};   ///< --json=PATH: the table as JSON
  std::string plots = {};  ///< --plots=FOLDER: where pictures go
  std::string docs = {};   ///< --docs=PATH: a page whose block of text becomes what was printed
  double slice = 20e6;     ///< nanoseconds that one side's turn lasts at least
  int repetitions = 15;
};

Settings& settings();

}  // namespace wengert::bench
