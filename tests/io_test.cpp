#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <wengert/autograd/ops.h>
#include <wengert/io.h>

#include "tests/expect.h"

namespace wengert {
namespace {

/// A folder of its own, gone afterwards.
class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    if (!safetensors_available()) GTEST_SKIP() << "built without nlohmann_json";
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) / (std::string("wengert_io_test_") + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::string path(const char* name = "file.safetensors") const { return folder_ / name; }

  std::string bytes() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void set_bytes(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

  /// A file of this header, with its length in front, and this many bytes of data.
  void set_file(const std::string& header, std::size_t data) const {
    const std::uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    set_bytes(bytes + header + std::string(data, '\0'));
  }

  /// Expects the error to name the file and to say `text`.
  void expect_rejected(const std::string& header, std::size_t data, const std::string& text) const {
    set_file(header, data);
    expect_error<IoError>([&] { load_safetensors(path()); }, "load_safetensors: '" + path() + "': " + text);
  }

  std::size_t files_in_folder() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder_;
};

const StateDict& sample() {
  static const StateDict state{{"weight", from_data({{1.5, -2}, {3, 4}, {5, 6}})},
                               {"steps", from_data(7, int64)},
                               {"empty", zeros({0, 3})},
                               {"naïve \"name\"\n", from_data({0.1, 0.2}, float64)}};
  return state;
}

TEST_F(Safetensors, GivesBackNamesShapesTypesAndNumbers) {
  save_safetensors(path(), sample());
  const StateDict loaded = load_safetensors(path());
  EXPECT_EQ(loaded.size(), sample().size());
  for (const auto& [name, tensor] : sample()) {
    EXPECT_EQ(loaded.at(name).shape(), tensor.shape()) << name;
    EXPECT_EQ(loaded.at(name).dtype(), tensor.dtype()) << name;
    EXPECT_EQ(values_of(loaded.at(name)), values_of(tensor)) << name;
  }
}

TEST_F(Safetensors, KeepsTheOrderOfTensorsOfOneType) {
  StateDict state;
  for (const char* name : {"z", "a", "m", "b"}) state.set(name, ones({2}));
  save_safetensors(path(), state);
  std::string order;
  for (const auto& [name, tensor] : load_safetensors(path())) order += name;
  EXPECT_EQ(order, "zamb");
}

TEST_F(Safetensors, HoldsNoTensorsAtAll) {
  save_safetensors(path(), StateDict());
  EXPECT_TRUE(load_safetensors(path()).empty());
}

TEST_F(Safetensors, WritesTheFormatToTheByte) {
  save_safetensors(path(), {{"a", from_data({1, 2})}, {"b", from_data(3, int64)}});
  const std::string header =
      R"({"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})";
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(padded);
  expected += header + std::string(padded - header.size(), ' ');
  const std::int64_t b = 3;
  const float a[] = {1, 2};
  expected.append(reinterpret_cast<const char*>(&b), sizeof b);
  expected.append(reinterpret_cast<const char*>(a), sizeof a);
  EXPECT_EQ(bytes(), expected);
}

TEST_F(Safetensors, ReadsWhatOthersWrite) {
  set_file(R"({"__metadata__":{"format":"pt"},"t":{"shape":[2],"data_offsets":[0,8],"dtype":"F32","note":1}}   )", 8);
  EXPECT_EQ(values_of(load_safetensors(path()).at("t")), (std::vector<double>{0, 0}));
}

TEST_F(Safetensors, WritesAViewAsItsOwnElements) {
  save_safetensors(path(), {{"row", from_data({{1, 2}, {3, 4}})[1]}});
  EXPECT_EQ(values_of(load_safetensors(path()).at("row")), (std::vector<double>{3, 4}));
}

TEST_F(Safetensors, RejectsWhatTheFormatCannotHold) {
  expect_error<Error>(
      [&] {
        save_safetensors(path(), {{"x", Tensor()}});
      },
      "save_safetensors: tensor 'x' is undefined");
  expect_error<Error>(
      [&] {
        save_safetensors(path(), {{"__metadata__", ones({1})}});
      },
      "save_safetensors: a tensor cannot be named __metadata__");
  expect_error<Error>([&] { save_safetensors(path(), {{"\xff", ones({1})}}); }, "a name is not valid UTF-8");
  EXPECT_EQ(files_in_folder(), 0U);
}

