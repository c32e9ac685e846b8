// mov, address conversion, and instructions that only hint.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"

namespace slipstream::emulator {
namespace {

template <class T>
T same(T a) {
  return a;
}
template <class T>
constexpr auto kMove = &build<same<T>, T, T>;

Step move_predicate(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0), predicate(operation, warp, 1), executing);
  return Step::kNext;
}
void build_move_predicate(Builder& builder) {
  read_operands<Predicate, Predicate>(builder);
  builder.set_handler(&move_predicate);
}

// --- Packing and unpacking: mov.b64 {%r1, %r2}, %rd and back.

// A loop over all lanes for each part, so that they become vector instructions. No part lies where the whole does, since
// their widths differ.
template <class Whole, class Part, size_t kPart>
Step take_part(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr size_t kParts = sizeof(Whole) / sizeof(Part);
  const auto* const whole = operand<const Whole>(operation, warp, kParts);
  const auto take = [whole](Part* const part) {
#pragma GCC ivdep
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      part[lane] = static_cast<Part>(whole[lane] >> (8 * sizeof(Part) * kPart));
    }
  };
  auto* const part = operand<Part>(operation, warp, kPart);
  if (executing == kAllLanes) {
    take(part);
  } else {
    alignas(64) std::array<Part, kWarpSize> values;
    take(values.data());
    assign_lanes(part, values.data(), executing);
  }
  return Step::kNext;
}

template <class Whole, class Part>
Step unpack_parts(const Operation& operation, Warp& warp, uint32_t executing) {
  return [&]<size_t... kPart>(std::index_sequence<kPart...>) {
    (take_part<Whole, Part, kPart>(operation, warp, executing), ...);
    return Step::kNext;
  }
  (std::make_index_sequence<sizeof(Whole) / sizeof(Part)>{});
}

// The common case in one pass: halves of two vectors of 32-bit lanes are vectors of 16-bit ones.
Step unpack_halves(const Operation& operation, Warp& warp, uint32_t executing) {
  if (executing != kAllLanes) return unpack_parts<uint32_t, uint16_t>(operation, warp, executing);
  const auto* const whole = operand<const uint16_t>(operation, warp, 2);
  auto* const low = operand<uint16_t>(operation, warp, 0);
  auto* const high = operand<uint16_t>(operation, warp, 1);
  constexpr uint32_t kTogether = kLanesTogether<uint16_t>;
  for (uint32_t lane = 0; lane < kWarpSize; lane += kTogether) {
    split_row<uint16_t, 2>(whole + 2 * size_t{lane}, [&](size_t part, LaneVector<uint16_t> halves) {
      vector_at((part == 0 ? low : high) + lane) = halves;
    });
  }
  return Step::kNext;
}

template <class Whole, class Part>
constexpr auto kPack = [](auto... parts) {
  Whole whole = 0;
  uint32_t shift = 0;
  ((whole |= static_cast<Whole>(parts) << shift, shift += 8 * sizeof(Part)), ...);
  return whole;
};

template <class Whole, class Part>
Step pack_parts(const Operation& operation, Warp& warp, uint32_t executing) {
  if constexpr (sizeof(Whole) / sizeof(Part) == 2) {
    return elementwise<kPack<Whole, Part>, Whole, Part, Part>(operation, warp, executing);
  } else {
    return elementwise<kPack<Whole, Part>, Whole, Part, Part, Part, Part>(operation, warp,
                                                                          executing);
  }
}

// 128 bits have no arithmetic: their parts are copied lane by lane.
template <class Part>
Step pack_128(const Operation& operation, Warp& warp, uint32_t executing) {
  auto* const whole = operand<Bits128>(operation, warp, 0);
  for_each_lane(executing, [&](uint32_t lane) {
    std::array<Part, sizeof(Bits128) / sizeof(Part)> parts;
    for (size_t i = 0; i < parts.size(); ++i) {
      parts[i] = operand<Part>(operation, warp, 1 + i)[lane];
    }
    whole[lane] = std::bit_cast<Bits128>(parts);
  });
  return Step::kNext;
}
template <class Part>
Step unpack_128(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr size_t kParts = sizeof(Bits128) / sizeof(Part);
  const auto* const whole = operand<Bits128>(operation, warp, kParts);
  for_each_lane(executing, [&](uint32_t lane) {
    const auto parts = std::bit_cast<std::array<Part, kParts>>(whole[lane]);
    for (size_t i = 0; i < kParts; ++i) operand<Part>(operation, warp, i)[lane] = parts[i];
  });
  return Step::kNext;
}

