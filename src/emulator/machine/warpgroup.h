// What the four warps of a warpgroup share: the wgmma instruction that they come to, and in the adversarial schedule
// the products that nobody has waited for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/arithmetic/warpgroup_product.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

struct Frame;

inline constexpr uint32_t kWarpsPerWarpgroup = 4;

// One wgmma.mma_async, once all four warps have come to it.
struct IssuedProduct {
  const Operation* operation = nullptr;
  std::array<Frame*, kWarpsPerWarpgroup> frames{};  // with its registers
  uint64_t descriptor_of_a = 0;                     // unless A is in registers
  uint64_t descriptor_of_b = 0;
  bool accumulates = true;  // scale-d
};

// Accumulators that products in flight will write, one after the other.
struct LateAccumulators {
  uint32_t tag = 0;             // what marks the registers that wait for them
  uint32_t pending = 0;         // products
  uint32_t registers = 0;       // of a thread
  std::vector<uint32_t> lanes;  // 32 of each register of each warp
};

struct LateProduct {
  IssuedProduct issued;
  uint64_t number = 0;         // in the order of issue
  WarpgroupOperands operands;  // as they were when it was issued
  std::shared_ptr<LateAccumulators> accumulators;
};

struct Warpgroup {
  // wgmma.mma_async: which warps have come to it, and with which registers.
  const Operation* operation = nullptr;
  uint32_t arrived = 0;
  std::array<Frame*, kWarpsPerWarpgroup> frames{};

  uint32_t fenced = 0;  // warps that have executed a wgmma.fence

  // Adversarial schedule only.
  uint64_t issued = 0;
  std::vector<std::unique_ptr<LateProduct>> products;
  std::array<std::vector<uint64_t>, kWarpsPerWarpgroup> commits;  // by warp: `issued` at each
};

}  // namespace slipstream::emulator
