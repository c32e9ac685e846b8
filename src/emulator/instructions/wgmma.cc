// wgmma: products of matrices by a warpgroup, four warps that start at a multiple of four.
//
// A wgmma.mma_async parks each warp until all four have come to it; the last one issues it for all. Whether it is done
// then or later is decided in late_products.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <string_view>

#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/late_copies.h"
#include "emulator/instructions/late_products.h"
#include "emulator/instructions/warpgroup_registers.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kAllWarps = (1U << kWarpsPerWarpgroup) - 1;

uint32_t place_of(const Warp& warp) { return warp.index % kWarpsPerWarpgroup; }
uint32_t first_warp_of(const Warp& warp) { return warp.index - place_of(warp); }

Warpgroup& warpgroup_of(const Warp& warp) {
  return warp.cta->warpgroups[warp.index / kWarpsPerWarpgroup];
}

// --- fence, commit_group and wait_group.

void fence(const Operation& /*operation*/, Warp& warp) {
  warpgroup_of(warp).fenced |= 1U << place_of(warp);
}

void commit_group(const Operation& /*operation*/, Warp& warp) {
  if (copies_are_late(warp)) commit_products(warp, warpgroup_of(warp));
  if (order_of(warp) != nullptr) {
    watch_commit(warp, race::Background::kProducts, warpgroup_key(warp));
  }
}

// immediate: groups that may be pending.
void wait_group(const Operation& operation, Warp& warp) {
  const auto pending = static_cast<uint32_t>(operation.immediate);
  complete_groups(warp, warpgroup_of(warp), pending);
  if (order_of(warp) != nullptr) {
    watch_group_wait(warp, race::Background::kProducts, warpgroup_key(warp), pending);
  }
}

void build_wait_group(Builder& builder) {
  builder.expect_operands(1, 1);
  if (builder.constant(0) < 0) builder.reject("the number of groups must not be negative");
  builder.set_immediate(builder.constant(0));
  builder.set_handler(&execute_aligned<&wait_group>);
}

// --- mma_async.

void check_threads(const Warp& warp, uint32_t executing) {
  const size_t warps = warp.cta->warps.size() - first_warp_of(warp);
  const auto lane = static_cast<uint32_t>(__builtin_ctz(executing));
  if (warps < kWarpsPerWarpgroup) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("wgmma needs a warpgroup of {} warps; the one of warp {} has {}",
                      kWarpsPerWarpgroup, warp.index, warps));
  }
  if (executing != kAllLanes) {
    raise(FaultKind::kIllegalInstruction, lane,
          fmt::format("wgmma by lanes {:#010x} of warp {}; it needs all of them", executing,
                      warp.index));
  }
}

// PTX wants a fence before the first product and wherever registers have been written since. The
// second cannot be seen here: compilers put copies of registers after the fence.
void report_missing_fence(Warp& warp, const Warpgroup& warpgroup) {
  if ((warpgroup.fenced >> place_of(warp) & 1U) != 0) return;
  report_once(warp, LaneFault(FaultKind::kMissingFence, 0, 0,
                              fmt::format("warp {} has executed no wgmma.fence before its first "
                                          "wgmma.mma_async",
                                          warp.index)));
}

// The operand's value, which all threads of the warpgroup must agree on.
template <class T>
T agreed(const Warp& warp, const WarpgroupRegisters& registers, uint32_t index,
         std::string_view name) {
  const T value = *reinterpret_cast<const T*>(registers.operand(0, index));
  for (uint32_t place = 0; place < kWarpsPerWarpgroup; ++place) {
    const auto* const lanes = reinterpret_cast<const T*>(registers.operand(place, index));
    const T* const other =
        std::find_if(lanes, lanes + kWarpSize, [&](T lane) { return lane != value; });
    if (other == lanes + kWarpSize) continue;
    raise(FaultKind::kIllegalInstruction, place_of(warp) == place ? other - lanes : 0,
          fmt::format("{} must be the same in all threads of a warpgroup; it is {:#x} in the first "
                      "and {:#x} in lane {} of warp {}",
                      name, value, *other, other - lanes, first_warp_of(warp) + place));
  }
  return value;
}

bool accumulates(const Warp& warp, const WarpgroupRegisters& registers, uint32_t index) {
  for (uint32_t place = 0; place < kWarpsPerWarpgroup; ++place) {
    const uint32_t lanes = *registers.operand(place, index);
    if (lanes == *registers.operand(0, index) && (lanes == 0 || lanes == kAllLanes)) continue;
    raise(FaultKind::kIllegalInstruction, 0,
          fmt::format("scale-d must be the same in all threads of a warpgroup; in warp {} it is "
                      "true in lanes {:#010x}",
                      first_warp_of(warp) + place, lanes));
  }
  return *registers.operand(0, index) != 0;
}

