#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// \file
/// TensorBoard's files, written by hand: two messages of Protobuf are no reason for a dependency.

namespace wengert::detail {

/// CRC-32C (Castagnoli), as in RFC 3720, section 12.1.
std::uint32_t crc32c(std::string_view bytes);

/// The bytes of one TFRecord (TensorFlow, core/lib/io/record_writer.h).
std::string tf_record(std::string_view data);

/// Serialised Event messages (TensorFlow, core/util/event.proto). wall_time: seconds since 1970.
std::string version_event(double wall_time);
std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag, double value);

}  // namespace wengert::detail
