// Parameters of the launch that absorbs W_UK into the queries and scores the cached index keys.
#pragma once

#include <cuda_bf16.h>

#include <array>
#include <cstddef>

#include "step/kernels/linear/params.h"
#include "step/kernels/support/fields.h"

namespace slipstream::step::kernels {

struct AbsorbParams {
  PackedMatrix w_uk = {};  // bf16, [heads * 512, nope]
  pdl::Produced<const __nv_bfloat16> queries =
      {};                                      // [tokens, heads, head_dim], read after the wait
  pdl::Produced<__nv_bfloat16> absorbed = {};  // [tokens, heads, 512], written after the wait
  int heads = 0;
  int head_dim = 0;
};

struct ScoreParams {
  pdl::Produced<const __nv_bfloat16> queries = {};  // [tokens, heads, 128], read after the wait
  pdl::Produced<const float> head_weights = {};     // [tokens, heads]
  int heads = 0;                                    // 0: this layer scores nothing
  float constant = 0;                               // (heads * 128)^-0.5
  pdl::Constant<float> rope = {};                   // [positions, 32 cosines and 32 sines]
  bool interleaved = false;
  bool hadamard = true;  // queries are transformed, as the keys are
  int index_topk = 0;    // tokens with up to as many keys need no scores
  SettledPlaces places = {};
  pdl::Produced<const std::byte> index_cache = {};  // pages of 64 keys, then 64 scales
  pdl::Produced<float> scores = {};  // [tokens, score_stride], written after the wait
  int64_t score_stride = 0;
  int slots = 0;  // of a CTA's ring of pages, an even number; set by the launch
};

struct ScoreLaunch {
  int tokens = 0;
  AbsorbParams absorb = {};
  ScoreParams score = {};
  // Set by the launch:
  int absorb_warps = 0;    // of a CTA, a tile of W_UK each
  int weights_offset = 0;  // of W_UK's, in the shared memory of a CTA
};

inline constexpr auto kAbsorbFields = join_fields(
    fields_at(offsetof(AbsorbParams, w_uk), kPackedMatrixFields),
    std::array{
        pdl::field<decltype(AbsorbParams::queries)>("queries", offsetof(AbsorbParams, queries)),
        pdl::field<decltype(AbsorbParams::absorbed)>("absorbed", offsetof(AbsorbParams, absorbed)),
    });

inline constexpr auto kScoreParamsFields = join_fields(
    std::array{
        pdl::field<decltype(ScoreParams::queries)>("index_queries", offsetof(ScoreParams, queries)),
        pdl::field<decltype(ScoreParams::head_weights)>("head_weights",
                                                        offsetof(ScoreParams, head_weights)),
        pdl::field<decltype(ScoreParams::rope)>("rope", offsetof(ScoreParams, rope)),
        pdl::field<decltype(ScoreParams::index_cache)>("index_cache",
                                                       offsetof(ScoreParams, index_cache)),
        pdl::field<decltype(ScoreParams::scores)>("scores", offsetof(ScoreParams, scores)),
    },
    fields_at(offsetof(ScoreParams, places), kPlacesFieldsOf<SettledPlaces>));

inline constexpr auto kScoreFields =
    join_fields(fields_at(offsetof(ScoreLaunch, absorb), kAbsorbFields),
                fields_at(offsetof(ScoreLaunch, score), kScoreParamsFields));

}  // namespace slipstream::step::kernels