IssuedProduct product_of(const Operation& operation, const Warp& warp, const Warpgroup& warpgroup) {
  IssuedProduct product{.operation = &operation, .frames = warpgroup.frames};
  const WarpgroupRegisters registers(product);
  const ProductForm form = form_of(operation);
  if (!form.a_in_registers) {
    product.descriptor_of_a =
        agreed<uint64_t>(warp, registers, form.first_of_a(), "the descriptor of A");
  }
  product.descriptor_of_b =
      agreed<uint64_t>(warp, registers, form.descriptor_of_b(), "the descriptor of B");
  product.accumulates = accumulates(warp, registers, form.scale_of_d());
  return product;
}

void issue(Warp& warp, Warpgroup& warpgroup, const IssuedProduct& product) {
  for (uint32_t i = 0; order_of(warp) != nullptr && i < kWarpsPerWarpgroup; ++i) {
    watch_start(warp.cta->warps[first_warp_of(warp) + i], race::Background::kProducts,
                warpgroup_key(warp));
  }
  if (products_are_late(warp)) {
    issue_late(warp, warpgroup, product);
    return;
  }
  complete_all(warp, warpgroup);
  WarpgroupOperands operands;
  read_operands(warp, product, operands);
  multiply_into(WarpgroupRegisters(product), product, operands);
}

void resume_others(Warp& warp) {
  for (uint32_t place = 0; place < kWarpsPerWarpgroup; ++place) {
    for (Group& group : warp.cta->warps[first_warp_of(warp) + place].groups) {
      if (group.wait != Wait::kWarpgroup) continue;
      group.wait = Wait::kNone;
      group.resumed = true;
    }
  }
}

Step multiply(const Operation& operation, Warp& warp, uint32_t executing) {
  if (warp.resumed) {
    warp.resumed = false;
    return Step::kNext;
  }
  if (!gather(warp, operation, kAllLanes, executing)) {
    return park(warp, executing, Wait::kConvergence, kAllLanes);
  }
  check_threads(warp, executing);
  Warpgroup& warpgroup = warpgroup_of(warp);
  report_missing_fence(warp, warpgroup);
  if (warpgroup.arrived != 0 && warpgroup.operation != &operation) {
    raise(FaultKind::kDivergentBarrier, 0,
          fmt::format("warp {} comes to another wgmma.mma_async than the rest of its warpgroup",
                      warp.index));
  }
  warpgroup.operation = &operation;
  warpgroup.arrived |= 1U << place_of(warp);
  warpgroup.frames[place_of(warp)] = warp.frame;
  if (warpgroup.arrived != kAllWarps) return park(warp, executing, Wait::kWarpgroup);
  warpgroup.arrived = 0;
  issue(warp, warpgroup, product_of(operation, warp, warpgroup));
  resume_others(warp);
  return Step::kNext;
}

// --- Building.

// The n of .m64nNk16; multiples of 8, and of 16 from 32 on for integers.
uint32_t columns_of(Builder& builder) {
  constexpr std::string_view kPrefix = "m64n";
  const auto& modifiers = builder.instruction().opcode->modifiers;
  const auto shape = std::find_if(modifiers.begin(), modifiers.end(),
                                  [&](std::string_view one) { return one.starts_with(kPrefix); });
  uint32_t columns = 0;
  std::from_chars(shape->data() + kPrefix.size(), shape->data() + shape->size(), columns);
  const bool is_integer = builder.has(".s32");
  const uint32_t unit = is_integer && columns > 24 ? 16 : 8;
  if (columns == 0 || columns > kWarpgroupColumns || columns % unit != 0) {
    builder.reject(fmt::format(
        "n must be {}, not {}",
        is_integer ? "8, 24 or a multiple of 16 up to 256" : "a multiple of 8 up to 256", columns));
  }
  return columns;
}

bool is_minus_one(Builder& builder, size_t index) {
  const int64_t scale = builder.constant(index);
  if (scale != 1 && scale != -1) {
    builder.reject(fmt::format("operand {} must be 1 or -1, not {}", index + 1, scale));
  }
  return scale < 0;
}

bool is_one(Builder& builder, size_t index) {
  const int64_t flag = builder.constant(index);
  if (flag != 0 && flag != 1) {
    builder.reject(fmt::format("operand {} must be 0 or 1, not {}", index + 1, flag));
  }
  return flag != 0;
}

