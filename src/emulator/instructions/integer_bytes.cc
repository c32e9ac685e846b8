// Products and differences of the bytes of integers.
#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/integer_forms.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

// Four (or two) products of bytes, added to c.
template <class A, class B>
uint32_t dot_four(uint32_t a, uint32_t b, uint32_t c) {
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> shift)} *
                               int32_t{static_cast<B>(b >> shift)});
  }
  return c;
}
template <class A, class B, uint32_t kFirst>
uint32_t dot_two(uint32_t a, uint32_t b, uint32_t c) {
  for (uint32_t i = 0; i < 2; ++i) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> (16 * i))} *
                               int32_t{static_cast<B>(b >> (8 * (i + kFirst)))});
  }
  return c;
}

uint32_t absolute_differences_of_bytes(uint32_t a, uint32_t b, uint32_t /*c*/) {
  uint32_t result = 0;
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    const auto x = static_cast<uint8_t>(a >> shift);
    const auto y = static_cast<uint8_t>(b >> shift);
    result |= static_cast<uint32_t>(x > y ? x - y : y - x) << shift;
  }
  return result;
}

uint32_t sum_of_absolute_differences(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t sum = c;
  const uint32_t differences = absolute_differences_of_bytes(a, b, c);
  for (uint32_t shift = 0; shift < 32; shift += 8) sum += (differences >> shift) & 0xffU;
  return sum;
}

constexpr auto kByteForms = std::to_array<Form>({
    {"dp4a .u32 .u32", kTernary<dot_four<uint8_t, uint8_t>, uint32_t>},
    {"dp4a .u32 .s32", kTernary<dot_four<uint8_t, int8_t>, uint32_t>},
    {"dp4a .s32 .u32", kTernary<dot_four<int8_t, uint8_t>, uint32_t>},
    {"dp4a .s32 .s32", kTernary<dot_four<int8_t, int8_t>, uint32_t>},
    {"dp2a .lo .u32 .u32", kTernary<dot_two<uint16_t, uint8_t, 0>, uint32_t>},
    {"dp2a .lo .u32 .s32", kTernary<dot_two<uint16_t, int8_t, 0>, uint32_t>},
    {"dp2a .lo .s32 .u32", kTernary<dot_two<int16_t, uint8_t, 0>, uint32_t>},
    {"dp2a .lo .s32 .s32", kTernary<dot_two<int16_t, int8_t, 0>, uint32_t>},
    {"dp2a .hi .u32 .u32", kTernary<dot_two<uint16_t, uint8_t, 2>, uint32_t>},
    {"dp2a .hi .u32 .s32", kTernary<dot_two<uint16_t, int8_t, 2>, uint32_t>},
    {"dp2a .hi .s32 .u32", kTernary<dot_two<int16_t, uint8_t, 2>, uint32_t>},
    {"dp2a .hi .s32 .s32", kTernary<dot_two<int16_t, int8_t, 2>, uint32_t>},
    {"vabsdiff4 .u32 .u32 .u32", kTernary<absolute_differences_of_bytes, uint32_t>,
     "all four bytes, no accumulation"},
    {"vabsdiff4 .u32 .u32 .u32 .add", kTernary<sum_of_absolute_differences, uint32_t>,
     "all four bytes"},
});

}  // namespace

Family byte_family() {
  return {"Products and differences of bytes", "integer_bytes.cc", kByteForms, true};
}

}  // namespace slipstream::emulator
