#include "model/tiny/sha256.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <vector>

namespace slipstream::model::tiny {
namespace {

constexpr size_t kBlockBytes = 64;
using State = std::array<uint32_t, 8>;

// The standard's constants are the first 32 fractional bits of the roots of the first primes.
template <size_t kCount>
std::array<uint32_t, kCount> fractions_of_roots(long double (*root)(long double)) {
  std::array<uint32_t, kCount> result{};
  size_t found = 0;
  for (int candidate = 2; found < kCount; ++candidate) {
    bool prime = true;
    for (int divisor = 2; divisor * divisor <= candidate; ++divisor) {
      prime = prime && candidate % divisor != 0;
    }
    if (!prime) continue;
    const long double value = root(candidate);
    result[found++] = static_cast<uint32_t>((value - std::floor(value)) * 4294967296.0L);
  }
  return result;
}

uint32_t big_endian_word(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 |
         uint32_t{bytes[3]};
}

std::array<uint32_t, 64> schedule(const uint8_t* block) {
  std::array<uint32_t, 64> w{};
  for (size_t t = 0; t < 16; ++t) w[t] = big_endian_word(block + 4 * t);
  for (size_t t = 16; t < w.size(); ++t) {
    const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
    const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  return w;
}

void absorb(State& state, const uint8_t* block) {
  static const auto kRound = fractions_of_roots<64>([](long double x) { return std::cbrt(x); });
  const auto w = schedule(block);
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t t = 0; t < w.size(); ++t) {
    const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t choose = (e & f) ^ (~e & g);
    const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    const uint32_t first = h + sum1 + choose + kRound[t] + w[t];
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + sum0 + majority;
  }
  const State added = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

// The message, a single one bit, zeros and the length in bits, in whole blocks.
std::vector<uint8_t> padded(std::span<const std::byte> message) {
  std::vector<uint8_t> result;
  result.reserve(message.size() + 2 * kBlockBytes);
  for (const std::byte byte : message) result.push_back(std::to_integer<uint8_t>(byte));
  result.push_back(0x80);
  while (result.size() % kBlockBytes != kBlockBytes - 8) result.push_back(0);
  const uint64_t bits = uint64_t{message.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) {
    result.push_back(static_cast<uint8_t>(bits >> shift));
  }
  return result;
}

}  // namespace

Digest sha256(std::span<const std::byte> message) {
  State state = fractions_of_roots<8>([](long double x) { return std::sqrt(x); });
  const std::vector<uint8_t> bytes = padded(message);
  for (size_t at = 0; at < bytes.size(); at += kBlockBytes) absorb(state, bytes.data() + at);
  Digest digest{};
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

std::string to_hex(const Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace slipstream::model::tiny
