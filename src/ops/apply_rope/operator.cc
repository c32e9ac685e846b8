#include "ops/apply_rope/operator.h"

#include <algorithm>
#include <array>
#include <string>

#include "ops/kernels.h"
#include "ops/support/limits.h"
#include "ops/support/views.h"

namespace slipstream::ops {
namespace {

// [tokens, heads * head_size] or [tokens, heads, head_size] as the latter.
Tensor split_heads(const Arguments& arguments, const char* argument, const Tensor& tensor,
                   int64_t head_size) {
  arguments.rank(argument, tensor, {2, 3});
  arguments.last_axis_contiguous(argument, tensor);
  arguments.on_device(argument, tensor);
  if (tensor.rank == 3) {
    arguments.size(argument, tensor, 2, {head_size, "(head_size)"});
    return tensor;
  }
  if (tensor.shape[1] % head_size != 0) {
    arguments.reject(argument, "a multiple of head_size " + std::to_string(head_size) + " wide",
                     tensor.describe());
  }
  return {tensor.data,
          tensor.dtype,
          {tensor.shape[0], tensor.shape[1] / head_size, head_size},
          {tensor.strides[0], head_size, tensor.strides[1]}};
}

struct Heads {
  Tensor query, key, value, k_buffer, v_buffer;
};

void check_outputs_apart(const Arguments& arguments, const Heads& heads, const Tensor& positions,
                         const Tensor& cos_sin_cache, const Tensor& cache_loc,
                         const Tensor& dropped) {
  struct Named {
    const char* name;
    const Tensor* tensor;
  };
  const std::array<Named, 5> outputs{{{"query", &heads.query},
                                      {"key", &heads.key},
                                      {"k_buffer", &heads.k_buffer},
                                      {"v_buffer", &heads.v_buffer},
                                      {"dropped", &dropped}}};
  const std::array<Named, 4> inputs{{{"positions", &positions},
                                     {"cos_sin_cache", &cos_sin_cache},
                                     {"value", &heads.value},
                                     {"cache_loc", &cache_loc}}};
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, output] = outputs[i];
    arguments.no_self_overlap(name, *output);
    for (const auto& [input_name, input] : inputs) {
      arguments.disjoint(name, *output, input_name, *input);
    }
    for (size_t j = i + 1; j < outputs.size(); ++j) {
      arguments.disjoint(name, *output, outputs[j].name, *outputs[j].tensor);
    }
  }
}

void check_save(const Arguments& arguments, const Heads& heads) {
  const int64_t kv_heads = heads.key.shape[1];
  arguments.dtype("value", heads.value, {heads.key.dtype});
  arguments.dtype("k_buffer", heads.k_buffer, {heads.key.dtype});
  arguments.dtype("v_buffer", heads.v_buffer, {heads.key.dtype});
  arguments.size("value", heads.value, 0, {heads.key.shape[0], "as key has"});
  arguments.size("value", heads.value, 1, {kv_heads, "heads, as key has"});
  arguments.size("k_buffer", heads.k_buffer, 1, {kv_heads, "heads, as key has"});
  arguments.size("v_buffer", heads.v_buffer, 1, {kv_heads, "heads, as key has"});
  arguments.size("v_buffer", heads.v_buffer, 0, {heads.k_buffer.shape[0], "as k_buffer has"});
}

bool heads_are_aligned(const Heads& heads, const Tensor& cos_sin_cache) {
  const auto all = {&heads.query, &heads.key,      &cos_sin_cache,
                    &heads.value, &heads.k_buffer, &heads.v_buffer};
  return std::all_of(all.begin(), all.end(),
                     [](const Tensor* tensor) { return is_aligned(*tensor, kPackedFloatBytes); });
}

Heads split_all(const Arguments& arguments, const Tensor& query, const Tensor& key,
                int64_t head_size, const std::optional<FusedSetKvBuffer>& save) {
  arguments.range("head_size", head_size, 2, kMaxColumns);
  Heads heads{split_heads(arguments, "query", query, head_size),
              split_heads(arguments, "key", key, head_size),
              {},
              {},
              {}};
  if (save) {
    heads.value = split_heads(arguments, "value", save->value, head_size);
    heads.k_buffer = split_heads(arguments, "k_buffer", save->k_buffer, head_size);
    heads.v_buffer = split_heads(arguments, "v_buffer", save->v_buffer, head_size);
  }
  return heads;
}

}  // namespace

ApplyRopeParams check_apply_rope(const Arguments& arguments, const Tensor& positions,
                                 const Tensor& query, const Tensor& key, int64_t head_size,
                                 const Tensor& cos_sin_cache, RopeLayout layout,
                                 const std::optional<FusedSetKvBuffer>& save) {
  const Heads heads = split_all(arguments, query, key, head_size, save);
  arguments.dtype("query", query, {DType::kBFloat16, DType::kFloat16});
  arguments.dtype("key", key, {query.dtype});
  const int64_t tokens = query.shape[0];
  arguments.size("key", key, 0, {tokens, "as query has"});
  arguments.range("query heads", heads.query.shape[1], 0, kMaxHeads);
  arguments.range("key heads", heads.key.shape[1], 0, kMaxHeads);
  const RopeTable table = rope_table(arguments, cos_sin_cache, layout);
  if (table.rope > head_size) {
    arguments.reject("cos_sin_cache", "at most head_size " + std::to_string(head_size) + " wide",
                     cos_sin_cache.describe());
  }
  ApplyRopeParams params{};
  params.query = head_rows<uint16_t>(heads.query);
  params.key = head_rows<uint16_t>(heads.key);
  params.table = table;
  params.positions = index_array(arguments, "positions", positions, tokens);
  params.tokens = tokens;
  params.q_heads = static_cast<int>(heads.query.shape[1]);
  params.kv_heads = static_cast<int>(heads.key.shape[1]);
  params.head_size = static_cast<int>(head_size);
  params.saves = save.has_value();
  params.dtype = query.dtype;
  if (save) {
    check_save(arguments, heads);
    params.value = head_rows<const uint16_t>(heads.value);
    params.k_buffer = head_rows<uint16_t>(heads.k_buffer);
    params.v_buffer = head_rows<uint16_t>(heads.v_buffer);
    params.slots.loc = index_array(arguments, "cache_loc", save->cache_loc, tokens);
    params.slots.dropped = dropped_counter(arguments, save->dropped);
    params.slots.slots = heads.k_buffer.shape[0];
  }
  check_outputs_apart(arguments, heads, positions, cos_sin_cache, save ? save->cache_loc : Tensor(),
                      save ? save->dropped : Tensor());
  return params;
}

void apply_rope_with_cos_sin_cache_inplace(
    const Tensor& positions, const Tensor& query, const Tensor& key, int64_t head_size,
    const Tensor& cos_sin_cache, RopeLayout layout,
    const std::optional<FusedSetKvBuffer>& fused_set_kv_buffer, const LaunchOptions& options) {
  const Arguments arguments("apply_rope_with_cos_sin_cache_inplace");
  const ApplyRopeParams params = check_apply_rope(arguments, positions, query, key, head_size,
                                                  cos_sin_cache, layout, fused_set_kv_buffer);
  const Heads heads = split_all(arguments, query, key, head_size, fused_set_kv_buffer);
  current().apply_rope(params, heads_are_aligned(heads, cos_sin_cache), options);
}

}  // namespace slipstream::ops
