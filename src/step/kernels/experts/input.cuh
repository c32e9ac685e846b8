// The input of the chosen experts: e4m3 codes that the router's launch has made, or bf16 rows.
#pragma once

#include "cuda/cluster.cuh"
#include "step/kernels/experts/multiply.cuh"
#include "step/kernels/experts/plan.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// The tokens of an item that a lane multiplies and gets results of.
struct LaneTokens {
  int operand;
  int results[2];

  __device__ LaneTokens(const Plan& plan, int item) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    operand = plan.taker(item, lane / 4).token;
    results[0] = plan.taker(item, lane % 4 * 2).token;
    results[1] = plan.taker(item, lane % 4 * 2 + 1).token;
  }
};

// Where a lane's operands of its warp's groups lie among coded rows.
struct LaneUnits {
  int first;  // of the warp's first group
  int tokens;

  __device__ LaneUnits(const Slice& slice, int tokens_in)
      : first(code_unit(slice.first, 0, tokens_in)), tokens(tokens_in) {}
  __device__ void load(const CodeUnits& units, int index, const LaneTokens& lane,
                       Operand& operand) const {
    const int unit = first + code_unit(index, 0, tokens);
    units.load(unit + lane.operand, operand.words);
    operand.scales[0] = units.scales[unit + lane.results[0]];
    operand.scales[1] = units.scales[unit + lane.results[1]];
  }
};

// Coded rows, copied into shared memory as they are. Of several rows, groups are multiplied by twos.
template <bool kByTwosIn>
class StagedInput {
 public:
  static constexpr bool kIsFp8 = true;
  static constexpr bool kByTwos = kByTwosIn;

  // All threads; a barrier must follow.
  __device__ StagedInput(const RoutedLaunch& params, const Slice& slice, unsigned char* memory,
                         uint64_t* arrived)
      : params_(params),
        memory_(memory),
        units_(memory, params.gate_up.groups() * params.tokens),
        lane_(slice, params.tokens),
        arrived_(arrived) {
    if (threadIdx.x == 0) {
      cuda::initialize_barrier(arrived, 1);
      cuda::publish_barriers();
    }
  }
  // After the wait.
  __device__ void send_for() const {
    if (threadIdx.x != 0) return;
    const auto bytes = static_cast<uint32_t>(code_bytes(params_.gate_up.groups() * params_.tokens));
    cuda::publish_to_copies();
    cuda::expect_bytes(arrived_, bytes);
    cuda::copy_bulk(memory_, params_.codes.get(), bytes, arrived_);
  }
  __device__ void wait() const { cuda::wait_barrier(arrived_, 0); }
  __device__ void load(int index, const LaneTokens& tokens, Operand& operand) const {
    lane_.load(units_, index, tokens, operand);
  }

 private:
  const RoutedLaunch& params_;
  unsigned char* memory_;
  CodeUnits units_;
  LaneUnits lane_;
  uint64_t* arrived_;
};

// Coded rows that are too many for shared memory, or bf16 rows: from global memory each time.
class DirectInput {
 public:
  static constexpr bool kIsFp8 = false;
  static constexpr bool kByTwos = false;
  __device__ DirectInput(const RoutedLaunch& params, const Slice& slice, unsigned char* /*memory*/,
                         uint64_t* /*arrived*/)
      : params_(params), slice_(slice) {}
  __device__ void send_for() const {}
  __device__ void wait() const {}
  __device__ void load(int index, const LaneTokens& tokens, Operand& operand) const {
    if (params_.gate_up.is_fp8) {
      // Nobody writes by way of it.
      auto* const codes = const_cast<unsigned char*>(params_.codes.get());
      const CodeUnits units(codes, params_.gate_up.groups() * params_.tokens);
      LaneUnits(slice_, params_.tokens).load(units, index, tokens, operand);
      return;
    }
    const __nv_bfloat16* source = params_.input.rows.get() + tokens.operand * params_.input.stride +
                                  (slice_.first + index) * kGroup +
                                  static_cast<int>(threadIdx.x) % 4 * 32;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint4 eight = *reinterpret_cast<const uint4*>(source + i * 8);
      cuda::split_words(eight, operand.words + 4 * i);
    }
  }

 private:
  const RoutedLaunch& params_;
  Slice slice_;
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
