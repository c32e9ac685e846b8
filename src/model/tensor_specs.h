// Which tensors a model of this family consists of: names, shapes, admitted types and how ranks
// share them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace slipstream::model {

enum class TensorKind : uint8_t {
  kLinear,  // bf16, or fp8 with a weight_scale_inv of one fp32 per 128x128 block
  kMatrix,  // bf16 always: embedding, head, router, indexer head weights, eh_proj
  kVector,  // norms and biases: bf16, fp16 or fp32
};

// How tensor-parallel ranks share a tensor [rows, columns].
enum class TensorCut : uint8_t {
  kReplicate,
  kRows,
  kColumns,
  kVocabulary,  // rows too, but only the last ranks get fewer
};

struct TensorSpec {
  std::string name;
  TensorKind kind = TensorKind::kLinear;
  std::vector<int64_t> shape;
  TensorCut cut = TensorCut::kReplicate;
  bool optional = false;
  // Ranks get whole runs of so many rows or columns: a head's, or a group of 128 in which the
  // next matrix's activations are quantized.
  int64_t cut_unit = 1;
};

// The cut_unit of every MLP.
inline constexpr int64_t kMlpUnit = 128;
// That of eh_proj: what kernels multiply at once. Every hidden_size has eight of them or more.
inline constexpr int64_t kTileUnit = 16;

// Every tensor of layer `layer` (an MTP layer if it is not below num_hidden_layers, with its own
// tensors included).
[[nodiscard]] std::vector<TensorSpec> layer_tensors(const ModelConfig& config, int layer);

// Everything outside the layers: embedding, final norm, head.
[[nodiscard]] std::vector<TensorSpec> outer_tensors(const ModelConfig& config);

// "model.layers.3."
[[nodiscard]] std::string layer_prefix(int layer);
// "model.layers.3.mlp.experts.17."
[[nodiscard]] std::string expert_prefix(int layer, int expert);
[[nodiscard]] std::string shared_expert_prefix(int layer);

}  // namespace slipstream::model
