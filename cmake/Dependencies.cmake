# Every dependency comes from the system when it is there, else from its own repository at a pinned commit.
# What each one is for: docs/dependencies.md.
# What the library links is GLOBAL: a project that has us as a subdirectory links it through us.
include(FetchContent)

find_package(Threads REQUIRED GLOBAL)

set(FMT_INSTALL ${WENGERT_INSTALL})
FetchContent_Declare(fmt
  GIT_REPOSITORY https://github.com/fmtlib/fmt.git
  GIT_TAG e69e5f977d458f2650bb346dadf2ad30c5320281 # 10.2.1
  SYSTEM
  FIND_PACKAGE_ARGS 9 GLOBAL)

# Eigen's own CMakeLists.txt brings its tests and documentation; the headers are all we need.
FetchContent_Declare(Eigen3
  GIT_REPOSITORY https://gitlab.com/libeigen/eigen.git
  GIT_TAG 3147391d946bb4b6c68edd901f2add6ac1f31f8c # 3.4.0
  SOURCE_SUBDIR headers-only
  FIND_PACKAGE_ARGS 3.4 NO_MODULE)

set(fetched fmt Eigen3)

if(WENGERT_BUILD_TESTS)
  set(INSTALL_GTEST OFF)
  FetchContent_Declare(GTest
    GIT_REPOSITORY https://github.com/google/googletest.git
    GIT_TAG f8d7d77c06936315286eb55f8de22cd23c188571 # 1.14.0
    SYSTEM
    FIND_PACKAGE_ARGS 1.11)
  FetchContent_Declare(rapidcheck
    GIT_REPOSITORY https://github.com/emil-e/rapidcheck.git
    GIT_TAG ff6af6fc683159deb51c543b065eba14dfcf329b
    SYSTEM
    FIND_PACKAGE_ARGS)
  list(APPEND fetched GTest rapidcheck)
endif()

if(WENGERT_BUILD_BENCHMARKS)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  FetchContent_Declare(benchmark
    GIT_REPOSITORY https://github.com/google/benchmark.git
    GIT_TAG 344117638c8ff7e239044fd0fa7085839fc03021 # 1.8.3
    SYSTEM
    FIND_PACKAGE_ARGS 1.7)
  list(APPEND fetched benchmark)
endif()

FetchContent_MakeAvailable(${fetched})

if(NOT TARGET Eigen3::Eigen)
  add_library(Eigen3::Eigen INTERFACE IMPORTED GLOBAL)
  target_include_directories(Eigen3::Eigen INTERFACE "${eigen3_SOURCE_DIR}")
endif()

# Optional: without them one feature each is missing, so they are never downloaded.
find_package(ZLIB QUIET GLOBAL)
set(WENGERT_HAVE_ZLIB ${ZLIB_FOUND})
if(NOT WENGERT_HAVE_ZLIB)
  message(STATUS "Wengert: zlib not found; compressed data files (.gz) cannot be read")
endif()

find_package(nlohmann_json 3.10 QUIET)
set(WENGERT_HAVE_JSON ${nlohmann_json_FOUND})
if(NOT WENGERT_HAVE_JSON)
  message(STATUS "Wengert: nlohmann_json not found; safetensors files cannot be read or written")
endif()

find_path(WENGERT_STB_INCLUDE_DIR stb_image_write.h PATH_SUFFIXES stb)
mark_as_advanced(WENGERT_STB_INCLUDE_DIR)
if(NOT WENGERT_STB_INCLUDE_DIR)
  message(STATUS "Wengert: stb not found; pictures cannot be read or written")
endif()
