// Random contents of device memory, made on the device.
#pragma once

#include <vector_types.h>

#include <cstdint>

#include "slipstream/launch.h"

namespace slipstream::bench {

// 256 equally likely values of one or two bytes.
struct ValueTable {
  uint16_t bits[256];
  bool two_bytes;
};

// Quantiles of a normal distribution with mean 0 and this standard deviation; none is a NaN or an
// infinity, and e4m3 codes are at most 448.
[[nodiscard]] ValueTable normal_e4m3(float deviation);
[[nodiscard]] ValueTable normal_bf16(float deviation);

struct FillParams {
  pdl::Produced<uint4> target;
  int64_t count;  // of 16 bytes each
  uint64_t seed;
  ValueTable values;
};

// Fills `bytes` bytes, a multiple of 16, with values drawn by `seed`.
void launch_fill(void* target, int64_t bytes, uint64_t seed, const ValueTable& values,
                 const pdl::LaunchOptions& options);

// Writes `value` into the floats [begin, end) of every `period` floats.
struct FillFloatsParams {
  pdl::Produced<float> target;
  int64_t count;
  int period;
  int begin;
  int end;
  float value;
};
void launch_fill_floats(const FillFloatsParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::bench
