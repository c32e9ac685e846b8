// Parameters of the launch that projects the query latent and fills both caches.
#pragma once

#include "step/kernels/linear/params.h"

namespace slipstream::step::kernels {

// The new rows of the latent cache and, on layers with an indexer of their own, of the index keys.
struct CacheWriteParams {
  pdl::Produced<const __nv_bfloat16> kv = {};  // [tokens, 576], read after the wait
  pdl::Constant<float> kv_gamma = {};          // [512]
  float kv_eps = 0;
  pdl::Produced<const __nv_bfloat16> keys = {};  // optional: [tokens, 128]
  pdl::Constant<float> key_gamma = {};           // [128]
  pdl::Constant<float> key_bias = {};            // [128]
  float key_eps = 0;
  pdl::Constant<float> rope = {};  // [positions, 32 cosines and 32 sines]
  bool index_interleaved = false;
  bool index_hadamard = true;
  Places places = {};
  pdl::Produced<std::byte> latent_cache = {};  // rows of 576 bf16 or 656 bytes
  bool fp8_rows = false;
  bool ue8m0 = false;                         // scales of 656-byte rows are powers of two
  pdl::Produced<std::byte> index_cache = {};  // pages of 64 keys, then 64 scales
  GatheredRows gathered = {};                 // of several ranks that draft: to be emptied
};

// `Input`: a NormInput, or the PreparedInput of one.
template <class Input>
struct LatentLaunchOf {
  LinearParams linear = {};
  Input input = {};
  CacheWriteParams cache = {};
};
using LatentLaunch = LatentLaunchOf<NormInput>;
using PreparedLatentLaunch = LatentLaunchOf<PreparedInput>;

inline constexpr auto kCacheWriteFields = join_fields(
    std::array{
        pdl::field<decltype(CacheWriteParams::kv)>("kv", offsetof(CacheWriteParams, kv)),
        pdl::field<decltype(CacheWriteParams::kv_gamma)>("kv_gamma",
                                                         offsetof(CacheWriteParams, kv_gamma)),
        pdl::field<decltype(CacheWriteParams::keys)>("keys", offsetof(CacheWriteParams, keys)),
        pdl::field<decltype(CacheWriteParams::key_gamma)>("key_gamma",
                                                          offsetof(CacheWriteParams, key_gamma)),
        pdl::field<decltype(CacheWriteParams::key_bias)>("key_bias",
                                                         offsetof(CacheWriteParams, key_bias)),
        pdl::field<decltype(CacheWriteParams::rope)>("rope", offsetof(CacheWriteParams, rope)),
        pdl::field<decltype(CacheWriteParams::latent_cache)>(
            "latent_cache", offsetof(CacheWriteParams, latent_cache)),
        pdl::field<decltype(CacheWriteParams::index_cache)>(
            "index_cache", offsetof(CacheWriteParams, index_cache)),
    },
    fields_at(offsetof(CacheWriteParams, places), kPlacesFieldsOf<Places>),
    fields_at(offsetof(CacheWriteParams, gathered), kGatheredRowsFields));
template <class Input, size_t count>
constexpr auto latent_fields(const std::array<pdl::Field, count>& input_fields) {
  using Launch = LatentLaunchOf<Input>;
  return join_fields(fields_at(offsetof(Launch, linear), kLinearFields),
                     fields_at(offsetof(Launch, input), input_fields),
                     fields_at(offsetof(Launch, cache), kCacheWriteFields));
}
inline constexpr auto kLatentFields = latent_fields<NormInput>(kNormInputFields);
inline constexpr auto kPreparedLatentFields = latent_fields<PreparedInput>(kPreparedInputFields);

}  // namespace slipstream::step::kernels
