#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/profile.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Profile, CountsCallsBytesAndTimesByOp) {
  const Tensor x = ones({100}, float64).requires_grad(true);
  Profile profile;
  sum(exp(exp(x))).backward();
  const auto entries = profile.entries();
  ASSERT_EQ(entries.size(), 2U);
  for (const auto& entry : entries) {
    const bool is_exp = entry.name == "exp";
    EXPECT_EQ(entry.forward_calls, is_exp ? 2 : 1);
    EXPECT_EQ(entry.backward_calls, is_exp ? 2 : 1);
    EXPECT_EQ(entry.bytes, is_exp ? 1600 : 8);
    EXPECT_GT(entry.forward_seconds, 0);
    EXPECT_GT(entry.backward_seconds, 0);
  }
  EXPECT_NE(profile.table().find("exp"), std::string::npos);
}

TEST(Profile, SavesATraceOfEveryCall) {
  const Tensor x = ones({}).requires_grad(true);
  Profile profile;
  exp(x).backward();
  const auto path = std::filesystem::temp_directory_path() / "wengert_profile_test.json";
  profile.save_trace(path.string());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  EXPECT_EQ(text.str().substr(0, 16), "{\"traceEvents\":[");
  EXPECT_NE(text.str().find(R"("name":"exp","cat":"forward","ph":"X")"), std::string::npos);
  EXPECT_NE(text.str().find(R"("name":"exp","cat":"backward","ph":"X")"), std::string::npos);
  expect_error<IoError>([&] { profile.save_trace("/no/such/folder/trace.json"); }, "save_trace: cannot write");
}

TEST(Profile, AddsUpByModuleAndNamesItInTheTrace) {
  struct Quoted : nn::Module {
    nn::Dense layer{2, 2};
    Tensor forward(const Tensor& x) const override { return exp(layer(x)); }
    void visit(nn::Visitor& v) override { v("a \"layer\"", layer); }
  };
  const Quoted net;
  Profile profile;
  sum(net(ones({1, 2}))).backward();
  std::map<std::string, std::int64_t> calls;
  for (const auto& entry : profile.modules()) {
    calls[entry.name] = entry.forward_calls;
    EXPECT_EQ(entry.backward_calls, entry.forward_calls);
  }
  EXPECT_EQ(calls, (std::map<std::string, std::int64_t>{{"", 1}, {"Quoted", 1}, {"a \"layer\" (Dense)", 1}}));
  EXPECT_NE(profile.table().find("a \"layer\" (Dense)"), std::string::npos);
  const auto path = std::filesystem::temp_directory_path() / "wengert_profile_module_test.json";
  profile.save_trace(path.string());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  std::size_t found = 0;
  const std::string wanted = R"json("module":"a \"layer\" (Dense)"}})json";
  for (std::size_t at = text.str().find(wanted); at != std::string::npos; at = text.str().find(wanted, at + 1)) ++found;
  EXPECT_EQ(found, 2U) << "forward and backward\n" << text.str();
}

TEST(Profile, SeesNothingAfterItEnded) {
  const Tensor x = ones({}).requires_grad(true);
  { const Profile profile; }
  EXPECT_NO_THROW(exp(x).backward());
}

}  // namespace
}  // namespace wengert
