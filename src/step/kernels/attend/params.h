// Parameters of sparse attention over the paged latent cache.
#pragma once

#include <cuda_bf16.h>

#include <array>
#include <cstddef>

#include "step/kernels/support/fields.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

// Partial results lie in the order in which they are combined: sixteen columns of all splits of a
// token's head, then the next sixteen. Of these, a lane of the tensor core has four, which lie next to
// each other: columns 2 q, 2 q + 1, 2 q + 8 and 2 q + 9 are words 4 q to 4 q + 3. A store of a warp touches
// as few lines as it can: each takes a cycle.
inline constexpr int kPartColumns = 16;
SLIPSTREAM_HOST_DEVICE constexpr int64_t part_index(int64_t head, int column, int splits) {
  return (head * kLatent + column) * splits;
}

// The launch right before this one made either the absorbed queries or the lists; the others are
// settled, and read before the wait.
// Constants come a line of 64 bytes at a time, and one after the other: what is always read fits in two.
struct AttendParams {
  pdl::Produced<const __nv_bfloat16> absorbed = {};  // [tokens, heads, 512]
  pdl::Settled<__nv_bfloat16> settled_absorbed = {};
  pdl::Settled<__nv_bfloat16> queries = {};  // [tokens, heads, head_dim]: the last 64 rotate
  pdl::Constant<float> rope = {};            // [positions, 32 cosines and 32 sines]
  pdl::Produced<const int> lists = {};       // [tokens, index_topk] slots
  pdl::Settled<int> settled_lists = {};      // both null: every position, always
  pdl::Settled<std::byte> cache = {};        // rows of 576 bf16 or 656 bytes
  pdl::Produced<float> partials =
      {};  // [tokens, heads, 512 / 16, splits, 16], written after the wait
  pdl::Produced<float2> weights = {};  // [tokens, heads, splits]: (largest exponent, sum)
  int heads = 0;
  int head_dim = 0;
  int index_topk = 0;  // tokens with up to as many keys take every position
  int list_age = 0;    // how many positions ago the lists were made
  float scale = 0;     // of the products, times log2(e)
  int splits = 0;      // attention_splits()
  SettledPlaces places = {};
  int tokens = 0;
  int most_keys = 0;  // that a token attends to
  bool fp8_rows = false;
};

inline constexpr auto kAttendFields = join_fields(
    std::array{
        pdl::field<decltype(AttendParams::absorbed)>("absorbed", offsetof(AttendParams, absorbed)),
        pdl::field<decltype(AttendParams::settled_absorbed)>(
            "settled_absorbed", offsetof(AttendParams, settled_absorbed)),
        pdl::field<decltype(AttendParams::queries)>("queries", offsetof(AttendParams, queries)),
        pdl::field<decltype(AttendParams::rope)>("rope", offsetof(AttendParams, rope)),
        pdl::field<decltype(AttendParams::lists)>("lists", offsetof(AttendParams, lists)),
        pdl::field<decltype(AttendParams::settled_lists)>("settled_lists",
                                                          offsetof(AttendParams, settled_lists)),
        pdl::field<decltype(AttendParams::cache)>("cache", offsetof(AttendParams, cache)),
        pdl::field<decltype(AttendParams::partials)>("partials", offsetof(AttendParams, partials)),
        pdl::field<decltype(AttendParams::weights)>("weights", offsetof(AttendParams, weights)),
    },
    fields_at(offsetof(AttendParams, places), kPlacesFieldsOf<SettledPlaces>));

}  // namespace slipstream::step::kernels
