// The weights of a model as the reference uses them: everything as floats in memory, so for small
// models only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/reference/linear.h"
#include "model/reference/numerics.h"

namespace slipstream::model::reference {

struct IndexerWeights {
  Linear wq_b;
  Linear wk;
  std::vector<float> k_norm_weight;
  std::vector<float> k_norm_bias;
  Linear weights_proj;
};

struct AttentionWeights {
  Linear q_a;
  std::vector<float> q_a_norm;
  Linear q_b;
  Linear kv_a;
  std::vector<float> kv_a_norm;
  std::vector<float> w_uk;  // [heads, qk_nope_head_dim, kv_lora_rank], rounded to bf16 unless exact
  std::vector<float> w_uv;  // [heads, v_head_dim, kv_lora_rank]
  Linear o;
  std::optional<IndexerWeights> indexer;
};

struct GatedMlpWeights {
  Linear gate;
  Linear up;
  Linear down;
};

struct MoeWeights {
  Linear router;
  std::vector<float> correction_bias;
  std::vector<GatedMlpWeights> experts;
  GatedMlpWeights shared;
};

struct LayerWeights {
  std::vector<float> input_norm;
  AttentionWeights attention;
  std::vector<float> post_attention_norm;
  std::optional<GatedMlpWeights> dense;  // this one
  std::optional<MoeWeights> moe;         // or this one
};

// What is before and after the decoder layer of an MTP layer.
struct MtpWeights {
  std::vector<float> embedding_norm;
  std::vector<float> hidden_norm;
  Linear eh_proj;
  std::vector<float> head_norm;
};

struct Model {
  ModelConfig config;
  Numerics numerics;
  int local_heads = 0;
  Linear embedding;
  std::vector<LayerWeights> layers;  // an MTP layer's decoder layer is the last one
  std::optional<MtpWeights> mtp;
  std::vector<float> final_norm;
  Linear head;
  std::vector<float> inverse_frequencies;
};

// `with_mtp`: with the MTP layer, which the checkpoint must have.
[[nodiscard]] Model load_model(const Checkpoint& checkpoint, const Numerics& numerics,
                               bool with_mtp = false);

}  // namespace slipstream::model::reference
