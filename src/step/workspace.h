// Device memory of a running engine besides its weights: what launches hand on to each other, and
// the paged caches.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <vector>

#include "model/checkpoint.h"
#include "pdl/device_buffer.h"
#include "step/kernels/experts/params.h"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step {

// A typed array in device memory. Its size is planned first, so that one can ask how much memory a
// model needs before any is taken.
template <class T>
class DeviceArray {
 public:
  void plan(int64_t size) { size_ = size; }
  void allocate() { buffer_ = DeviceBuffer(static_cast<size_t>(bytes())); }

  [[nodiscard]] T* data() const { return static_cast<T*>(buffer_.data()); }
  [[nodiscard]] pdl::Produced<T> produced() const { return {data()}; }
  // For a kernel that only reads it.
  [[nodiscard]] pdl::Produced<const T> read() const { return {data()}; }
  [[nodiscard]] pdl::Settled<T> settled() const { return {data()}; }
  [[nodiscard]] int64_t bytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }

 private:
  int64_t size_ = 0;
  DeviceBuffer buffer_;
};

struct LayerCache {
  DeviceArray<std::byte> latent;
  DeviceArray<std::byte> index_keys;  // layers with an indexer of their own

  [[nodiscard]] int64_t bytes() const { return latent.bytes() + index_keys.bytes(); }
  void allocate();
};

struct CacheShape {
  int pages = 0;
  bool fp8_rows = false;
};

// Sizes alone; allocate() takes the memory.
[[nodiscard]] LayerCache plan_layer_cache(const CacheShape& shape, bool has_indexer);
[[nodiscard]] LayerCache make_layer_cache(const CacheShape& shape, bool has_indexer);

// Everything that a step reads and writes, for up to 16 tokens.
struct Workspace {
  // `sequences` rows in the page table, for up to `positions` positions each. Takes the memory.
  Workspace(const model::Checkpoint& checkpoint, int sequences, int positions);
  // Sizes alone. `adjusted_sequences`: rows of the histories and biases.
  [[nodiscard]] static Workspace planned(const model::Checkpoint& checkpoint, int sequences,
                                         int positions, int adjusted_sequences = 0,
                                         bool drafts = false);
  // Takes the memory, and fills what is constant.
  void allocate(const model::ModelConfig& config);

  int positions = 0;
  int pages_per_sequence = 0;
  DeviceArray<kernels::StepRow> rows;
  DeviceArray<int> pages;   // [sequences, pages_per_sequence]
  DeviceArray<float> rope;  // [positions, 32 cosines and 32 sines]; constant

  DeviceArray<__nv_bfloat16> residual;         // the stream before a layer
  DeviceArray<__nv_bfloat16> middle_residual;  // the stream between attention and MLP
  DeviceArray<__nv_bfloat16> delta;            // what attention or MLP adds to it
  DeviceArray<__nv_bfloat16> normed;
  DeviceArray<unsigned char> normed_codes;  // the same for fp8 experts (code_units.h)
  DeviceArray<unsigned char> operands;      // of many tokens (kernels::OperandImage)
  DeviceArray<__nv_bfloat16> q_latent;
  DeviceArray<__nv_bfloat16> kv;
  DeviceArray<__nv_bfloat16> index_key;
  DeviceArray<__nv_bfloat16> q;
  DeviceArray<__nv_bfloat16> index_q;
  DeviceArray<float> head_weights;
  DeviceArray<__nv_bfloat16> absorbed;
  DeviceArray<float> scores;
  DeviceArray<int> lists;  // [16, index_topk]: slots, in the order of positions
  DeviceArray<float> partials;
  DeviceArray<float2> partial_weights;
  DeviceArray<__nv_bfloat16> values;
  DeviceArray<__nv_bfloat16> gate_up;
  DeviceArray<float> router_logits;
  DeviceArray<kernels::ExpertChoice> choices;
  DeviceArray<__nv_bfloat16> activated;
  DeviceArray<float> logits;  // [16, vocabulary of this rank]
  // [16], and of a step that drafts after them [16]: how many of each sequence's count
  DeviceArray<int> sampled;

  // Of the MTP layer. None of a model that does not draft.
  DeviceArray<kernels::StepRow> draft_rows;  // [16]: the token after each position, which it takes
  DeviceArray<int> draft_sources;            // [16]: the row of `normed` that belongs to it
  DeviceArray<float> draft_logits;           // [16, vocabulary of this rank]
  DeviceArray<__nv_bfloat16> zeros;          // [hidden]; constant

  // Of rows that ask for more than the usual ways to choose.
  DeviceArray<kernels::RowExtras> extras;
  DeviceArray<int> last_tokens;  // [sequences]: sampled, and waiting for a step
  int mask_words = 0;
  DeviceArray<uint32_t> masks;      // [16, mask_words]
  DeviceArray<uint32_t> histories;  // [adjusted_sequences, vocabulary of this rank]
  DeviceArray<float> biases;        // the same
  DeviceArray<float> adjusted;      // [16, vocabulary of this rank]
  DeviceArray<kernels::RowLogprobs> logprobs;

  [[nodiscard]] kernels::Histories histories_of(const model::Range& vocabulary) const;
  [[nodiscard]] int64_t bytes() const;

 private:
  Workspace() = default;
  void plan(const model::ModelConfig& config, const model::Checkpoint& checkpoint, int sequences);
  void plan_extras(const model::ModelConfig& config, const model::Checkpoint& checkpoint,
                   int sequences, int adjusted_sequences);
  void plan_drafts(const model::Checkpoint& checkpoint);
  void plan_experts(const model::ModelConfig& config, const model::Checkpoint& checkpoint);
  // Calls `visit` with every array.
  template <class Self, class Visit>
  static void each(Self& self, const Visit& visit);
};

// Keys that a token attends to at most.
[[nodiscard]] int most_keys(const model::ModelConfig& config, int positions);

}  // namespace slipstream::step