template <class Whole, class Part>
void build_parts(Builder& builder, bool packs) {
  const ptx::Operand& vector = builder.operand(packs ? 1 : 0);
  if (packs) builder.write(0, kPtxType<Whole>);
  for (const ptx::Operand& part : builder.children(vector)) {
    packs ? builder.read(part, kPtxType<Part>) : builder.write(part, kPtxType<Part>);
  }
  if (!packs) builder.read(1, kPtxType<Whole>);
  if constexpr (sizeof(Whole) == sizeof(Bits128)) {
    builder.set_handler(packs ? &pack_128<Part> : &unpack_128<Part>);
  } else {
    constexpr bool kIsHalves = std::is_same_v<Whole, uint32_t> && std::is_same_v<Part, uint16_t>;
    constexpr Handler kUnpack = kIsHalves ? &unpack_halves : &unpack_parts<Whole, Part>;
    builder.set_handler(packs ? &pack_parts<Whole, Part> : kUnpack);
  }
}

// A 16-bit register made of two bytes, which registers hold in 16 bits each.
Step pack_bytes(const Operation& operation, Warp& warp, uint32_t executing) {
  return elementwise<[](uint16_t low, uint16_t high) {
    return static_cast<uint16_t>((low & 0xffU) | (high << 8U));
  },
                     uint16_t, uint16_t, uint16_t>(operation, warp, executing);
}
Step unpack_bytes(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const whole = operand<uint16_t>(operation, warp, 2);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint16_t value = whole[lane];
    operand<uint16_t>(operation, warp, 0)[lane] = value & 0xffU;
    operand<uint16_t>(operation, warp, 1)[lane] = static_cast<uint16_t>(value >> 8U);
  });
  return Step::kNext;
}
void build_bytes(Builder& builder, bool packs) {
  const auto parts = builder.children(builder.operand(packs ? 1 : 0));
  if (packs) builder.write(0, ptx::Type::kB16);
  for (const ptx::Operand& part : parts) {
    packs ? builder.read(part, ptx::Type::kB16) : builder.write(part, ptx::Type::kB16);
  }
  if (!packs) builder.read(1, ptx::Type::kB16);
  builder.set_handler(packs ? &pack_bytes : &unpack_bytes);
}

// Four bytes in 32 bits likewise.
Step pack_four_bytes(const Operation& operation, Warp& warp, uint32_t executing) {
  return elementwise<[](uint16_t a, uint16_t b, uint16_t c, uint16_t d) {
    return (a & 0xffU) | ((b & 0xffU) << 8U) | ((c & 0xffU) << 16U) | (uint32_t{d} << 24U);
  },
                     uint32_t, uint16_t, uint16_t, uint16_t, uint16_t>(operation, warp, executing);
}
Step unpack_four_bytes(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const whole = operand<uint32_t>(operation, warp, 4);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint32_t value = whole[lane];
    for (uint32_t i = 0; i < 4; ++i) {
      operand<uint16_t>(operation, warp, i)[lane] = (value >> (8 * i)) & 0xffU;
    }
  });
  return Step::kNext;
}
void build_four_bytes(Builder& builder, bool packs) {
  const auto parts = builder.children(builder.operand(packs ? 1 : 0));
  if (packs) builder.write(0, ptx::Type::kB32);
  for (const ptx::Operand& part : parts) {
    packs ? builder.read(part, ptx::Type::kB16) : builder.write(part, ptx::Type::kB16);
  }
  if (!packs) builder.read(1, ptx::Type::kB32);
  builder.set_handler(packs ? &pack_four_bytes : &unpack_four_bytes);
}

// A scalar move, or one between a register and the parts that make it up.
template <class Whole>
void build_move(Builder& builder) {
  builder.expect_operands(2, 2);
  const bool packs = builder.operand(1).kind == ptx::OperandKind::kVector;
  if (!packs && builder.operand(0).kind != ptx::OperandKind::kVector) {
    kMove<Whole>(builder);
    return;
  }
  const size_t parts = builder.children(builder.operand(packs ? 1 : 0)).size();
  if constexpr (sizeof(Whole) == 2) {
    if (parts == 2) return build_bytes(builder, packs);
  } else if constexpr (sizeof(Whole) == 4) {
    if (parts == 2) return build_parts<Whole, uint16_t>(builder, packs);
    if (parts == 4) return build_four_bytes(builder, packs);
  } else if constexpr (sizeof(Whole) == 8) {
    if (parts == 2) return build_parts<Whole, uint32_t>(builder, packs);
    if (parts == 4) return build_parts<Whole, uint16_t>(builder, packs);
  } else {
    if (parts == 2) return build_parts<Whole, uint64_t>(builder, packs);
    if (parts == 4) return build_parts<Whole, uint32_t>(builder, packs);
  }
  builder.reject("a register cannot be made of that many parts");
}

// --- cvta: windows of the generic address space.

template <uint64_t kWindow>
uint64_t into_window(uint64_t address) {
  return address | kWindow;
}
uint64_t out_of_window(uint64_t address) { return address & ~kWindowMask; }
uint64_t unchanged(uint64_t address) { return address; }

