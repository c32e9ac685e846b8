#include "model/reference/caches.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/float_formats.h"
#include "model/reference/linear.h"

namespace slipstream::model::reference {
namespace {

constexpr size_t kRowWidth = kLatentWidth + kRopeWidth;
constexpr size_t kGroup = kBlock;
constexpr size_t kGroups = kLatentWidth / kGroup;
constexpr size_t kKeyBytes = kIndexWidth;
constexpr size_t kScalesAt = kLatentWidth;
constexpr size_t kRopeAt = kScalesAt + kGroups * sizeof(float);
constexpr size_t kIndexPageBytes = kPageSize * (kKeyBytes + sizeof(float));

template <class T>
void put(std::byte* address, T value) {
  std::memcpy(address, &value, sizeof value);
}

template <class T>
T get(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

void put_bf16(std::byte* address, std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) put(address + 2 * i, float_to_bf16(values[i]));
}

void get_bf16(const std::byte* address, std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = bf16_to_float(get<uint16_t>(address + 2 * i));
  }
}

// Scale of a group of a 656-byte row: amax / 448, and 1 for a group of zeros.
float latent_scale(std::span<const float> group, bool ue8m0) {
  float amax = 0;
  for (const float value : group) amax = std::max(amax, std::fabs(value));
  if (amax == 0) return 1;
  const float scale = amax / kLargestE4M3;
  return ue8m0 ? round_up_to_power_of_two(scale) : scale;
}

}  // namespace

size_t latent_row_bytes(LatentFormat format) {
  switch (format) {
    case LatentFormat::kFloat32:
      return kRowWidth * sizeof(float);
    case LatentFormat::kBf16:
      return kRowWidth * sizeof(uint16_t);
    case LatentFormat::kFp8:
      return kRopeAt + kRopeWidth * sizeof(uint16_t);
  }
  return 0;
}

LatentCache::LatentCache(const Numerics& numerics, int pages)
    : numerics_(numerics),
      bytes_(static_cast<size_t>(pages) * kPageSize * latent_row_bytes(numerics.latent)) {}

void LatentCache::write(int slot, std::span<const float> latent, std::span<const float> rope) {
  std::byte* row = bytes_.data() + slot * latent_row_bytes(numerics_.latent);
  switch (numerics_.latent) {
    case LatentFormat::kFloat32:
      std::memcpy(row, latent.data(), latent.size_bytes());
      std::memcpy(row + latent.size_bytes(), rope.data(), rope.size_bytes());
      return;
    case LatentFormat::kBf16:
      put_bf16(row, latent);
      put_bf16(row + 2 * latent.size(), rope);
      return;
    case LatentFormat::kFp8:
      write_fp8(row, latent, rope);
      return;
  }
}

void LatentCache::write_fp8(std::byte* row, std::span<const float> latent,
                            std::span<const float> rope) const {
  for (size_t group = 0; group < kGroups; ++group) {
    const auto values = latent.subspan(group * kGroup, kGroup);
    const float scale = latent_scale(values, numerics_.ue8m0);
    put(row + kScalesAt + group * sizeof(float), scale);
    for (size_t i = 0; i < kGroup; ++i) {
      put(row + group * kGroup + i, float_to_e4m3(values[i] / scale));
    }
  }
  put_bf16(row + kRopeAt, rope);
}

void LatentCache::read_fp8(const std::byte* row, std::span<float> result) const {
  for (size_t group = 0; group < kGroups; ++group) {
    const auto scale = get<float>(row + kScalesAt + group * sizeof(float));
    for (size_t i = group * kGroup; i < (group + 1) * kGroup; ++i) {
      result[i] = round_to_bf16(e4m3_to_float(get<uint8_t>(row + i)) * scale);
    }
  }
  get_bf16(row + kRopeAt, result.subspan(kLatentWidth));
}

void LatentCache::read(int slot, std::span<float> row) const {
  const std::byte* bytes = bytes_.data() + slot * latent_row_bytes(numerics_.latent);
  switch (numerics_.latent) {
    case LatentFormat::kFloat32:
      std::memcpy(row.data(), bytes, row.size_bytes());
      return;
    case LatentFormat::kBf16:
      get_bf16(bytes, row);
      return;
    case LatentFormat::kFp8:
      read_fp8(bytes, row);
      return;
  }
}

IndexKeyCache::IndexKeyCache(const Numerics& numerics, int pages) : numerics_(numerics) {
  if (numerics.exact) {
    exact_keys_.resize(static_cast<size_t>(pages) * kPageSize * kIndexWidth);
  } else {
    bytes_.resize(pages * kIndexPageBytes);
  }
}

void IndexKeyCache::write(int slot, std::span<const float> key) {
  if (numerics_.exact) {
    std::copy(key.begin(), key.end(), exact_keys_.begin() + ptrdiff_t{slot} * kIndexWidth);
    return;
  }
  std::byte* page = bytes_.data() + (slot / kPageSize) * kIndexPageBytes;
  const size_t row = slot % kPageSize;
  const QuantizedGroup quantized = quantize_group(key, true);
  std::memcpy(page + row * kKeyBytes, quantized.codes.data(), kIndexWidth);
  put(page + kPageSize * kKeyBytes + row * sizeof(float), quantized.scale);
}

float IndexKeyCache::read(int slot, std::span<float> values) const {
  if (numerics_.exact) {
    std::copy_n(exact_keys_.begin() + ptrdiff_t{slot} * kIndexWidth, kIndexWidth, values.begin());
    return 1;
  }
  const std::byte* page = bytes_.data() + (slot / kPageSize) * kIndexPageBytes;
  const size_t row = slot % kPageSize;
  for (int i = 0; i < kIndexWidth; ++i) {
    values[i] = e4m3_to_float(get<uint8_t>(page + row * kKeyBytes + i));
  }
  return get<float>(page + kPageSize * kKeyBytes + row * sizeof(float));
}

}  // namespace slipstream::model::reference
