// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011), for host
// and device: any random number of a run can be computed alone, in any order, from its counter.
#pragma once

#include <cstdint>

#include "slipstream/pdl.cuh"

namespace slipstream::model {

struct RandomWords {
  uint32_t word[4];
};

// The block of `counter` under `key`.
SLIPSTREAM_HOST_DEVICE inline RandomWords philox4x32(RandomWords counter, uint64_t key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier2 = 0xCD9E8D57;
  auto key0 = static_cast<uint32_t>(key);
  auto key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = kMultiplier0 * counter.word[0];
    const uint64_t second = kMultiplier2 * counter.word[2];
    counter = {{static_cast<uint32_t>(second >> 32) ^ counter.word[1] ^ key0,
                static_cast<uint32_t>(second),
                static_cast<uint32_t>(first >> 32) ^ counter.word[3] ^ key1,
                static_cast<uint32_t>(first)}};
    key0 += 0x9E3779B9;  // golden ratio
    key1 += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

// A random word as a float strictly between 0 and 1: the middles of 2^23 equal parts, all exact.
SLIPSTREAM_HOST_DEVICE inline float to_unit_interval(uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5F) * (1.0F / 8388608.0F);
}

// The number that decides whether `token` follows position `position`.
SLIPSTREAM_HOST_DEVICE inline float token_uniform(uint64_t seed, int64_t position, int token) {
  const RandomWords counter = {{static_cast<uint32_t>(token), static_cast<uint32_t>(position),
                                static_cast<uint32_t>(position >> 32), 0}};
  return to_unit_interval(philox4x32(counter, seed).word[0]);
}

}  // namespace slipstream::model
