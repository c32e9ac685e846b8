#include "model/tiny/philox.h"

namespace slipstream::model::tiny {
namespace {

constexpr int kRounds = 10;
constexpr uint64_t kMultiplier0 = 0xD2E7470EE14C6C93;
constexpr uint64_t kMultiplier1 = 0xCA5A826395121157;
constexpr uint64_t kWeyl0 = 0x9E3779B97F4A7C15;  // golden ratio
constexpr uint64_t kWeyl1 = 0xBB67AE8584CAA73B;  // sqrt(3) - 1

struct Product {
  uint64_t high;
  uint64_t low;
};

Product multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
}

}  // namespace

Philox::Block Philox::next() {
  for (uint64_t& word : counter_) {
    if (++word != 0) break;  // a word that wrapped carries into the next
  }
  Block state = counter_;
  auto key = key_;
  for (int round = 0; round < kRounds; ++round) {
    const Product first = multiply(kMultiplier0, state[0]);
    const Product second = multiply(kMultiplier1, state[2]);
    state = {second.high ^ state[1] ^ key[0], second.low, first.high ^ state[3] ^ key[1],
             first.low};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return state;
}

}  // namespace slipstream::model::tiny
