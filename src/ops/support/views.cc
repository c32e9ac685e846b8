#include "ops/support/views.h"

#include <fmt/format.h>

#include <limits>

#include "ops/support/limits.h"

namespace slipstream::ops {
namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

// A row of no columns, for an argument that is absent.
Tensor empty_rows(const Tensor& like) { return {nullptr, like.dtype, {like.shape[0], 0}}; }

void apart_from_all(const Arguments& arguments, const char* argument, const Tensor& output,
                    std::initializer_list<std::pair<const char*, const Tensor*>> others) {
  for (const auto& [other_argument, other] : others) {
    if (!other->absent()) arguments.disjoint(argument, output, other_argument, *other);
  }
}

}  // namespace

bool is_aligned(const Tensor& tensor, int64_t bytes) {
  if (tensor.numel() == 0) return true;
  if (reinterpret_cast<intptr_t>(tensor.data) % bytes != 0) return false;
  for (int axis = 0; axis + 1 < tensor.rank; ++axis) {
    const int64_t step = tensor.strides[axis] * size_of(tensor.dtype);
    if (tensor.shape[axis] > 1 && step % bytes != 0) return false;
  }
  return true;
}

IndexArray index_array(const Arguments& arguments, const char* argument, const Tensor& tensor,
                       int64_t tokens) {
  arguments.rank(argument, tensor, {1});
  arguments.dtype(argument, tensor, {DType::kInt32, DType::kInt64});
  arguments.size(argument, tensor, 0, {tokens, "(one per token)"});
  arguments.on_device(argument, tensor);
  return {{tensor.data}, tensor.strides[0], tensor.dtype == DType::kInt64};
}

RowTensor row_tensor(const Arguments& arguments, const char* argument, const Tensor& tensor) {
  arguments.rank(argument, tensor, {2, 3});
  if (tensor.rank == 3) arguments.size(argument, tensor, 1, {1, ""});
  arguments.last_axis_contiguous(argument, tensor);
  arguments.range(argument, tensor.shape[0], 0, kMaxTokens);
  arguments.range(argument, tensor.shape[tensor.rank - 1], 0, kMaxColumns);
  arguments.on_device(argument, tensor);
  return {tensor.data, tensor.shape[0], tensor.shape[tensor.rank - 1], tensor.strides[0]};
}

Tensor with_head_axis(const Arguments& arguments, const char* argument, const Tensor& tensor) {
  arguments.rank(argument, tensor, {2, 3});
  if (tensor.rank == 3) return tensor;
  return {tensor.data,
          tensor.dtype,
          {tensor.shape[0], 1, tensor.shape[1]},
          {tensor.strides[0], tensor.shape[1], tensor.strides[1]}};
}

RopeTable rope_table(const Arguments& arguments, const Tensor& cos_sin_cache, RopeLayout layout) {
  arguments.rank("cos_sin_cache", cos_sin_cache, {2});
  arguments.dtype("cos_sin_cache", cos_sin_cache, {DType::kFloat32});
  arguments.last_axis_contiguous("cos_sin_cache", cos_sin_cache);
  arguments.on_device("cos_sin_cache", cos_sin_cache);
  const int64_t rope = cos_sin_cache.shape[1];
  if (rope < 2 || rope % 2 != 0 || rope > kMaxColumns) {
    arguments.reject("cos_sin_cache", "of an even width of at least 2", cos_sin_cache.describe());
  }
  return {{static_cast<const float*>(cos_sin_cache.data)},
          cos_sin_cache.strides[0],
          cos_sin_cache.shape[0],
          static_cast<int>(rope),
          layout};
}

pdl::Produced<int32_t> dropped_counter(const Arguments& arguments, const Tensor& dropped) {
  if (dropped.absent()) return {};
  arguments.rank("dropped", dropped, {1});
  arguments.dtype("dropped", dropped, {DType::kInt32});
  arguments.size("dropped", dropped, 0, {1, ""});
  arguments.on_device("dropped", dropped);
  return {static_cast<int32_t*>(dropped.data)};
}

void require_columns(const Arguments& arguments, const SlotWrite& write) {
  const int64_t columns = write.cache_k_nope.columns + write.cache_k_rope.columns;
  if (columns >= 1 && columns <= write.kv_buffer.columns) return;
  arguments.reject(
      "cache_k_nope and cache_k_rope together",
      fmt::format("of 1 to {} columns, as kv_buffer has", write.kv_buffer.columns),
      fmt::format("of {} and {}", write.cache_k_nope.columns, write.cache_k_rope.columns));
}

SlotWrite slot_write(const Arguments& arguments, const Tensor& kv_buffer, const Tensor& loc,
                     const Tensor& cache_k_nope, const Tensor& cache_k_rope,
                     const SlotOptions& slot_options) {
  SlotWrite write;
  write.kv_buffer = row_tensor(arguments, "kv_buffer", kv_buffer);
  write.cache_k_nope = row_tensor(arguments, "cache_k_nope", cache_k_nope);
  const Tensor rope = cache_k_rope.absent() ? empty_rows(cache_k_nope) : cache_k_rope;
  write.cache_k_rope = row_tensor(arguments, "cache_k_rope", rope);
  write.tokens = write.cache_k_nope.rows;
  arguments.dtype("cache_k_rope", rope, {cache_k_nope.dtype});
  arguments.size("cache_k_rope", rope, 0, {write.tokens, "as cache_k_nope has"});
  arguments.no_self_overlap("kv_buffer", kv_buffer);

  const std::optional<int64_t> reserved = slot_options.reserved_slot;
  write.slots = {index_array(arguments, "loc", loc, write.tokens),
                 dropped_counter(arguments, slot_options.dropped), write.kv_buffer.rows,
                 reserved.value_or(0), reserved.has_value()};
  apart_from_all(arguments, "kv_buffer", kv_buffer,
                 {{"loc", &loc},
                  {"cache_k_nope", &cache_k_nope},
                  {"cache_k_rope", &rope},
                  {"dropped", &slot_options.dropped}});
  apart_from_all(arguments, "dropped", slot_options.dropped,
                 {{"loc", &loc}, {"cache_k_nope", &cache_k_nope}, {"cache_k_rope", &rope}});
  return write;
}

}  // namespace slipstream::ops
