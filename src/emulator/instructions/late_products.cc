// Accumulators in flight lie in LateAccumulators; their registers hold tags: NaNs that name accumulators, register and
// lane. A compiler may copy registers in flight, since PTX is not the last word on registers. A copied tag is as good
// as the first: a product whose accumulators are tags goes on where the products before it will stop, and completion
// replaces every tag in the register files.
#include "emulator/instructions/late_products.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "emulator/instructions/late_copies.h"
#include "emulator/instructions/warpgroup_registers.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kNoNumber = 0xffffffffU;  // not in f32, nor twice in f16
constexpr uint32_t kMaxRegisters = kWarpgroupColumns / 2;

// --- Tags: quiet NaNs, as one f32 and as two f16.

constexpr uint32_t kTagMask = 0x7fc07e00U;
constexpr uint32_t kTagCount = 32;

uint32_t make_tag(uint32_t accumulators, uint32_t index, uint32_t lane) {
  const uint32_t name = (accumulators * kMaxRegisters + index) * kWarpSize + lane;
  return kTagMask | (name & 0x1ffU) | (name >> 9U & 1U) << 15U | (name >> 10U & 0x3fU) << 16U |
         name >> 16U << 31U;
}

struct Tag {
  uint32_t accumulators = 0;
  uint32_t index = 0;
  uint32_t lane = 0;
};
bool is_tag(uint32_t bits) { return (bits & kTagMask) == kTagMask; }
Tag read_tag(uint32_t bits) {
  const uint32_t name = (bits & 0x1ffU) | (bits >> 15U & 1U) << 9U | (bits >> 16U & 0x3fU) << 10U |
                        bits >> 31U << 16U;
  return {name / (kMaxRegisters * kWarpSize), name / kWarpSize % kMaxRegisters, name % kWarpSize};
}

// Those that the NaN of every instruction and unwritten memory look like.
bool is_usable(uint32_t accumulators) {
  return accumulators != read_tag(0x7fffffffU).accumulators &&
         accumulators != read_tag(kNoNumber).accumulators;
}

// --- Accumulators in flight.

LateAccumulators* find(const Warpgroup& warpgroup, uint32_t tag) {
  for (const auto& product : warpgroup.products) {
    if (product->accumulators->tag == tag) return product->accumulators.get();
  }
  return nullptr;
}

// The registers of the accumulators, in the buffer.
WarpgroupRegisters registers_of(LateAccumulators& accumulators) {
  constexpr size_t kBytes = kWarpSize * sizeof(uint32_t);
  static const auto kOffsets = [] {
    std::array<uint32_t, kMaxRegisters> offsets{};
    for (uint32_t i = 0; i < kMaxRegisters; ++i) offsets[i] = i * kBytes;
    return offsets;
  }();
  WarpgroupRegisters::Files files{};
  for (uint32_t warp = 0; warp < kWarpsPerWarpgroup; ++warp) {
    files[warp] = reinterpret_cast<std::byte*>(accumulators.lanes.data()) +
                  warp * accumulators.registers * kBytes;
  }
  return {files, kOffsets.data()};
}

// Calls visit(warp, register, lane).
template <class Visit>
void for_each_lane_of_accumulators(uint32_t registers, Visit visit) {
  for (uint32_t warp = 0; warp < kWarpsPerWarpgroup; ++warp) {
    for (uint32_t index = 0; index < registers; ++index) {
      for (uint32_t lane = 0; lane < kWarpSize; ++lane) visit(warp, index, lane);
    }
  }
}

// The accumulators that all the registers wait for; null if there are none.
LateAccumulators* waited_for(const Warpgroup& warpgroup, const WarpgroupRegisters& registers,
                             uint32_t count) {
  const uint32_t first = registers.operand(0, 0)[0];
  LateAccumulators* const found =
      is_tag(first) ? find(warpgroup, read_tag(first).accumulators) : nullptr;
  if (found == nullptr || found->registers != count) return nullptr;
  bool all = true;
  for_each_lane_of_accumulators(count, [&](uint32_t warp, uint32_t index, uint32_t lane) {
    all = all && registers.operand(warp, index)[lane] == make_tag(found->tag, index, lane);
  });
  return all ? found : nullptr;
}

// New accumulators for the registers, which wait for them from now on.
std::shared_ptr<LateAccumulators> defer(uint32_t tag, const WarpgroupRegisters& registers,
                                        uint32_t count) {
  auto accumulators = std::make_shared<LateAccumulators>();
  accumulators->tag = tag;
  accumulators->registers = count;
  accumulators->lanes.resize(size_t{kWarpsPerWarpgroup} * count * kWarpSize);
  const WarpgroupRegisters buffer = registers_of(*accumulators);
  for_each_lane_of_accumulators(count, [&](uint32_t warp, uint32_t index, uint32_t lane) {
    buffer.operand(warp, index)[lane] =
        std::exchange(registers.operand(warp, index)[lane], make_tag(tag, index, lane));
  });
  return accumulators;
}

