#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// Expects `f()` to throw E (or a class derived from it) with `text` in its message.
template <class E, class F>
void expect_error(F&& f, std::string_view text) {
  try {
    f();
  } catch (const E& error) {
    EXPECT_NE(std::string_view(error.what()).find(text), std::string_view::npos)
        << "  message: " << error.what() << "\n  lacks:   " << text;
    return;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another type of exception: " << error.what();
    return;
  }
  ADD_FAILURE() << "did not throw; expected an error with: " << text;
}

/// The text of the E that `f()` throws.
template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

/// All elements as double.
inline std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values;
  dispatch(tensor.dtype(), [&]<class T>() {
    for (const T value : tensor.data<T>()) values.push_back(static_cast<double>(value));
  });
  return values;
}

}  // namespace wengert
