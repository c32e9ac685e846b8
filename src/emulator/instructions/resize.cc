#include "emulator/decoder/resize.h"

#include <array>

#include "emulator/instructions/lanes.h"
#include "emulator/machine/special_registers.h"

namespace slipstream::emulator {
namespace {

template <class To, class From>
To convert(From value) {
  return static_cast<To>(value);
}
template <class To, class From>
constexpr Handler kResize = &elementwise<convert<To, From>, To, From>;

Bits128 extend_to_128(uint64_t value) { return {value, 0}; }
uint64_t low_of_128(Bits128 value) { return value.low; }

template <class From>
Handler resize_from(RegisterClass to) {
  switch (to) {
    case RegisterClass::k16:
      return kResize<uint16_t, From>;
    case RegisterClass::k32:
      return kResize<uint32_t, From>;
    case RegisterClass::k64:
      return kResize<uint64_t, From>;
    default:
      return nullptr;
  }
}

}  // namespace

Handler resize_handler(RegisterClass from, RegisterClass to, bool is_signed) {
  switch (from) {
    case RegisterClass::k16:
      return is_signed ? resize_from<int16_t>(to) : resize_from<uint16_t>(to);
    case RegisterClass::k32:
      return is_signed ? resize_from<int32_t>(to) : resize_from<uint32_t>(to);
    case RegisterClass::k64:
      return to == RegisterClass::k128 ? &elementwise<extend_to_128, Bits128, uint64_t>
                                       : resize_from<uint64_t>(to);
    case RegisterClass::k128:
      return to == RegisterClass::k64 ? &elementwise<low_of_128, uint64_t, Bits128> : nullptr;
    default:
      return nullptr;
  }
}

Step add_addresses(const Operation& operation, Warp& warp, uint32_t executing) {
  return elementwise<[](uint64_t a, uint64_t b) { return a + b; }, uint64_t, uint64_t, uint64_t>(
      operation, warp, executing);
}

Step negate_predicate(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0), ~predicate(operation, warp, 1), executing);
  return Step::kNext;
}

Step read_special(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto special = static_cast<SpecialRegister>(operation.immediate);
  const auto copy_lanes = [&]<class T>(std::array<T, kWarpSize> values) {
    read_special_register(special, warp, *warp.frame, values.data());
    for_each_lane(executing,
                  [&](uint32_t lane) { operand<T>(operation, warp, 0)[lane] = values[lane]; });
  };
  if (type_of(special) == ptx::Type::kU64) {
    copy_lanes(std::array<uint64_t, kWarpSize>{});
  } else {
    copy_lanes(std::array<uint32_t, kWarpSize>{});
  }
  return Step::kNext;
}

}  // namespace slipstream::emulator