TEST_F(Safetensors, ReplacesAFileWholeAndLeavesNothingBeside) {
  save_safetensors(path(), {{"old", ones({100})}});
  save_safetensors(path(), {{"new", ones({1})}});
  EXPECT_TRUE(load_safetensors(path()).contains("new"));
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Safetensors, AFailedWriteLeavesTheOldFile) {
  save_safetensors(path(), sample());
  const std::string before = bytes();
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{.rlim_cur = 1000, .rlim_max = limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  expect_error<IoError>(
      [&] {
        save_safetensors(path(), {{"large", ones({10'000})}});
      },
      "save_safetensors: '" + path() + "' cannot be written: ");
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Safetensors, SaysWhereItCannotWrite) {
  const std::string nowhere = path("missing/file");
  expect_error<IoError>([&] { save_safetensors(nowhere, sample()); },
                        "save_safetensors: '" + nowhere + "' cannot be written: ");
  std::filesystem::create_directories(path("folder/inside"));
  expect_error<IoError>([&] { save_safetensors(path("folder"), sample()); }, "cannot be written: it is not a file");
  EXPECT_EQ(files_in_folder(), 1U);
}

TEST_F(Safetensors, SaysWhatCannotBeRead) {
  expect_error<IoError>([&] { load_safetensors(path()); },
                        "load_safetensors: '" + path() + "': it cannot be opened: No such file or directory");
  expect_error<IoError>([&] { load_safetensors(folder_); }, "it is not a file");
  set_bytes("short");
  expect_error<IoError>([&] { load_safetensors(path()); }, "it has 5 bytes, too few for a safetensors file");
}

TEST_F(Safetensors, RejectsABadHeader) {
  expect_rejected("", 0, "the header does not begin with '{'");
  expect_rejected(" {}", 0, "the header does not begin with '{'");
  expect_rejected("{", 0, "the header is not valid JSON: ");
  expect_rejected("{}}", 0, "the header is not valid JSON: ");
  expect_rejected("{\"\xff\":1}", 0, "the header is not valid JSON: ");
  expect_rejected(R"({"a":1})", 0, "tensor 'a' is not described by an object");
  expect_rejected(R"({"__metadata__":{"a":1}})", 0, "__metadata__ is not an object of strings");
  expect_rejected(R"({"__metadata__":"a"})", 0, "__metadata__ is not an object of strings");
  expect_rejected("{\"a\":" + std::string(100'000, '['), 0, "the header is nested too deep");
  set_bytes(std::string(8, '\xff') + "{}");
  expect_error<IoError>([&] { load_safetensors(path()); }, "the header's length is 18446744073709551615, more than");
  set_bytes(std::string("\x10\0\0\0\0\0\0\0{}", 10));
  expect_error<IoError>([&] { load_safetensors(path()); }, "the header has 16 bytes, but only 2 follow");
}

TEST_F(Safetensors, RejectsNamesThatComeTwice) {
  expect_rejected(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                  R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                  0, "the header has the name 'a' twice");
  expect_rejected(R"({"a":{"dtype":"F32","dtype":"F64","shape":[0],"data_offsets":[0,0]}})", 0,
                  "the header has the name 'dtype' twice");
}

TEST_F(Safetensors, RejectsATensorThatMakesNoSense) {
  const auto header = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  const std::string f32 = R"("F32")";
  expect_rejected(header(R"("BF16")", "[2]", "[0,4]"), 4,
                  "tensor 't' has dtype \"BF16\"; F32, F64 and I64 can be read");
  expect_rejected(header("32", "[2]", "[0,4]"), 4, "tensor 't' has dtype 32;");
  expect_rejected(header(f32, "2", "[0,8]"), 8, "tensor 't': shape must be a list of at most 8 sizes");
  expect_rejected(header(f32, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "tensor 't': shape must be a list");
  expect_rejected(header(f32, "[-2]", "[0,8]"), 8, "tensor 't': -2 in its shape is not a size");
  expect_rejected(header(f32, "[2.0]", "[0,8]"), 8, "tensor 't': 2.0 in its shape is not a size");
  expect_rejected(header(f32, "[9223372036854775808]", "[0,8]"), 8, "tensor 't': 9223372036854775808 in its shape");
  expect_rejected(header(f32, "[4294967296,4294967296]", "[0,8]"), 8, "tensor 't': shape: ");
  expect_rejected(header(f32, "[4611686018427387904]", "[0,8]"), 8, "tensor 't': shape: ");
  expect_rejected(header(f32, "[1099511627776]", "[0,8]"), 8, "tensor 't' of float32 [1099511627776] has 8");
  expect_rejected(header(f32, "[2]", "[0]"), 8, "tensor 't': data_offsets must be two numbers");
  expect_rejected(header(f32, "[2]", "[0,-8]"), 8, "tensor 't': data_offsets must be two numbers");
  expect_rejected(header(f32, "[2]", "[8,0]"), 8, "tensor 't' ends at 0, before it begins at 8");
  expect_rejected(header(f32, "[2]", "[0,8]"), 7, "tensor 't' ends at byte 8 of 7; the file is cut short");
  expect_rejected(header(f32, "[3]", "[0,8]"), 8, "tensor 't' of float32 [3] has 8 bytes");
  expect_rejected(header(f32, "[2]", "[0,9]"), 9, "tensor 't' of float32 [2] has 9 bytes");
  expect_rejected(header(f32, "[2]", "[4,12]"), 12, "tensor 't' begins at 4, leaving a gap from 0");
  expect_rejected(header(f32, "[2]", "[0,8]"), 12, "4 bytes follow the last tensor");
  expect_rejected(R"({"t":{"shape":[2],"data_offsets":[0,8]}})", 8, "tensor 't' has dtype null;");
}

TEST_F(Safetensors, RejectsTensorsThatOverlap) {
  expect_rejected(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                  12, "tensor 'b' begins at 4, inside the one before it");
}

TEST_F(Safetensors, CutAtAnyByteIsRejected) {
  save_safetensors(path(), sample());
  const std::string whole = bytes();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    set_bytes(whole.substr(0, length));
    expect_error<IoError>([&] { load_safetensors(path()); }, path());
  }
}

TEST_F(Safetensors, WithAnyByteChangedIsReadOrRejectedButNeverWorse) {
  save_safetensors(path(), sample());
  const std::string whole = bytes();
  std::mt19937 random(1);
  int rejected = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      std::string changed = whole;
      changed[at] = static_cast<char>(attempt == 0 ? changed[at] ^ 1 : static_cast<int>(random() % 256));
      set_bytes(changed);
      try {
        load_safetensors(path());
      } catch (const IoError& error) {
        EXPECT_NE(std::string(error.what()).find(path()), std::string::npos) << error.what();
        ++rejected;
      }
    }
  }
  EXPECT_GT(rejected, 200);
}

}  // namespace
}  // namespace wengert
