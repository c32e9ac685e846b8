#include "image_spec.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace slipstream::record_vectors {
namespace {

bool has_image(std::string_view text) { return text.starts_with('['); }

std::array<unsigned, 3> size_of(const std::string& word) {
  const size_t second = word.find('x') + 1;
  const size_t third = word.find('x', second) + 1;
  const auto number = [&](size_t at) { return static_cast<unsigned>(std::stoul(word.substr(at))); };
  return {number(0), number(second), number(third)};
}

// f32x4
void set_format(const std::string& word, ImageSpec& image) {
  image.kind = word.front();
  image.channel_bytes = static_cast<unsigned>(std::stoul(word.substr(1))) / 8;
  image.channels = static_cast<unsigned>(word.back() - '0');
}

// A channel's bits. Floating-point numbers have all bits of the mantissa and an exponent near that of 1.
uint32_t channel_of(const ImageSpec& image, uint32_t random) {
  if (image.kind != 'f') return random;
  const uint32_t shift = random >> 24U & 3U;
  if (image.channel_bytes == 4) return (random & 0x807fffffU) | (125 + shift) << 23U;
  return (random & 0x83ffU) | (13 + shift) << 10U;
}

}  // namespace

std::optional<ImageSpec> image_of(const Form& form) {
  const std::string_view text = form.text;
  if (!has_image(text)) return std::nullopt;
  const std::vector<std::string> words = split_words(text.substr(1, text.find(']') - 1));
  const auto has = [&](std::string_view word) {
    return std::ranges::find(words, word) != words.end();
  };
  ImageSpec image;
  image.geometry = words.at(0);
  image.size = size_of(words.at(1));
  set_format(words.at(2), image);
  image.surface = has("surface");
  image.linear = has("linear");
  if (!image.surface) image.mode = words.at(4);
  image.normalized = has("unit");
  image.fractions = has("fractions");
  image.gather = has("gather");
  return image;
}

std::string_view instruction_text(const Form& form) {
  const std::string_view text = form.text;
  return has_image(text) ? text.substr(text.find(']') + 2) : text;
}

Bytes image_bytes(const ImageSpec& image) {
  Bytes bytes(size_t{image.row_bytes()} * image.size[1] * image.size[2]);
  std::mt19937 random(1);
  for (size_t at = 0; at < bytes.size(); at += image.channel_bytes) {
    const auto bits = channel_of(image, static_cast<uint32_t>(random()));
    std::memcpy(bytes.data() + at, &bits, image.channel_bytes);
  }
  return bytes;
}

}  // namespace slipstream::record_vectors
