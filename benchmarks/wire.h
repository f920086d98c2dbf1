#pragma once

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

/// How the benchmarks and the process that runs libtorch talk: lines of text through a pipe, and arrays of numbers in
/// the machine's own format. Used on both sides, so it knows neither's tensors.

namespace wengert::bench {

/// Numbers, row-major: floats, or integers if `labels` has any.
struct Array {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> numbers = {};
  std::vector<std::int64_t> labels = {};
};

/// The start of a training problem, the same for all sides.
struct Problem {
  std::string model;                ///< what to build, as the sides know it
  std::vector<Array> weights = {};  ///< in the order in which gradients are compared
  std::vector<Array> data = {};     ///< one batch
  double learning_rate = 1e-6;      ///< so small that the work stays the same however long it runs
};

namespace wire {

inline void write_bytes(std::FILE* to, const void* data, std::size_t bytes) {
  if (std::fwrite(data, 1, bytes, to) != bytes) throw std::runtime_error("the pipe cannot be written to");
}

inline void read_bytes(std::FILE* from, void* data, std::size_t bytes) {
  if (std::fread(data, 1, bytes, from) != bytes) throw std::runtime_error("the pipe ended too early");
}

inline void write_line(std::FILE* to, const std::string& line) {
  write_bytes(to, line.data(), line.size());
  write_bytes(to, "\n", 1);
  std::fflush(to);
}

/// Without the newline.
inline std::string read_line(std::FILE* from) {
  std::string line;
  for (int c = std::fgetc(from); c != '\n'; c = std::fgetc(from)) {
    if (c == EOF) throw std::runtime_error("the pipe ended too early");
    line.push_back(static_cast<char>(c));
  }
  return line;
}

template <class T>
void write_list(std::FILE* to, const std::vector<T>& list) {
  const std::uint64_t size = list.size();
  write_bytes(to, &size, sizeof size);
  write_bytes(to, list.data(), size * sizeof(T));
}

template <class T>
std::vector<T> read_list(std::FILE* from) {
  std::uint64_t size = 0;
  read_bytes(from, &size, sizeof size);
  std::vector<T> list(size);
  read_bytes(from, list.data(), size * sizeof(T));
  return list;
}

inline void write_arrays(std::FILE* to, const std::vector<Array>& arrays) {
  write_line(to, std::to_string(arrays.size()));
  for (const Array& array : arrays) {
    write_line(to, array.name);
    write_list(to, array.shape);
    write_list(to, array.numbers);
    write_list(to, array.labels);
  }
  std::fflush(to);
}

inline std::vector<Array> read_arrays(std::FILE* from) {
  std::vector<Array> arrays(std::stoul(read_line(from)));
  for (Array& array : arrays) {
    array.name = read_line(from);
    array.shape = read_list<std::int64_t>(from);
    array.numbers = read_list<float>(from);
    array.labels = read_list<std::int64_t>(from);
  }
  return arrays;
}

inline void write_problem(std::FILE* to, const Problem& problem) {
  write_line(to, problem.model);
  write_line(to, std::to_string(problem.learning_rate * 1e9));
  write_arrays(to, problem.weights);
  write_arrays(to, problem.data);
}

inline Problem read_problem(std::FILE* from) {
  Problem problem;
  problem.model = read_line(from);
  problem.learning_rate = std::stod(read_line(from)) / 1e9;
  problem.weights = read_arrays(from);
  problem.data = read_arrays(from);
  return problem;
}

}  // namespace wire
}  // namespace wengert::bench