std::span<const ptx::Operand> registers_of(Builder& builder, size_t index, size_t count) {
  const ptx::Operand& operand = builder.operand(index);
  const auto registers = operand.kind == ptx::OperandKind::kVector
                             ? builder.children(operand)
                             : std::span<const ptx::Operand>(&operand, 1);
  if (registers.size() != count) {
    builder.reject(fmt::format("operand {} has {} registers and must have {}", index + 1,
                               registers.size(), count));
  }
  return registers;
}

// "d, a, b-desc, scale-d{, imm-scale-a, imm-scale-b{, imm-trans-a}{, imm-trans-b}}"
template <ElementType kA, ElementType kB>
void build_product(Builder& builder) {
  constexpr bool kIsInteger = kA == ElementType::kS8 || kA == ElementType::kU8;
  constexpr bool kTransposes = kA == ElementType::kF16 || kA == ElementType::kBf16;
  ProductForm form{.a = kA, .b = kB};
  form.columns = static_cast<uint16_t>(columns_of(builder));
  form.a_in_registers = builder.operand(1).kind == ptx::OperandKind::kVector;
  const size_t transposes = !kTransposes ? 0 : form.a_in_registers ? 1 : 2;
  const size_t operands = 4 + (kIsInteger ? 0 : 2) + transposes;
  builder.expect_operands(operands, operands);
  if (!kIsInteger && is_minus_one(builder, 4) != is_minus_one(builder, 5)) {
    form.modes |= ProductForm::kNegates;
  }
  form.transposes_a = transposes == 2 && is_one(builder, 6);
  form.transposes_b = transposes != 0 && is_one(builder, operands - 1);
  if (builder.has(".satfinite")) form.modes |= ProductForm::kSaturates;
  // The first slot after the shape is the type of d.
  if (builder.slot(4) == ".f16") form.modes |= ProductForm::kHalfAccumulators;
  for (const ptx::Operand& one : registers_of(builder, 0, form.accumulator_registers())) {
    builder.read_write(one, ptx::Type::kB32);
  }
  if (form.a_in_registers) {
    for (const ptx::Operand& one : registers_of(builder, 1, ProductForm::kRegistersOfA)) {
      builder.read_later(one, ptx::Type::kB32);
    }
  } else {
    builder.read(1, ptx::Type::kB64);
  }
  builder.read(2, ptx::Type::kB64);
  builder.read(3, ptx::Type::kPred);
  builder.set_immediate(std::bit_cast<int64_t>(form));
  builder.set_handler(&multiply);
}

using enum ElementType;

constexpr std::string_view kDoneAtIssue =
    "n: any that PTX has; done when issued, in the adversarial schedule when it is waited for";

constexpr auto kWgmmaForms = std::to_array<Form>({
    {"wgmma .fence .sync .aligned", &build_without_operands<&execute_aligned<&fence>>,
     "no effect; reported where a warp has none before its first product"},
    {"wgmma .commit_group .sync .aligned",
     &build_without_operands<&execute_aligned<&commit_group>>},
    {"wgmma .wait_group .sync .aligned", &build_wait_group},
    {"wgmma .mma_async .sync .aligned .m64n<n>k16 (.f32|.f16) .f16 .f16",
     &build_product<kF16, kF16>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k16 .f32 .bf16 .bf16", &build_product<kBf16, kBf16>,
     kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k8 .f32 .tf32 .tf32", &build_product<kTf32, kTf32>,
     kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 (.f32|.f16) .e4m3 .e4m3",
     &build_product<kE4m3, kE4m3>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 (.f32|.f16) .e4m3 .e5m2",
     &build_product<kE4m3, kE5m2>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 (.f32|.f16) .e5m2 .e4m3",
     &build_product<kE5m2, kE4m3>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 (.f32|.f16) .e5m2 .e5m2",
     &build_product<kE5m2, kE5m2>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 .s32 .s8 .s8 [.satfinite]",
     &build_product<kS8, kS8>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 .s32 .s8 .u8 [.satfinite]",
     &build_product<kS8, kU8>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 .s32 .u8 .s8 [.satfinite]",
     &build_product<kU8, kS8>, kDoneAtIssue},
    {"wgmma .mma_async .sync .aligned .m64n<n>k32 .s32 .u8 .u8 [.satfinite]",
     &build_product<kU8, kU8>, kDoneAtIssue},
});

}  // namespace

Family wgmma_family() { return {"Matrix products of warpgroups", "wgmma.cc", kWgmmaForms}; }

}  // namespace slipstream::emulator
