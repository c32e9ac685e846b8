// SHA-256 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace slipstream::model::tiny {

using Digest = std::array<uint8_t, 32>;

[[nodiscard]] Digest sha256(std::span<const std::byte> message);
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace slipstream::model::tiny
