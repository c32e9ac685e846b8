// Tensor maps that kernels change: tensormap.replace, and the copy that hands a map to its users.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/tensor_map.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

enum class Field : uint8_t {
  kGlobalAddress,
  kRank,
  kBoxDim,
  kGlobalDim,
  kGlobalStride,
  kElementStride,
  kElementType,
  kInterleave,
  kSwizzle,
  kFill,
};
constexpr std::array<std::string_view, 10> kFieldNames = {
    ".global_address", ".rank",     ".box_dim",           ".global_dim",   ".global_stride",
    ".element_stride", ".elemtype", ".interleave_layout", ".swizzle_mode", ".fill_mode"};

// PTX counts the types differently from the driver.
constexpr std::array kElementTypes = {TensorType::kU8,     TensorType::kU16,  TensorType::kU32,
                                      TensorType::kS32,    TensorType::kU64,  TensorType::kS64,
                                      TensorType::kF16,    TensorType::kF32,  TensorType::kF32Ftz,
                                      TensorType::kF64,    TensorType::kBf16, TensorType::kTf32,
                                      TensorType::kTf32Ftz};

[[noreturn]] void raise_for_value(uint32_t lane, Field field, uint64_t value, uint64_t count) {
  raise(FaultKind::kIllegalInstruction, lane,
        fmt::format("tensormap.replace: {} must be below {}, it is {}",
                    kFieldNames[static_cast<size_t>(field)], count, value));
}

template <class Enum>
Enum choice(uint32_t lane, Field field, uint64_t value, Enum last) {
  const auto count = static_cast<uint64_t>(last) + 1;
  if (value >= count) raise_for_value(lane, field, value, count);
  return static_cast<Enum>(value);
}

// An array's element; `ordinal` counts the dimensions from 0, strides from that of dimension 1.
template <class T, size_t kCount>
T& element(uint32_t lane, Field field, std::array<T, kCount>& values, uint32_t ordinal) {
  if (ordinal >= kCount) raise_for_value(lane, field, ordinal, kCount);
  return values[ordinal];
}

void replace_field(uint32_t lane, TensorMap& map, Field field, uint32_t ordinal, uint64_t value) {
  switch (field) {
    case Field::kGlobalAddress:
      map.address = value;
      break;
    case Field::kRank:  // is written as the rank less 1
      if (value >= kMaxTensorRank) raise_for_value(lane, field, value, kMaxTensorRank);
      map.rank = static_cast<uint8_t>(value + 1);
      break;
    case Field::kBoxDim:
      element(lane, field, map.box, ordinal) = static_cast<uint32_t>(value);
      break;
    case Field::kGlobalDim:
      element(lane, field, map.size, ordinal) = static_cast<uint32_t>(value);
      break;
    case Field::kGlobalStride:
      element(lane, field, map.strides, ordinal) = value;
      break;
    case Field::kElementStride:
      element(lane, field, map.step, ordinal) = static_cast<uint32_t>(value);
      break;
    case Field::kElementType:
      if (value >= kElementTypes.size()) raise_for_value(lane, field, value, kElementTypes.size());
      map.type = kElementTypes[value];
      break;
    case Field::kInterleave:
      map.interleave = choice(lane, field, value, TensorInterleave::k32Bytes);
      break;
    case Field::kSwizzle:
      map.swizzle = choice(lane, field, value, TensorSwizzle::k128Bytes);
      break;
    case Field::kFill:
      map.fill = choice(lane, field, value, TensorFill::kNan);
      break;
  }
}

constexpr int64_t kSpaceShift = 8;

// Operands: map, offset, ordinal, new value. immediate: the field, and the map's space.
template <class Value>
Step replace(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto field = static_cast<Field>(operation.immediate & 0xff);
  const auto space = static_cast<AddressSpace>(operation.immediate >> kSpaceShift);
  const auto* const ordinals = operand<const uint32_t>(operation, warp, 2);
  const auto* const values = operand<const Value>(operation, warp, 3);
  if (order_of(warp) != nullptr) watch_operation(warp, {.kind = race::AccessKind::kWrite});
  for_each_lane(executing, [&](uint32_t lane) {
    const uint64_t address = address_at(operation, warp, 0, lane);
    std::array<std::byte, kTensorMapBytes> bytes;
    load(warp, lane, space, address, bytes.data(), kTensorMapBytes, kTensorMapAlignment,
         Watched::kAlready);
    std::optional<TensorMap> map = unpack(bytes);
    if (!map) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("tensor map at {:#x}: it was never encoded, or something wrote over it",
                        address),
            address);
    }
    replace_field(lane, *map, field, ordinals[lane], values[lane]);
    bytes = pack(*map);
    store(warp, lane, space, address, bytes.data(), kTensorMapBytes, kTensorMapAlignment);
  });
  return Step::kNext;
}

