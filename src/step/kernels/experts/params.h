// Parameters of the two launches of a mixture-of-experts layer after its router.
#pragma once

#include "step/kernels/linear/params.h"

namespace slipstream::step::kernels {

inline constexpr int kMaxExperts = 512;

// Divides a number by one that the host knows: n * divisor must be below 2^32.
struct SmallDivisor {
  int divisor = 1;
  unsigned inverse = 0;  // 0: of one

  static SmallDivisor of(int divisor) {
    if (divisor == 1) return {};
    return {divisor, 0xffffffffU / static_cast<unsigned>(divisor) + 1};
  }
#if defined(__CUDACC__)
  __device__ int divide(int n) const {
    return inverse == 0 ? n : static_cast<int>(__umulhi(static_cast<unsigned>(n), inverse));
  }
#endif
};

struct ExpertChoice {
  int expert;
  float weight;
};

struct RouteParams {
  pdl::Produced<const float> logits = {};  // [tokens, experts], read after the wait
  pdl::Constant<float> bias = {};          // [experts]
  int experts = 0;
  int choices = 0;  // per token
  int groups = 0;
  int kept_groups = 0;
  float scaling = 0;
  // How the lanes of a warp share the experts out; set by the launch.
  SmallDivisor group_size = {};
  int lane_shift = 0;  // 1 << lane_shift lanes have a group
  int experts_per_lane = 0;
  int set_lanes =
      0;  // neighboring lanes whose best keys make a bound (choice.cuh); 0: there is none
};

// How the warps of a launch stream their weights: slots of each warp's ring, their bytes, and how
// many groups of 128 columns fit one.
struct RingShape {
  int slots = 0;
  int slot_bytes = 0;
  int piece_groups = 0;
};

// Where things lie in the shared memory of a CTA that multiplies bands, in bytes after its rings.
struct BandedMemory {
  int expert_bytes = 0;  // of one matrix
  int slots = 0;         // of each warpgroup's ring
  int slot_bytes = 0;
  int bands = 0;         // of a CTA
  int columns = 0;       // of the second operands
  int pitch = 0;         // from 16 of their rows to the next
  int scales = 0;        // of their columns: [group][column]
  int partials = 0;      // [place][token][row]
  int token_stride = 0;  // in floats
  int place_stride = 0;
  int order = 0;  // see columns.cuh
  int bytes = 0;
};

// Where the warps' sums of neighboring tasks lie until they are added up, [set][task][warp][place][row]: warps
// meet when a set is full, and use two sets in turn, or one where that holds all tasks of a CTA.
struct TaskSums {
  int tasks = 1;  // of a set
  int sets = 2;
  SmallDivisor places = {};  // of an item, that may have takers
};

// Choice of experts, then gate and up of every chosen one.
struct RoutedLaunch {
  RouteParams route = {};
  PackedMatrix gate_up = {};  // of expert 0: [2 * width, hidden]; the others follow it
  // The normed hidden state of all tokens: e4m3 codes if the experts are (support/code_units.cuh,
  // units [group][token]), else bf16.
  pdl::Produced<const unsigned char> codes = {};
  int tokens = 0;
  // Set by the launch.
  RingShape ring = {};
  int scratch_bytes = 0;
  int slice_groups = 0;  // of columns, of each warp
  TaskSums sums = {};
  SmallDivisor ctas = {};
  SmallDivisor tiles = {};                      // of an expert
  SmallDivisor per_token = {};                  // choices
  pdl::Produced<ExpertChoice> choices = {};     // [tokens, choices], written after the wait
  pdl::Produced<__nv_bfloat16> activated = {};  // [tokens, choices, 2 * width], gate then up
  PlainInput input = {};                        // of bf16 experts
};

// Gate and up of the shared expert. The launch before must be one that waits before it triggers and does
// not write them, as routed_experts does: they are quantized before the wait.
struct SharedInput {
  pdl::Settled<__nv_bfloat16> rows = {};
  int64_t stride = 0;
  int columns = 0;  // of gate, and of up
};

// The down projections of chosen and shared experts, weighted and summed.
struct DownLaunch {
  pdl::Produced<const ExpertChoice> choices = {};  // [tokens, choices], read after the wait
  int choices_per_token = 0;
  int experts = 0;
  pdl::Produced<const __nv_bfloat16> activated = {};  // [tokens, choices, 2 * width]
  PackedMatrix down = {};                             // of expert 0: [hidden, width]
  SharedInput shared_input = {};                      // [tokens, 2 * shared width]
  PackedMatrix shared_down = {};                      // [hidden, shared width]
  int tokens = 0;
  bool ue8m0 = false;
  RingShape ring = {};                       // set by the launch
  SmallDivisor per_token = {};               // choices, set by the launch
  pdl::Produced<__nv_bfloat16> output = {};  // [tokens, hidden], written after the wait
  PeerOffsets peers = {};  // if there are any: the output lies in this rank's window, goes to all
  // Of banded matrices, set by the launch: memory, and groups of columns of chosen and of shared rows.
  BandedMemory memory = {};
  SmallDivisor per_row = {};
  SmallDivisor per_shared_row = {};
};

inline constexpr std::array kRouteFields{
    pdl::field<decltype(RouteParams::logits)>("logits", offsetof(RouteParams, logits)),
    pdl::field<decltype(RouteParams::bias)>("bias", offsetof(RouteParams, bias)),
};
inline constexpr auto kRoutedFields = join_fields(
    fields_at(offsetof(RoutedLaunch, route), kRouteFields),
    fields_at(offsetof(RoutedLaunch, gate_up), kPackedMatrixFields),
    fields_at(offsetof(RoutedLaunch, input), kPlainInputFields),
    std::array{
        pdl::field<decltype(RoutedLaunch::codes)>("codes", offsetof(RoutedLaunch, codes)),
        pdl::field<decltype(RoutedLaunch::choices)>("choices", offsetof(RoutedLaunch, choices)),
        pdl::field<decltype(RoutedLaunch::activated)>("activated",
                                                      offsetof(RoutedLaunch, activated)),
    });
inline constexpr auto kDownFields = join_fields(
    fields_at(offsetof(DownLaunch, down), kPackedMatrixFields),
    fields_at(offsetof(DownLaunch, shared_down), kPackedMatrixFields),
    std::array{
        pdl::field<decltype(DownLaunch::choices)>("choices", offsetof(DownLaunch, choices)),
        pdl::field<decltype(DownLaunch::activated)>("activated", offsetof(DownLaunch, activated)),
        pdl::field<decltype(SharedInput::rows)>(
            "shared_input", offsetof(DownLaunch, shared_input) + offsetof(SharedInput, rows)),
        pdl::field<decltype(DownLaunch::output)>("output", offsetof(DownLaunch, output)),
    });

}  // namespace slipstream::step::kernels
