#include <cmath>

#include "bench/fill.h"
#include "model/float_formats.h"

namespace slipstream::bench {
namespace {

constexpr int kThreads = 256;
constexpr int kMaxCtas = 132 * 16;

// A hash of counter and seed: good enough for weights, and quick enough to fill 90 GB.
__device__ __forceinline__ uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 31)) * 0x7FB5D329728EA185ULL;
  value = (value ^ (value >> 27)) * 0x81DADEF4BC2DD44DULL;
  return value ^ (value >> 33);
}

__device__ __forceinline__ uint32_t draw(const uint32_t* values, bool two_bytes, uint32_t random) {
  if (two_bytes) return values[random & 255] | values[random >> 8 & 255] << 16;
  return values[random & 255] | values[random >> 8 & 255] << 8 | values[random >> 16 & 255] << 16 |
         values[random >> 24] << 24;
}

__global__ void __launch_bounds__(kThreads) fill_kernel(const __grid_constant__ FillParams params) {
  __shared__ uint32_t values[256];
  for (int i = threadIdx.x; i < 256; i += kThreads) values[i] = params.values.bits[i];
  __syncthreads();
  const bool two_bytes = params.values.two_bytes;
  const int64_t threads = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < params.count; i += threads) {
    const uint64_t low = mix(params.seed + 2 * i);
    const uint64_t high = mix(params.seed + 2 * i + 1);
    params.target.get()[i] = {draw(values, two_bytes, static_cast<uint32_t>(low)),
                              draw(values, two_bytes, static_cast<uint32_t>(low >> 32)),
                              draw(values, two_bytes, static_cast<uint32_t>(high)),
                              draw(values, two_bytes, static_cast<uint32_t>(high >> 32))};
  }
}

__global__ void __launch_bounds__(kThreads)
    fill_floats_kernel(const __grid_constant__ FillFloatsParams params) {
  const int64_t threads = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < params.count; i += threads) {
    const auto place = static_cast<int>(i % params.period);
    if (place >= params.begin && place < params.end) params.target.get()[i] = params.value;
  }
}

dim3 grid_for(int64_t count) {
  const int64_t wanted = (count + kThreads - 1) / kThreads;
  return dim3(static_cast<unsigned>(wanted < kMaxCtas ? wanted : kMaxCtas));
}

pdl::KernelDeclaration declare(const char* name, const char* symbol) {
  return {.name = name, .symbol = symbol, .waits = false, .fields = {}};
}

// The value below which a share `probability` of a normal distribution lies.
double normal_quantile(double probability) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
  }
  return low;
}

template <class Encode>
ValueTable normal_table(float deviation, bool two_bytes, const Encode& encode) {
  ValueTable table{};
  table.two_bytes = two_bytes;
  for (int i = 0; i < 256; ++i) {
    table.bits[i] = encode(static_cast<float>(deviation * normal_quantile((i + 0.5) / 256)));
  }
  return table;
}

}  // namespace

ValueTable normal_e4m3(float deviation) {
  return normal_table(deviation, false, [](float value) {
    return static_cast<uint16_t>(model::float_to_e4m3(value));
  });
}

ValueTable normal_bf16(float deviation) {
  return normal_table(deviation, true, [](float value) { return model::float_to_bf16(value); });
}

void launch_fill(void* target, int64_t bytes, uint64_t seed, const ValueTable& values,
                 const pdl::LaunchOptions& options) {
  // Counters of different seeds must not run into each other.
  uint64_t spread = seed * 0x9E3779B97F4A7C15ULL;
  spread ^= spread >> 29;
  const FillParams params{{static_cast<uint4*>(target)}, bytes / 16, spread, values};
  pdl::launch(declare("fill", "slipstream::bench::fill_kernel"), fill_kernel,
              {.grid = grid_for(params.count), .block = dim3(kThreads)}, options, params);
}

void launch_fill_floats(const FillFloatsParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(declare("fill_floats", "slipstream::bench::fill_floats_kernel"), fill_floats_kernel,
              {.grid = grid_for(params.count), .block = dim3(kThreads)}, options, params);
}

}  // namespace slipstream::bench
