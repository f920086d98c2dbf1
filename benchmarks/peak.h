#pragma once

#include <string>

#include "benchmarks/comparison.h"

namespace wengert::bench {

/// What this machine does at most, measured anew: floating-point operations a nanosecond by fused multiply-adds in
/// registers, or bytes a nanosecond read from memory, or read and written, in arrays beyond the caches.
double peak_rate(Bound bound, int threads);

/// The processor's name, from the system.
std::string processor_name();

}  // namespace wengert::bench
