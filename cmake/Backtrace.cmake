# libbacktrace, which turns addresses into source lines: a part of GCC, in whose folder Debian leaves it, or a package.
# Sets WENGERT_BACKTRACE_HEADER. The header is included by its full path: in GCC's folder lie headers that no other
# compiler may see. The library is linked by name: every compiler here looks into GCC's folder for libraries.
include(CheckCXXSourceCompiles)

if(NOT DEFINED WENGERT_BACKTRACE_HEADER)
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=include/backtrace.h
    OUTPUT_VARIABLE header OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT EXISTS "${header}")
    find_file(WENGERT_FOUND_BACKTRACE backtrace.h)
    mark_as_advanced(WENGERT_FOUND_BACKTRACE)
    set(header "${WENGERT_FOUND_BACKTRACE}")
  endif()
  if(header)
    set(CMAKE_REQUIRED_LIBRARIES backtrace)
    check_cxx_source_compiles("
      #include \"${header}\"
      int main() { return backtrace_create_state(nullptr, 1, nullptr, nullptr) == nullptr; }"
      WENGERT_HAVE_BACKTRACE)
    unset(CMAKE_REQUIRED_LIBRARIES)
  endif()
  if(NOT WENGERT_HAVE_BACKTRACE)
    set(header "")
    message(STATUS "Wengert: libbacktrace not found; Anomaly names functions, not source lines")
  endif()
  set(WENGERT_BACKTRACE_HEADER "${header}" CACHE INTERNAL "backtrace.h, empty if libbacktrace is missing")
endif()
