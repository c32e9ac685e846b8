#include "emulator/arithmetic/narrow_float.h"

#include <iterator>

namespace slipstream::emulator {
namespace {

Fp8Table make_table(const FloatFormat& format) {
  Fp8Table table{};
  for (uint32_t code = 0; code < std::size(table.half); ++code) {
    table.half[code] =
        static_cast<uint16_t>(encode(decode(code, format), kF16Format, Rounding::kNearest, false));
  }
  return table;
}

}  // namespace

const Fp8Table& e4m3_to_half() {
  static const Fp8Table kTable = make_table(kE4m3Format);
  return kTable;
}

const Fp8Table& e5m2_to_half() {
  static const Fp8Table kTable = make_table(kE5m2Format);
  return kTable;
}

}  // namespace slipstream::emulator