AddressSpace space_of(const Builder& builder) {
  if (builder.has(".global")) return AddressSpace::kGlobal;
  return builder.has(".shared::cta") ? AddressSpace::kShared : AddressSpace::kGeneric;
}

// "[map], new value" or "[map], ordinal, new value"
void build_replace(Builder& builder) {
  constexpr size_t kFieldSlot = 2;
  size_t field = 0;
  while (kFieldNames[field] != builder.slot(kFieldSlot)) ++field;
  const bool has_ordinal = field >= static_cast<size_t>(Field::kBoxDim) &&
                           field <= static_cast<size_t>(Field::kElementStride);
  const size_t last = has_ordinal ? 2 : 1;
  builder.expect_operands(last + 1, last + 1);
  builder.read_address_and_offset(0);
  if (has_ordinal) {
    builder.read(1, ptx::Type::kU32);
  } else {
    builder.read_constant(0, ptx::Type::kU32);
  }
  const bool is_wide = builder.has(".b64");
  builder.read(last, is_wide ? ptx::Type::kB64 : ptx::Type::kB32);
  builder.set_immediate(static_cast<int64_t>(field) | static_cast<int64_t>(space_of(builder))
                                                          << kSpaceShift);
  builder.set_handler(is_wide ? &replace<uint64_t> : &replace<uint32_t>);
}

// Operands: to, offset, from, offset. immediate: whether other grids see it at once. One copy for
// the warp.
void copy_and_fence(const Operation& operation, Warp& warp) {
  const auto lane = static_cast<uint32_t>(__builtin_ctz(warp.active));
  if (order_of(warp) != nullptr) watch_operation(warp, {.kind = race::AccessKind::kWrite});
  const std::byte* const from = readable_shared(warp, lane, address_at(operation, warp, 2, lane),
                                                kTensorMapBytes, kTensorMapAlignment);
  if (order_of(warp) != nullptr) {
    watch_shared(warp, lane, address_at(operation, warp, 2, lane), kTensorMapBytes,
                 race::AccessKind::kRead);
  }
  store(warp, lane, AddressSpace::kGlobal, address_at(operation, warp, 0, lane), from,
        kTensorMapBytes, kTensorMapAlignment);
  if (operation.immediate != 0) publish(warp);
}

// "[to], [from], 128"
void build_copy_and_fence(Builder& builder) {
  builder.expect_operands(3, 3);
  if (builder.constant(2) != static_cast<int64_t>(kTensorMapBytes)) {
    builder.reject("it must copy 128 bytes");
  }
  builder.read_address_and_offset(0);
  builder.read_address_and_offset(1);
  builder.set_immediate(builder.has(".gpu") || builder.has(".sys") ? 1 : 0);
  builder.set_handler(&execute_aligned<copy_and_fence>);
}

constexpr auto kTensorMapEditForms = std::to_array<Form>({
    {"tensormap .replace .tile .global_address [.global|.shared::cta] .b1024 .b64", &build_replace},
    {"tensormap .replace .tile (.rank|.elemtype|.interleave_layout|.swizzle_mode|.fill_mode) "
     "[.global|.shared::cta] .b1024 .b32",
     &build_replace},
    {"tensormap .replace .tile (.box_dim|.global_dim|.element_stride) [.global|.shared::cta] "
     ".b1024 .b32",
     &build_replace},
    {"tensormap .replace .tile .global_stride [.global|.shared::cta] .b1024 .b64", &build_replace},
    {"tensormap .cp_fenceproxy .global .shared::cta .tensormap::generic .release "
     "(.cta|.cluster|.gpu|.sys) .sync .aligned",
     &build_copy_and_fence, "proxies are one"},
});

}  // namespace

Family tensor_map_family() { return {"Tensor maps", "tensor_map_edit.cc", kTensorMapEditForms}; }

}  // namespace slipstream::emulator
