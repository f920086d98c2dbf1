# The front door. Each target does all that it needs, from a machine with only git, make and a network.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test data bench bench-quick bench-docs build-bench docs asan tsan tsan-threads format lint clean

clang_format = $(or $(shell command -v clang-format-16),clang-format)

help:  ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup:  ## Install what is missing (Debian: apt; elsewhere: say what to install)
	@tools/setup

build: setup build/release/build.ninja  ## Build the library, the tests and the examples
	@cmake --build --preset release

demo: setup build/release/build.ninja  ## Train a small convolutional network on handwritten digits
	@cmake --build --preset release --target demo
	@build/release/examples/demo

test: build  ## Build everything and run all tests
	@tools/fetch-data mnist photograph text || echo 'The tests that need these data are skipped.'
	@ctest --preset release

data:  ## Fetch the data of the examples: MNIST, Fashion-MNIST, two photographs, a text
	@tools/fetch-data mnist fashion-mnist photograph text

# The variables would make a BLAS under comparison run as on another processor.
benchmarks = env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE build/bench/benchmarks/wengert_benchmarks \
  --json=build/benchmarks.json --plots=build

bench: build-bench  ## Compare with hand-written backward passes, and with libtorch if `tools/setup bench` installed it
	@$(benchmarks) $(BENCH_FLAGS)

bench-quick: build-bench  ## The same in a minute: fewer and shorter repetitions
	@$(benchmarks) --quick $(BENCH_FLAGS)

bench-docs: build-bench
	@$(benchmarks) --docs=docs/benchmarks.md $(BENCH_FLAGS)

build-bench: build/bench/build.ninja
	@cmake --build --preset bench

docs: build  ## Write docs/ops.md again, from ops.h and the table of cases
	@WENGERT_WRITE_DOCS=1 build/release/tests/wengert_tests --gtest_brief=1 --gtest_filter='OpsPage.*'

asan: setup build/asan/build.ninja  ## Run the tests with the address and undefined-behaviour sanitizers
	@cmake --build --preset asan
	@ctest --preset asan

tsan: setup build/tsan/build.ninja  ## Run the tests with the thread sanitizer
	@cmake --build --preset tsan
	@ctest --preset tsan

tsan-threads: setup build/tsan/build.ninja
	@cmake --build --preset tsan
	@ctest --preset tsan-threads

format:  ## Format the sources
	@tools/setup lint
	@tools/sources | xargs $(clang_format) -i

lint: build/release/build.ninja  ## Check the format and run clang-tidy over the library
	@tools/setup lint
	@tools/sources | xargs $(clang_format) --dry-run -Werror
	@tools/tidy

clean:  ## Remove everything that was built
	rm -rf build

# Ninja runs cmake again by itself whenever that is needed.
build/%/build.ninja: | setup
	@cmake --preset $*

build/bench/build.ninja: | setup-bench
.PHONY: setup-bench
setup-bench:
	@tools/setup bench-core
