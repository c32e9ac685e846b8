// Parameters of the two launches of a mixture-of-experts layer after its router.
#pragma once

#include "step/kernels/linear/params.h"

namespace slipstream::step::kernels {

inline constexpr int kMaxExperts = 512;
inline constexpr int kMaxChoices = 32;  // experts per token

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
  int lanes_per_group = 0;  // a power of two; set by the launch, as is the next one
  int experts_per_lane = 0;
};

// How the warps of a launch stream their weights: slots of each warp's ring, their bytes, and how
// many groups of 128 columns fit one.
struct RingShape {
  int slots = 0;
  int slot_bytes = 0;
  int piece_groups = 0;
};

// Choice of experts, then gate and up of every chosen one.
struct RoutedLaunch {
  RouteParams route = {};
  PackedMatrix gate_up = {};  // of expert 0: [2 * width, hidden]; the others follow it
  PlainInput input = {};      // the normed hidden state
  int tokens = 0;
  bool ue8m0 = false;
  RingShape ring = {};                          // set by the launch
  int scratch_bytes = 0;                        // set by the launch
  pdl::Produced<ExpertChoice> choices = {};     // [tokens, choices], written after the wait
  pdl::Produced<__nv_bfloat16> activated = {};  // [tokens, choices, 2 * width], gate then up
};

// The down projections of chosen and shared experts, weighted and summed.
struct DownLaunch {
  pdl::Produced<const ExpertChoice> choices = {};  // [tokens, choices], read after the wait
  int choices_per_token = 0;
  int experts = 0;
  pdl::Produced<const __nv_bfloat16> activated = {};  // [tokens, choices, 2 * width]
  PackedMatrix down = {};                             // of expert 0: [hidden, width]
  SiluInput shared_input = {};                        // [tokens, 2 * shared width]
  PackedMatrix shared_down = {};                      // [hidden, shared width]
  int tokens = 0;
  bool ue8m0 = false;
  RingShape ring = {};                       // set by the launch
  pdl::Produced<__nv_bfloat16> output = {};  // [tokens, hidden], written after the wait
  PeerOffsets peers = {};  // if there are any: the output lies in this rank's window, goes to all
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
        pdl::field<decltype(RoutedLaunch::choices)>("choices", offsetof(RoutedLaunch, choices)),
        pdl::field<decltype(RoutedLaunch::activated)>("activated",
                                                      offsetof(RoutedLaunch, activated)),
    });
inline constexpr auto kDownFields = join_fields(
    fields_at(offsetof(DownLaunch, down), kPackedMatrixFields),
    fields_at(offsetof(DownLaunch, shared_input), kSiluInputFields),
    fields_at(offsetof(DownLaunch, shared_down), kPackedMatrixFields),
    std::array{
        pdl::field<decltype(DownLaunch::choices)>("choices", offsetof(DownLaunch, choices)),
        pdl::field<decltype(DownLaunch::activated)>("activated", offsetof(DownLaunch, activated)),
        pdl::field<decltype(DownLaunch::output)>("output", offsetof(DownLaunch, output)),
    });

}  // namespace slipstream::step::kernels
