// A model's weights in device memory, in the order in which the kernels consume them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/kernels/linear/pack.h"
#include "engine/kernels/linear/params.h"
#include "pdl/device_buffer.h"

namespace slipstream::engine {

using kernels::PackedMatrix;

struct IndexerWeights {
  PackedMatrix wq_b;
  PackedMatrix wk;
  PackedMatrix weights_proj;
  pdl::Constant<float> k_norm_weight;
  pdl::Constant<float> k_norm_bias;
};

struct GatedMlpWeights {
  PackedMatrix gate_up;  // [gate; up]
  PackedMatrix down;
};

struct MoeWeights {
  PackedMatrix router;
  pdl::Constant<float> correction_bias;
  GatedMlpWeights expert;  // the first one; the others lie behind it
  GatedMlpWeights shared;
};

struct LayerWeights {
  pdl::Constant<float> input_norm;
  PackedMatrix q_a;
  PackedMatrix kv_a;
  pdl::Constant<float> q_a_norm;
  pdl::Constant<float> kv_a_norm;
  PackedMatrix q_b;
  PackedMatrix w_uk;  // [heads * 512, qk_nope_head_dim]
  PackedMatrix w_uv;  // [heads * v_head_dim, 512]
  PackedMatrix o;
  IndexerType indexer_type = IndexerType::kNone;
  IndexerWeights indexer;  // kFull only
  pdl::Constant<float> post_attention_norm;
  MlpType mlp_type = MlpType::kDense;
  GatedMlpWeights dense;  // this one
  MoeWeights moe;         // or this one
};

class Weights {
 public:
  // Throws InvalidArgument where the experts of a layer differ in format.
  explicit Weights(const Checkpoint& checkpoint);

  [[nodiscard]] const std::vector<LayerWeights>& layers() const { return layers_; }
  [[nodiscard]] pdl::Constant<__nv_bfloat16> embedding() const { return embedding_; }
  [[nodiscard]] pdl::Constant<float> final_norm() const { return final_norm_; }
  [[nodiscard]] const PackedMatrix& head() const { return head_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  void load_attention(const Checkpoint& checkpoint, int layer, LayerWeights& result);
  void load_indexer(const Checkpoint& checkpoint, int layer, IndexerWeights& result);
  void load_moe(const Checkpoint& checkpoint, int layer, MoeWeights& result);
  void load_experts(const Checkpoint& checkpoint, int layer, GatedMlpWeights& result);
  GatedMlpWeights load_gated_mlp(const Checkpoint& checkpoint, const std::string& prefix);
  void load_embedding(const Checkpoint& checkpoint);

  const void* upload(const void* data, std::size_t bytes);
  PackedMatrix upload(const PackedHostMatrix& matrix);
  PackedMatrix upload_matrix(const Checkpoint& checkpoint, const std::string& name);
  // Equal matrices one behind the other; returns the first.
  PackedMatrix allocate_stack(const PackedHostMatrix& first, int count);
  pdl::Constant<float> upload_vector(const Checkpoint& checkpoint, const std::string& name);

  std::vector<DeviceBuffer> buffers_;
  std::vector<LayerWeights> layers_;
  pdl::Constant<__nv_bfloat16> embedding_;
  pdl::Constant<float> final_norm_;
  PackedMatrix head_;
  std::int64_t bytes_ = 0;
};

}  // namespace slipstream::engine
