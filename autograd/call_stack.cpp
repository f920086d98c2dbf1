#include "autograd/detail/call_stack.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#endif

#ifdef WENGERT_BACKTRACE_HEADER
#include WENGERT_BACKTRACE_HEADER
#endif

namespace wengert::detail {

namespace {

/// What is known of a call. One address may stand for several, if functions were inlined.
struct Call {
  std::string file;  // empty without debug information
  int line = 0;
  std::string function;  // mangled or not, or empty
  std::string symbol;    // mangled: the function that the address lies in, into which this one may be inlined
};

// ---------------------------------------------------------------------------------------------------------------------
// From an address to what is known of it.

#ifdef WENGERT_BACKTRACE_HEADER

/// libbacktrace's view of this program, made once. It cannot be freed.
backtrace_state* state() {
  static backtrace_state* const made = backtrace_create_state(
      nullptr, 1, [](void*, const char*, int) {}, nullptr);
  return made;
}

/// The calls at an address, the innermost first.
std::vector<Call> calls_at(std::uintptr_t address) {
  std::vector<Call> calls;
  if (!state()) return calls;
  const auto ignore = [](void*, const char*, int) {};
  backtrace_pcinfo(
      state(), address,
      [](void* list, std::uintptr_t, const char* file, int line, const char* function) {
        if (file) static_cast<std::vector<Call>*>(list)->push_back({file, line, function ? function : "", {}});
        return 0;
      },
      ignore, &calls);
  std::string symbol;
  backtrace_syminfo(
      state(), address,
      [](void* text, std::uintptr_t, const char* name, std::uintptr_t, std::uintptr_t) {
        if (name) *static_cast<std::string*>(text) = name;
      },
      ignore, &symbol);
  if (calls.empty() && !symbol.empty()) calls.push_back({{}, 0, symbol, {}});
  for (Call& call : calls) call.symbol = symbol;
  return calls;
}

constexpr bool can_see_lines = true;

#else

/// Names of exported functions only.
std::vector<Call> calls_at(std::uintptr_t address) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(address), &info) == 0 || !info.dli_sname) return {};
  return {{{}, 0, info.dli_sname, info.dli_sname}};
}

constexpr bool can_see_lines = false;

#endif

/// "program+0x1234", as addr2line takes it.
std::string place_in_file(std::uintptr_t address) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(address), &info) == 0 || !info.dli_fname) return fmt::format("{:#x}", address);
  return fmt::format("{}+{:#x}", info.dli_fname, address - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
}

std::string demangled(const std::string& function) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(function.c_str(), nullptr, nullptr, &status), &std::free);
  return text ? text.get() : function;
}

// ---------------------------------------------------------------------------------------------------------------------
// Whose call it is.

/// The folders of the library's own files, in its source tree and where its headers are installed.
constexpr std::string_view floors[] = {"autograd/", "io/", "datasets/", "nn/", "optim/", "train/"};

bool starts_with_floor(std::string_view path) {
  return std::ranges::any_of(floors, [&](std::string_view floor) { return path.starts_with(floor); });
}

/// Whether a mangled name is in namespace wengert or std. (Names of the Itanium ABI: a template's readable name starts
/// with its return type, the mangled one does not.)
bool is_library_function(std::string_view mangled) {
  if (!mangled.starts_with("_Z")) return false;
  mangled.remove_prefix(2);
  while (mangled.starts_with('Z')) mangled.remove_prefix(1);  // local to a function
  if (mangled.starts_with('N')) {
    mangled.remove_prefix(1);
    while (!mangled.empty() && std::string_view("rVKRO").find(mangled[0]) != std::string_view::npos) {
      mangled.remove_prefix(1);
    }
  }
  return mangled.starts_with("7wengert") || mangled.starts_with("St") || mangled.starts_with("9__gnu_cxx");
}

/// Whether the call's file belongs to the library or to the standard library: a line in it says nothing to the user.
bool is_in_library_file(const Call& call) {
  const std::string path = std::filesystem::path(call.file).lexically_normal().string();
#ifdef WENGERT_SOURCE_DIR
  constexpr std::string_view root = WENGERT_SOURCE_DIR "/";
  if (path.starts_with(root) && starts_with_floor(std::string_view(path).substr(root.size()))) return true;
#endif
  // As ccache leaves paths: relative to a folder that is not known here. A user's folder may have the name of a floor.
  std::string_view inside = path;
  while (inside.starts_with("../")) inside.remove_prefix(3);
  if (starts_with_floor(inside) && is_library_function(call.symbol)) return true;

  constexpr std::string_view include = "include/wengert/";
  const std::size_t found = path.rfind(include);
  return (found != std::string::npos && starts_with_floor(std::string_view(path).substr(found + include.size()))) ||
         path.find("/include/c++/") != std::string::npos;
}

bool is_users(const Call& call) {
  return call.file.empty() ? !call.function.empty() && !is_library_function(call.function) : !is_in_library_file(call);
}

constexpr const char* hint = can_see_lines ? "compile with -g to see the line"
                                           : "the line is unknown: this Wengert was built without libbacktrace";

}  // namespace

CallStack CallStack::here() noexcept {
  CallStack stack;
#if __has_include(<execinfo.h>)
  stack.count_ = ::backtrace(stack.returns_.data(), max_calls);
#endif
  return stack;
}

std::string CallStack::user_line() const {
  // Inside of the library's own calls there may be others: a sanitizer wraps `backtrace`.
  bool in_library = false;
  for (int i = 0; i < count_; ++i) {
    // The call lies before the address that it returns to.
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(returns_[static_cast<std::size_t>(i)]) - 1;
    for (const Call& call : calls_at(address)) {
      in_library = in_library || !is_users(call);
      if (!in_library || !is_users(call)) continue;
      const std::string function = demangled(call.function);
      if (call.file.empty()) return fmt::format("{}, {} ({})", function, place_in_file(address), hint);
      return fmt::format("{}:{}{}", call.file, call.line, function.empty() ? "" : fmt::format(" ({})", function));
    }
  }
  return count_ == 0
             ? "an unknown line: this platform has no call stacks"
             : fmt::format("an unknown line: none of the innermost {} calls has a name outside the library", count_);
}

}  // namespace wengert::detail