// A plain variable name is an address too: cvta.global.u64 %rd, symbol.
template <auto kFunction>
constexpr auto kConvert = &build<kFunction, uint64_t, uint64_t>;

enum class Window : uint8_t { kGlobal, kShared, kLocal, kParameter };

template <Window kWanted>
Step is_space(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const addresses = operand<uint64_t>(operation, warp, 1);
  uint32_t result = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    const AddressSpace space = resolve_generic(addresses[lane]).space;
    const bool is_it = (kWanted == Window::kGlobal && space == AddressSpace::kGlobal) ||
                       (kWanted == Window::kShared && space == AddressSpace::kShared) ||
                       (kWanted == Window::kLocal && space == AddressSpace::kLocal) ||
                       (kWanted == Window::kParameter && space == AddressSpace::kParameter);
    result |= static_cast<uint32_t>(is_it) << lane;
  });
  assign(predicate(operation, warp, 0), result, executing);
  return Step::kNext;
}
template <Window kWanted>
void build_is_space(Builder& builder) {
  read_operands<Predicate, uint64_t>(builder);
  builder.set_handler(&is_space<kWanted>);
}

// --- Hints.

Step nothing(const Operation& /*operation*/, Warp& /*warp*/, uint32_t /*executing*/) {
  return Step::kNext;
}
void build_nothing(Builder& builder) { builder.set_handler(&nothing); }

void build_policy(Builder& builder) {
  builder.write(0, ptx::Type::kB64);
  builder.read_constant(0, ptx::Type::kB64);
  builder.set_handler(&elementwise<same<uint64_t>, uint64_t, uint64_t>);
}

constexpr auto kMoveForms = std::to_array<Form>({
    {"mov .pred", &build_move_predicate},
    {"mov (.b16|.u16|.s16)", &build_move<uint16_t>},
    {"mov (.b32|.u32|.s32)", &build_move<uint32_t>},
    {"mov (.b64|.u64|.s64)", &build_move<uint64_t>},
    {"mov .b128", &build_move<Bits128>},
    {"mov .f32", kMove<float>},
    {"mov .f64", kMove<double>},
    {"cvta (.global|.const) .u64", kConvert<unchanged>},
    {"cvta (.shared|.shared::cta|.shared::cluster) .u64", kConvert<into_window<kSharedWindow>>},
    {"cvta .local .u64", kConvert<into_window<kLocalWindow>>},
    {"cvta (.param|.param::entry) .u64", kConvert<into_window<kParameterWindow>>},
    {"cvta .to (.global|.const) .u64", kConvert<unchanged>},
    {"cvta .to (.shared|.shared::cta|.shared::cluster) .u64", kConvert<out_of_window>},
    {"cvta .to .local .u64", kConvert<out_of_window>},
    {"cvta .to (.param|.param::entry) .u64", kConvert<out_of_window>},
    {"isspacep .global", &build_is_space<Window::kGlobal>},
    {"isspacep (.shared|.shared::cta|.shared::cluster)", &build_is_space<Window::kShared>,
     "own and other CTAs' memory are not told apart"},
    {"isspacep .local", &build_is_space<Window::kLocal>},
    {"isspacep (.param|.param::entry)", &build_is_space<Window::kParameter>},
    {"prefetch [.global|.local] (.L1|.L2|.L2::evict_last|.L2::evict_normal)", &build_nothing,
     "no effect; the address is not checked"},
    {"prefetch [.const|.param] .tensormap", &build_nothing, "no effect"},
    {"prefetchu .L1", &build_nothing, "no effect"},
    {"applypriority [.global] .L2::evict_normal", &build_nothing, "no effect"},
    {"discard [.global] .L2", &build_nothing, "no effect"},
    {"createpolicy .fractional "
     "(.L2::evict_last|.L2::evict_normal|.L2::evict_first|.L2::evict_unchanged) "
     "[.L2::evict_first|.L2::evict_unchanged] .b64",
     &build_policy, "a policy is always 0"},
    {"createpolicy .range [.global] "
     "(.L2::evict_last|.L2::evict_normal|.L2::evict_first|.L2::evict_unchanged) "
     "[.L2::evict_first|.L2::evict_unchanged] .b64",
     &build_policy, "a policy is always 0"},
    {"createpolicy .cvt .L2 .b64", &build_policy, "a policy is always 0"},
    {"setmaxnreg (.inc|.dec) .sync .aligned .u32", &build_nothing, "no effect"},
    {"pmevent [.mask]", &build_nothing, "no effect"},
});

}  // namespace

Family move_family() { return {"Moves, addresses and hints", "move.cc", kMoveForms, true}; }

}  // namespace slipstream::emulator
