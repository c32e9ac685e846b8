// From checked tensors to the views that kernels take. Every function throws InvalidArgument
// through `arguments` where the tensor is not as described.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "ops/support/arguments.h"
#include "ops/support/index.h"
#include "ops/support/rope.h"
#include "ops/support/rows.h"
#include "slipstream/ops.h"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// What a thread of the wide kernels takes at a time: eight 16-bit floats, or their eight codes.
inline constexpr int64_t kPackedFloatBytes = 16;
inline constexpr int64_t kPackedCodeBytes = 8;

// True if the address and every stride but the last axis's are multiples of `bytes`.
[[nodiscard]] bool is_aligned(const Tensor& tensor, int64_t bytes);

// An int32 or int64 tensor of rank 1 with `tokens` elements at any stride.
[[nodiscard]] IndexArray index_array(const Arguments& arguments, const char* argument,
                                     const Tensor& tensor, int64_t tokens);

// A matrix: [rows, columns], or [rows, 1, columns].
struct RowTensor {
  void* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;  // in elements

  template <class T>
  [[nodiscard]] Rows<T> as() const {
    return {{static_cast<T*>(data)}, stride};
  }
};
[[nodiscard]] RowTensor row_tensor(const Arguments& arguments, const char* argument,
                                   const Tensor& tensor);

// The heads of a [tokens, heads, columns] tensor.
template <class T>
[[nodiscard]] HeadRows<T> head_rows(const Tensor& tensor) {
  return {{static_cast<T*>(tensor.data)}, tensor.strides[0], tensor.strides[1]};
}

// `tensor` with its second axis of size 1 where it has none: [tokens, columns] as [tokens, 1,
// columns].
[[nodiscard]] Tensor with_head_axis(const Arguments& arguments, const char* argument,
                                    const Tensor& tensor);

// [max_position, rope] float32, rope even and positive.
[[nodiscard]] RopeTable rope_table(const Arguments& arguments, const Tensor& cos_sin_cache,
                                   RopeLayout layout);

// What the cache writers have in common.
struct SlotWrite {
  RowTensor kv_buffer;
  RowTensor cache_k_nope;
  RowTensor cache_k_rope;  // no columns where the argument is absent
  SlotTable slots;
  int64_t tokens = 0;
};
[[nodiscard]] SlotWrite slot_write(const Arguments& arguments, const Tensor& kv_buffer,
                                   const Tensor& loc, const Tensor& cache_k_nope,
                                   const Tensor& cache_k_rope, const SlotOptions& slot_options);

// 1 to as many columns in cache_k_nope and cache_k_rope together as kv_buffer has.
void require_columns(const Arguments& arguments, const SlotWrite& write);

// The optional counter of slots outside the cache.
[[nodiscard]] pdl::Produced<int32_t> dropped_counter(const Arguments& arguments,
                                                     const Tensor& dropped);

}  // namespace slipstream::ops
