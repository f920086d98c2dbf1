#pragma once

#include <string>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// Reads a PNG, JPEG or BMP picture: [C, H, W], float32 from 0 to 1, rows from the top. `channels`: 1 grey, 2 grey and
/// alpha, 3 red, green and blue, 4 and alpha; 0 is what the file has. A picture with 16 bits a channel keeps them.
/// Throws IoError that names the file and what is wrong with it, or if this library was built without stb; Error if
/// `channels` is not 0 to 4.
Tensor load_image(const std::string& path, int channels = 0);

/// Writes a PNG picture with 8 bits a channel. image: [C, H, W] with 1 to 4 channels, or [H, W]; values below 0 and
/// above 1 are clipped, and each is rounded to the nearest of the 256 levels. The file appears whole or not at all.
/// Throws ShapeError for another shape, Error for a value that is NaN or a path that does not end in .png, DTypeError
/// for int64, IoError if it cannot be written, or if this library was built without stb.
void save_image(const std::string& path, const Tensor& image);

/// Whether this build can read and write pictures.
bool images_available() noexcept;

}  // namespace wengert
