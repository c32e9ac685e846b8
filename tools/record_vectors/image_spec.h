// The image of a form that samples one. "[2d 7x5x1 f32x4 linear wrap unit] tex..." begins with its geometry (that of the
// instruction, or "line" and "plane": linear and pitched memory), size, format, filter, address mode and unit of its
// coordinates; "fractions" reads integers as such, "gather" is for tld4, "surface" takes the place of filter and mode.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "form.h"

namespace slipstream::record_vectors {

struct ImageSpec {
  std::string geometry;
  std::array<unsigned, 3> size{1, 1, 1};  // elements; layers and faces are the depth
  char kind = 'f';                        // or 's', 'u'
  unsigned channel_bytes = 4;
  unsigned channels = 1;
  bool surface = false;
  bool linear = false;
  std::string mode = "clamp";  // or wrap, mirror, border
  bool normalized = false;
  bool fractions = false;
  bool gather = false;

  bool layered() const { return geometry.starts_with('a'); }
  bool cube() const { return geometry.ends_with("cube"); }
  unsigned element_bytes() const { return channels * channel_bytes; }
  unsigned row_bytes() const { return size[0] * element_bytes(); }
};

// Of channels outside an image whose address mode is "border".
inline constexpr std::array<float, 4> kBorder{0.25F, -1.0F, 3.0F, 0.5F};

std::optional<ImageSpec> image_of(const Form& form);
// The form's text without the image.
std::string_view instruction_text(const Form& form);
// What the image holds, row by row: random, finite, and the same on every machine.
Bytes image_bytes(const ImageSpec& image);

}  // namespace slipstream::record_vectors
