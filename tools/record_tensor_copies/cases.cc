#include "cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>

namespace slipstream::record_tensor_copies {
namespace {

using Sizes = std::vector<cuuint64_t>;
using Boxes = std::vector<cuuint32_t>;
using Places = std::vector<int32_t>;

constexpr std::array<const char*, 16> kTypeNames = {
    "u8",  "u16",  "u32",     "s32",  "u64",      "s64",   "f16",       "f32",
    "f64", "bf16", "f32.ftz", "tf32", "tf32.ftz", "b4x16", "b4x16_p64", "b6x16_p32"};
constexpr std::array<unsigned, 16> kTypeBytes = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4, 1, 1, 1};

const char* name_of(CUtensorMapDataType type) { return kTypeNames[type]; }
const char* name_of(Kind kind) {
  constexpr std::array<const char*, 4> kNames = {"encode", "load", "store", "reduce"};
  return kNames[static_cast<size_t>(kind)];
}

std::string list(std::span<const int32_t> values) {
  return fmt::format("{}", fmt::join(values, ","));
}

// A tensor without gaps, but strides are multiples of 32; the copy announces what the box has.
Case make(Kind kind, CUtensorMapDataType type, const Sizes& size, const Boxes& box,
          const Places& at) {
  Case one;
  one.kind = kind;
  one.type = type;
  one.rank = static_cast<uint32_t>(size.size());
  std::ranges::copy(size, one.size.begin());
  std::ranges::copy(box, one.box.begin());
  std::ranges::copy(at, one.at.begin());
  uint64_t stride = element_bytes(type) * size[0];
  for (size_t i = 1; i < size.size(); ++i) {
    one.strides[i - 1] = (stride + 31) / 32 * 32;
    stride = one.strides[i - 1] * size[i];
  }
  one.moved = std::accumulate(box.begin(), box.end(), element_bytes(type), std::multiplies<>());
  one.announced = one.moved;
  one.name = fmt::format("{} {}d {} at {}", name_of(kind), one.rank, name_of(type), list(at));
  return one;
}

void add(std::vector<Case>& cases, Case one, const std::string& what) {
  one.name += ", " + what;
  cases.push_back(std::move(one));
}

// The same copy in both directions.
void add_copies(std::vector<Case>& cases, const Case& one, const std::string& what) {
  for (const Kind kind : {Kind::kLoad, Kind::kStore}) {
    Case copy = one;
    copy.kind = kind;
    copy.name = fmt::format("{}{}", name_of(kind), one.name.substr(one.name.find(' ')));
    add(cases, std::move(copy), what);
  }
}

void set_steps(Case& one, const Boxes& step) {
  std::ranges::copy(step, one.step.begin());
  one.moved = element_bytes(one.type) * one.box[0];
  for (uint32_t i = 1; i < one.rank; ++i) {
    one.moved *= (one.box[i] + one.step[i] - 1) / one.step[i];
  }
  one.announced = one.moved;
}

constexpr auto kU8 = CU_TENSOR_MAP_DATA_TYPE_UINT8;
constexpr auto kU16 = CU_TENSOR_MAP_DATA_TYPE_UINT16;
constexpr auto kU32 = CU_TENSOR_MAP_DATA_TYPE_UINT32;
constexpr auto kF16 = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
constexpr auto kF32 = CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
constexpr auto kLastType = CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ;

void add_types(std::vector<Case>& cases) {
  for (int type = 0; type <= kLastType; ++type) {
    add_copies(cases,
               make(Kind::kLoad, static_cast<CUtensorMapDataType>(type), {64, 4}, {32, 3}, {16, 1}),
               "types");
  }
}

void add_ranks(std::vector<Case>& cases) {
  add_copies(cases, make(Kind::kLoad, kF32, {64}, {32}, {8}), "ranks");
  add_copies(cases, make(Kind::kLoad, kU8, {48, 5, 4}, {32, 3, 2}, {16, 1, 1}), "ranks");
  add_copies(cases, make(Kind::kLoad, kF16, {16, 3, 4, 3}, {8, 2, 2, 2}, {8, 1, 1, 0}), "ranks");
  add_copies(cases, make(Kind::kLoad, kF16, {16, 3, 4, 3, 3}, {8, 2, 3, 2, 2}, {8, 1, 0, 1, 1}),
             "ranks");
}

void add_edges(std::vector<Case>& cases) {
  for (const int32_t x : {-32, -8, 0, 24, 40}) {
    for (const int32_t y : {-5, -1, 3, 6}) {
      add_copies(cases, make(Kind::kLoad, kF16, {37, 5}, {32, 4}, {x, y}), "edges");
    }
  }
  const Sizes size = {10, 3, 3, 3, 3};
  const Boxes box = {8, 2, 2, 2, 2};
  add_copies(cases, make(Kind::kLoad, kF32, size, box, {4, 2, 2, 2, 2}), "edges");
  add_copies(cases, make(Kind::kLoad, kF32, size, box, {-4, -1, -1, -1, -1}), "edges");
  constexpr int32_t kLeast = -2147483647 - 1;
  add(cases, make(Kind::kLoad, kF16, {37, 5}, {32, 4}, {kLeast, 0}), "far");
  add(cases, make(Kind::kLoad, kF16, {37, 5}, {32, 4}, {0, kLeast}), "far");
  add(cases, make(Kind::kLoad, kF16, {37, 5}, {32, 4}, {0, 2147483647}), "far");
  for (int type = kF16; type <= kLastType; ++type) {
    Case one = make(Kind::kLoad, static_cast<CUtensorMapDataType>(type), {24, 3}, {16, 4}, {-8, 1});
    one.fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
    add(cases, one, "NaN fill");
  }
}

void add_steps(std::vector<Case>& cases) {
  for (const Boxes& step : {Boxes{1, 3, 2}, Boxes{1, 8, 1}, Boxes{2, 2, 3}}) {
    Case one = make(Kind::kLoad, kU16, {32, 20, 6}, {16, 7, 4}, {8, -2, 1});
    set_steps(one, step);
    add_copies(cases, one, fmt::format("steps {}", fmt::join(step, ",")));
  }
  Case overlapping = make(Kind::kLoad, kU16, {32, 20}, {16, 7}, {8, 1});
  overlapping.strides[0] = 16;
  add(cases, overlapping, "stride of 16");
  overlapping.strides[0] = 0;
  add(cases, overlapping, "stride of 0");
}

void add_swizzles(std::vector<Case>& cases) {
  for (int swizzle = CU_TENSOR_MAP_SWIZZLE_32B; swizzle <= CU_TENSOR_MAP_SWIZZLE_128B; ++swizzle) {
    const unsigned span = 16U << swizzle;
    for (const uint32_t offset : {0U, 128U, 896U}) {
      Case one = make(Kind::kLoad, kF16, {96, 24}, {span / 2, 21}, {8, 1});
      one.swizzle = static_cast<CUtensorMapSwizzle>(swizzle);
      one.shared_offset = offset;
      add_copies(cases, one, fmt::format("swizzle {} from {}", span, offset));
    }
    Case outside = make(Kind::kLoad, kF16, {50, 9}, {span / 2, 16}, {32, -3});
    outside.swizzle = static_cast<CUtensorMapSwizzle>(swizzle);
    add_copies(cases, outside, fmt::format("swizzle {} at edges", span));
  }
}

// Rows that are shorter than the span: are they padded, and what does the mbarrier count?
void add_short_rows(std::vector<Case>& cases) {
  for (const auto& [swizzle, row] : {std::pair{CU_TENSOR_MAP_SWIZZLE_32B, 16U},
                                     {CU_TENSOR_MAP_SWIZZLE_64B, 16U},
                                     {CU_TENSOR_MAP_SWIZZLE_64B, 48U},
                                     {CU_TENSOR_MAP_SWIZZLE_128B, 32U},
                                     {CU_TENSOR_MAP_SWIZZLE_128B, 64U},
                                     {CU_TENSOR_MAP_SWIZZLE_128B, 96U}}) {
    const unsigned span = 16U << swizzle;
    Case one = make(Kind::kLoad, kU8, {112, 12}, {row, 11}, {16, 1});
    one.swizzle = swizzle;
    add_copies(cases, one, fmt::format("{} of {} bytes", row, span));
    one.announced = span * 11;
    add(cases, one, fmt::format("{} of {} bytes, padded count", row, span));
  }
}

// Interleaved: dimension 0 counts slices of channels, of 16 or 32 bytes, and a box has one slice per pixel. What is
// announced is too little: when this was first recorded, dimension 0 was thought to count channels.
Case interleaved(CUtensorMapDataType type, const Sizes& size, const Boxes& box, const Places& at,
                 CUtensorMapInterleave interleave) {
  Case one = make(Kind::kLoad, type, size, box, at);
  const uint64_t slice = uint64_t{8} << interleave;
  one.interleave = interleave;
  if (interleave == CU_TENSOR_MAP_INTERLEAVE_32B) one.swizzle = CU_TENSOR_MAP_SWIZZLE_32B;
  uint64_t stride = slice;
  for (uint32_t i = 1; i < one.rank; ++i) {
    one.strides[i - 1] = stride;
    stride *= size[i];
    // The slices of channels lie between the last dimension and the one before.
    if (i + 2 == one.rank) stride *= (size[0] * element_bytes(type) + slice - 1) / slice;
  }
  const unsigned channels = slice / element_bytes(type);
  one.announced = (box[0] + channels - 1) / channels * slice;
  for (uint32_t i = 1; i < one.rank; ++i) one.announced *= box[i];
  one.moved = slice;
  for (uint32_t i = 0; i < one.rank; ++i) one.moved *= i + 2 == one.rank ? 1 : box[i];
  return one;
}

void add_interleaves(std::vector<Case>& cases) {
  for (const auto interleave : {CU_TENSOR_MAP_INTERLEAVE_16B, CU_TENSOR_MAP_INTERLEAVE_32B}) {
    const std::string what = fmt::format("interleave {}", 8U << interleave);
    const unsigned slice = 8U << interleave;  // channels of u8
    add_copies(cases, interleaved(kU8, {slice, 6, 4}, {slice, 3, 2}, {0, 1, 1}, interleave), what);
    add_copies(cases,
               interleaved(kU8, {uint64_t{3} * slice, 6, 4}, {slice, 3, 2}, {0, 1, 1}, interleave),
               what + ", one of three slices");
    add_copies(cases,
               interleaved(kU8, {uint64_t{3} * slice, 6, 4}, {slice, 3, 2},
                           {static_cast<int32_t>(slice), 1, 1}, interleave),
               what + ", second slice");
    add_copies(
        cases,
        interleaved(kU8, {uint64_t{3} * slice, 6, 4}, {2 * slice, 3, 2}, {0, 1, 1}, interleave),
        what + ", two slices");
    add_copies(cases,
               interleaved(kU8, {uint64_t{3} * slice - 4, 6, 4}, {2 * slice, 3, 2},
                           {static_cast<int32_t>(slice), 4, 3}, interleave),
               what + ", edges");
    add_copies(cases,
               interleaved(kU8, {uint64_t{3} * slice, 6, 4}, {1, 3, 2}, {1, 1, 1}, interleave),
               what + ", slices as units");
    add_copies(cases,
               interleaved(kU16, {slice, 4, 3, 2}, {slice, 2, 3, 1}, {0, 1, 0, 1}, interleave),
               what);
    add_copies(cases,
               interleaved(kF32, {slice, 4, 3, 2, 2}, {slice / 4, 2, 2, 2, 1},
                           {static_cast<int32_t>(slice / 4), 1, 1, 0, 1}, interleave),
               what);
  }
  Case swizzled =
      interleaved(kU16, {24, 9, 3}, {16, 7, 2}, {8, 1, 1}, CU_TENSOR_MAP_INTERLEAVE_16B);
  swizzled.swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  add_copies(cases, swizzled, "interleave 16, swizzle 128");
}

void add_reductions(std::vector<Case>& cases) {
  constexpr std::array kOperations = {"add", "min", "max", "inc", "dec", "and", "or", "xor"};
  for (const char* operation : kOperations) {
    for (int type = 0; type <= kLastType; ++type) {
      Case one =
          make(Kind::kReduce, static_cast<CUtensorMapDataType>(type), {64, 5}, {64, 4}, {0, 2});
      one.reduction = operation;
      add(cases, one, operation);
    }
  }
  Case swizzled = make(Kind::kReduce, kU32, {32, 9}, {32, 8}, {16, -2});
  swizzled.reduction = "add";
  swizzled.swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  add(cases, swizzled, "add, swizzled, at edges");
}

// Copies that break a rule of alignment.
void add_misaligned(std::vector<Case>& cases) {
  add_copies(cases, make(Kind::kLoad, kF16, {64, 4}, {16, 2}, {4, 1}), "between chunks");
  add_copies(cases, make(Kind::kLoad, kF16, {64, 4}, {16, 2}, {-1, 1}), "between chunks");
  for (const uint32_t offset : {16U, 64U}) {
    Case one = make(Kind::kLoad, kF16, {64, 4}, {16, 2}, {8, 1});
    one.shared_offset = offset;
    add_copies(cases, one, fmt::format("shared address {}", offset));
  }
}

// What the driver accepts. Each is the first one with something changed.
void add_encodings(std::vector<Case>& cases) {
  const Case plain = make(Kind::kEncode, kF16, {64, 100, 3}, {64, 8, 1}, {0, 0, 0});
  const auto with = [&](const std::string& what, auto change) {
    Case one = plain;
    change(one);
    one.name = "encode " + what;
    cases.push_back(std::move(one));
  };
  with("a plain map", [](Case&) {});
  for (uint32_t rank : {0U, 1U, 2U, 6U}) {
    with(fmt::format("rank {}", rank), [=](Case& one) { one.rank = rank; });
  }
  for (int type = 13; type <= 16; ++type) {
    with(fmt::format("type {}", type), [=](Case& one) {
      one.type = static_cast<CUtensorMapDataType>(type);
      one.size[0] = one.box[0] = 128;
    });
  }
  for (int swizzle = 4; swizzle <= 7; ++swizzle) {
    with(fmt::format("swizzle {}", swizzle),
         [=](Case& one) { one.swizzle = static_cast<CUtensorMapSwizzle>(swizzle); });
  }
  with("interleave 3", [](Case& one) { one.interleave = static_cast<CUtensorMapInterleave>(3); });
  with("promotion 4", [](Case& one) { one.promotion = static_cast<CUtensorMapL2promotion>(4); });
  with("fill 2", [](Case& one) { one.fill = static_cast<CUtensorMapFloatOOBfill>(2); });
  with("NaN fill of integers", [](Case& one) {
    one.type = kU16;
    one.fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
  });
  with("address at 8", [](Case& one) { one.address_offset = 8; });
  with("address at 16", [](Case& one) { one.address_offset = 16; });
  with("size 0", [](Case& one) { one.size[1] = 0; });
  with("size 2^32", [](Case& one) { one.size[1] = 1ULL << 32; });
  with("size above 2^32", [](Case& one) { one.size[1] = (1ULL << 32) + 1; });
  with("stride 136", [](Case& one) { one.strides[0] = 136; });
  with("stride 0", [](Case& one) { one.strides[0] = 0; });
  with("stride 16", [](Case& one) { one.strides[0] = 16; });
  with("stride below 2^40", [](Case& one) { one.strides[1] = (1ULL << 40) - 16; });
  with("stride 2^40", [](Case& one) { one.strides[1] = 1ULL << 40; });
  with("decreasing strides", [](Case& one) { one.strides = {12800, 128}; });
  with("box 0", [](Case& one) { one.box[1] = 0; });
  with("box 256", [](Case& one) { one.box[1] = 256; });
  with("box 257", [](Case& one) { one.box[1] = 257; });
  with("box larger than the tensor", [](Case& one) { one.box[2] = 9; });
  with("box of more than shared memory", [](Case& one) { one.box = {64, 256, 256}; });
  with("box row of 24 bytes", [](Case& one) { one.box[0] = 12; });
  with("step 0", [](Case& one) { one.step[1] = 0; });
  with("step 8", [](Case& one) { one.step[1] = 8; });
  with("step 9", [](Case& one) { one.step[1] = 9; });
  with("step 0 of dimension 0", [](Case& one) { one.step[0] = 0; });
  with("step 9 of dimension 0", [](Case& one) { one.step[0] = 9; });
  for (int swizzle = 1; swizzle <= 3; ++swizzle) {
    for (const uint32_t more : {0U, 8U}) {
      with(fmt::format("swizzle {} with {} halves more", swizzle, more), [=](Case& one) {
        one.swizzle = static_cast<CUtensorMapSwizzle>(swizzle);
        one.box[0] = (8U << swizzle) + more;
      });
    }
  }
  const auto interleave = [](Case& one, int mode, int swizzle) {
    one.interleave = static_cast<CUtensorMapInterleave>(mode);
    one.swizzle = static_cast<CUtensorMapSwizzle>(swizzle);
  };
  for (int mode = 1; mode <= 2; ++mode) {
    for (int swizzle = 0; swizzle <= 3; ++swizzle) {
      with(fmt::format("interleave {} swizzle {}", mode, swizzle),
           [=](Case& one) { interleave(one, mode, swizzle); });
    }
    with(fmt::format("interleave {} of rank 2", mode), [=](Case& one) {
      interleave(one, mode, 1);
      one.rank = 2;
    });
    with(fmt::format("interleave {} address at 16", mode), [=](Case& one) {
      interleave(one, mode, 1);
      one.address_offset = 16;
    });
    with(fmt::format("interleave {} stride 144", mode), [=](Case& one) {
      interleave(one, mode, 1);
      one.strides[0] = 144;
    });
    with(fmt::format("interleave {} box of 3 channels", mode), [=](Case& one) {
      interleave(one, mode, 1);
      one.box[0] = 3;
    });
    with(fmt::format("interleave {} step 2 of dimension 0", mode), [=](Case& one) {
      interleave(one, mode, 1);
      one.step[0] = 2;
    });
  }
}

}  // namespace

unsigned element_bytes(CUtensorMapDataType type) { return type < 16 ? kTypeBytes[type] : 1; }

bool is_floating(CUtensorMapDataType type) { return type >= kF16 && type <= kLastType; }

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto add_group :
       {add_encodings, add_types, add_ranks, add_edges, add_steps, add_swizzles, add_short_rows,
        add_interleaves, add_reductions, add_misaligned}) {
    add_group(cases);
  }
  return cases;
}

}  // namespace slipstream::record_tensor_copies