std::shared_ptr<LateAccumulators> accumulators_for(Warp& warp, Warpgroup& warpgroup,
                                                   const IssuedProduct& product) {
  const WarpgroupRegisters registers(product);
  const uint32_t count = form_of(*product.operation).accumulator_registers();
  if (product.accumulates) {
    if (LateAccumulators* const found = waited_for(warpgroup, registers, count)) {
      const auto& products = warpgroup.products;
      return (*std::find_if(products.begin(), products.end(),
                            [&](const auto& one) { return one->accumulators.get() == found; }))
          ->accumulators;
    }
  }
  uint32_t tag = 0;
  while (tag < kTagCount && (!is_usable(tag) || find(warpgroup, tag) != nullptr)) ++tag;
  if (tag == kTagCount) {  // to complete early is legal
    complete_all(warp, warpgroup);
    tag = 0;
  }
  return defer(tag, registers, count);
}

// --- Completion.

bool are_equal(const WarpgroupOperands& a, const WarpgroupOperands& b, uint32_t columns) {
  return a.a == b.a && std::equal(a.b.begin(), a.b.begin() + columns, b.b.begin());
}

void complete(Warp& warp, const LateProduct& product) {
  LateAccumulators& accumulators = *product.accumulators;
  const ProductForm form = form_of(*product.issued.operation);
  WarpgroupOperands operands;
  read_operands(warp, product.issued, operands, Watched::kAlready);
  if (are_equal(operands, product.operands, form.columns)) {
    multiply_into(registers_of(accumulators), product.issued, operands);
  } else {
    std::fill(accumulators.lanes.begin(), accumulators.lanes.end(), kNoNumber);
  }
  --accumulators.pending;
}

// Replaces the tags of these accumulators in the register file of one warp.
void deliver(LateAccumulators& accumulators, uint32_t warp, const Frame& frame) {
  const WarpgroupRegisters results = registers_of(accumulators);
  for (uint32_t at = 0; at < frame.function->register_bytes; at += sizeof(uint32_t)) {
    uint32_t bits = 0;
    std::memcpy(&bits, frame.registers + at, sizeof(bits));
    if (!is_tag(bits)) continue;
    const Tag tag = read_tag(bits);
    if (tag.accumulators != accumulators.tag || tag.index >= accumulators.registers) continue;
    std::memcpy(frame.registers + at, &results.operand(warp, tag.index)[tag.lane], sizeof(bits));
  }
}

void complete_before(Warp& warp, Warpgroup& warpgroup, uint64_t number) {
  auto& products = warpgroup.products;
  while (!products.empty() && products.front()->number < number) {
    const std::unique_ptr<LateProduct> product = std::move(products.front());
    products.erase(products.begin());
    complete(warp, *product);
    if (product->accumulators->pending > 0) continue;
    for (uint32_t i = 0; i < kWarpsPerWarpgroup; ++i) {
      deliver(*product->accumulators, i, *product->issued.frames[i]);
    }
  }
}

uint32_t place_of(const Warp& warp) { return warp.index % kWarpsPerWarpgroup; }

}  // namespace

// The register file of a called function goes when it returns, maybe before anybody waits.
bool products_are_late(const Warp& warp) { return copies_are_late(warp) && warp.frame->depth == 0; }

void issue_late(Warp& warp, Warpgroup& warpgroup, const IssuedProduct& product) {
  auto late = std::make_unique<LateProduct>();
  late->issued = product;
  read_operands(warp, product, late->operands);
  late->accumulators = accumulators_for(warp, warpgroup, product);
  ++late->accumulators->pending;
  late->number = warpgroup.issued++;
  warpgroup.products.push_back(std::move(late));
}

void commit_products(const Warp& warp, Warpgroup& warpgroup) {
  warpgroup.commits[place_of(warp)].push_back(warpgroup.issued);
}

void complete_groups(Warp& warp, Warpgroup& warpgroup, uint32_t pending) {
  auto& commits = warpgroup.commits[place_of(warp)];
  if (commits.size() <= pending) return;
  const auto youngest = commits.end() - pending;
  complete_before(warp, warpgroup, youngest[-1]);
  commits.erase(commits.begin(), youngest);
}

void complete_all(Warp& warp, Warpgroup& warpgroup) {
  complete_before(warp, warpgroup, warpgroup.issued);
}

}  // namespace slipstream::emulator
