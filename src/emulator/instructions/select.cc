// Selection.
#include <array>

#include "emulator/arithmetic/floating.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

template <class T>
Step select(const Operation& operation, Warp& warp, uint32_t executing) {
  T* const result = operand<T>(operation, warp, 0);
  const T* const a = operand<T>(operation, warp, 1);
  const T* const b = operand<T>(operation, warp, 2);
  const uint32_t choose = predicate(operation, warp, 3);
  if (executing == kAllLanes) {
    choose_lanes(result, a, b, choose);
  } else {
    alignas(64) std::array<T, kWarpSize> values;
    choose_lanes(values.data(), a, b, choose);
    assign_lanes(result, values.data(), executing);
  }
  return Step::kNext;
}
template <class T>
void build_select(Builder& builder) {
  read_operands<T, T, T, Predicate>(builder);
  builder.set_handler(&select<T>);
  builder.set_passing(Passing::kSelects);
}

template <class T>
T select_by_sign(T a, T b, int32_t c) {
  return c >= 0 ? a : b;
}
template <class T, bool kFlush>
T select_by_float(T a, T b, float c) {
  return flush<kFlush>(c) >= 0 ? a : b;
}
template <class T>
void build_select_by_float(Builder& builder) {
  read_operands<T, T, T, float>(builder);
  builder.set_handler(builder.has(".ftz")
                          ? &elementwise<select_by_float<T, true>, T, T, T, float>
                          : &elementwise<select_by_float<T, false>, T, T, T, float>);
}

constexpr auto kSelectForms = std::to_array<Form>({
    {"selp (.b16|.u16|.s16)", &build_select<uint16_t>},
    {"selp (.b32|.u32|.s32)", &build_select<uint32_t>},
    {"selp .f32", &build_select<float>},
    {"selp (.b64|.u64|.s64)", &build_select<uint64_t>},
    {"selp .f64", &build_select<double>},
    {"slct (.b16|.u16|.s16) .s32",
     &build<select_by_sign<uint16_t>, uint16_t, uint16_t, uint16_t, int32_t>},
    {"slct (.b32|.u32|.s32) .s32",
     &build<select_by_sign<uint32_t>, uint32_t, uint32_t, uint32_t, int32_t>},
    {"slct .f32 .s32", &build<select_by_sign<float>, float, float, float, int32_t>},
    {"slct (.b64|.u64|.s64) .s32",
     &build<select_by_sign<uint64_t>, uint64_t, uint64_t, uint64_t, int32_t>},
    {"slct .f64 .s32", &build<select_by_sign<double>, double, double, double, int32_t>},
    {"slct [.ftz] (.b16|.u16|.s16) .f32", &build_select_by_float<uint16_t>},
    {"slct [.ftz] (.b32|.u32|.s32) .f32", &build_select_by_float<uint32_t>},
    {"slct [.ftz] .f32 .f32", &build_select_by_float<float>},
    {"slct [.ftz] (.b64|.u64|.s64) .f32", &build_select_by_float<uint64_t>},
    {"slct [.ftz] .f64 .f32", &build_select_by_float<double>},
});

}  // namespace

Family select_family() { return {"Selection", "select.cc", kSelectForms, true}; }

}  // namespace slipstream::emulator
