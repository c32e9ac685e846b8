#include "engine/weights.h"

#include <fmt/core.h>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

using kernels::kLatent;

PackedHostMatrix pack_gate_up(const Checkpoint& checkpoint, const std::string& prefix) {
  const MatrixShare gate = checkpoint.matrix(prefix + "gate_proj.weight");
  const MatrixShare up = checkpoint.matrix(prefix + "up_proj.weight");
  if (gate.is_fp8() != up.is_fp8()) {
    throw InvalidArgument(
        fmt::format("tensor {} must be stored as {} is, in fp8 or in bf16", up.name, gate.name));
  }
  return pack_stacked({gate, up});
}

void copy_to(const PackedMatrix& target, const PackedHostMatrix& matrix) {
  check_cuda(cudaMemcpy(const_cast<std::byte*>(target.tiles.get()), matrix.tiles.data(),
                        matrix.tiles.size(), cudaMemcpyHostToDevice),
             "copy of a matrix to the device");
  if (!matrix.is_fp8) return;
  check_cuda(cudaMemcpy(const_cast<float*>(target.scales.get()), matrix.scales.data(),
                        matrix.scales.size() * sizeof(float), cudaMemcpyHostToDevice),
             "copy of scales to the device");
}

void require_same_format(const std::string& name, const PackedHostMatrix& matrix,
                         const PackedMatrix& first) {
  if (matrix.is_fp8 != first.is_fp8) {
    throw InvalidArgument(
        fmt::format("tensor {} must be stored as those of the layer's first expert, in {}, is {}",
                    name, first.is_fp8 ? "fp8" : "bf16", matrix.is_fp8 ? "fp8" : "bf16"));
  }
}

}  // namespace

Weights::Weights(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  load_embedding(checkpoint);
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = layer_prefix(layer);
    LayerWeights& result = layers_.emplace_back();
    load_attention(checkpoint, layer, result);
    result.post_attention_norm =
        upload_vector(checkpoint, prefix + "post_attention_layernorm.weight");
    result.mlp_type = config.mlp_type(layer);
    if (result.mlp_type == MlpType::kDense) {
      result.dense = load_gated_mlp(checkpoint, prefix + "mlp.");
    } else {
      load_moe(checkpoint, layer, result.moe);
    }
  }
  final_norm_ = upload_vector(checkpoint, "model.norm.weight");
  head_ = upload_matrix(checkpoint, "lm_head.weight");
}

void Weights::load_attention(const Checkpoint& checkpoint, int layer, LayerWeights& result) {
  const ModelConfig& config = checkpoint.config();
  result.input_norm = upload_vector(checkpoint, layer_prefix(layer) + "input_layernorm.weight");
  const std::string prefix = layer_prefix(layer) + "self_attn.";
  result.q_a = upload_matrix(checkpoint, prefix + "q_a_proj.weight");
  result.q_a_norm = upload_vector(checkpoint, prefix + "q_a_layernorm.weight");
  result.q_b = upload_matrix(checkpoint, prefix + "q_b_proj.weight");
  result.kv_a = upload_matrix(checkpoint, prefix + "kv_a_proj_with_mqa.weight");
  result.kv_a_norm = upload_vector(checkpoint, prefix + "kv_a_layernorm.weight");
  result.o = upload_matrix(checkpoint, prefix + "o_proj.weight");

  const AbsorbedKv kv = checkpoint.absorbed_kv(layer);
  const int nope = config.qk_nope_head_dim;
  result.w_uk = upload(pack_bf16(kv.heads * kLatent, nope, [&](int row, int column) {
    const std::size_t head = row / kLatent;
    return kv.w_uk[(head * nope + column) * kLatent + row % kLatent];
  }));
  result.w_uv = upload(pack_bf16(kv.heads * config.v_head_dim, kLatent, [&](int row, int column) {
    return kv.w_uv[static_cast<std::size_t>(row) * kLatent + column];
  }));
  result.indexer_type = config.indexer_type(layer);
  if (result.indexer_type == IndexerType::kFull) load_indexer(checkpoint, layer, result.indexer);
}

void Weights::load_indexer(const Checkpoint& checkpoint, int layer, IndexerWeights& result) {
  const std::string prefix = layer_prefix(layer) + "self_attn.indexer.";
  result.wq_b = upload_matrix(checkpoint, prefix + "wq_b.weight");
  result.wk = upload_matrix(checkpoint, prefix + "wk.weight");
  result.weights_proj = upload_matrix(checkpoint, prefix + "weights_proj.weight");
  result.k_norm_weight = upload_vector(checkpoint, prefix + "k_norm.weight");
  result.k_norm_bias = upload_vector(checkpoint, prefix + "k_norm.bias");
}

void Weights::load_moe(const Checkpoint& checkpoint, int layer, MoeWeights& result) {
  const std::string prefix = layer_prefix(layer) + "mlp.";
  result.router = upload_matrix(checkpoint, prefix + "gate.weight");
  result.correction_bias = upload_vector(checkpoint, prefix + "gate.e_score_correction_bias");
  load_experts(checkpoint, layer, result.expert);
  result.shared = load_gated_mlp(checkpoint, prefix + "shared_experts.");
}

void Weights::load_experts(const Checkpoint& checkpoint, int layer, GatedMlpWeights& result) {
  const int experts = checkpoint.config().n_routed_experts;
  for (int expert = 0; expert < experts; ++expert) {
    const std::string prefix = expert_prefix(layer, expert);
    const PackedHostMatrix gate_up = pack_gate_up(checkpoint, prefix);
    const PackedHostMatrix down = pack(checkpoint.matrix(prefix + "down_proj.weight"));
    if (expert == 0) {
      result = {allocate_stack(gate_up, experts), allocate_stack(down, experts)};
    }
    require_same_format(prefix + "gate_proj.weight", gate_up, result.gate_up);
    require_same_format(prefix + "down_proj.weight", down, result.down);
    copy_to(result.gate_up.nth(expert), gate_up);
    copy_to(result.down.nth(expert), down);
  }
}

GatedMlpWeights Weights::load_gated_mlp(const Checkpoint& checkpoint, const std::string& prefix) {
  return {upload(pack_gate_up(checkpoint, prefix)),
          upload_matrix(checkpoint, prefix + "down_proj.weight")};
}

void Weights::load_embedding(const Checkpoint& checkpoint) {
  const MatrixShare table = checkpoint.matrix("model.embed_tokens.weight");
  const std::size_t row_bytes = table.columns * sizeof(std::uint16_t);
  // Rows of a replicated matrix lie side by side in the file.
  embedding_ = {static_cast<const __nv_bfloat16*>(upload(table.data, table.rows * row_bytes))};
}

const void* Weights::upload(const void* data, std::size_t bytes) {
  DeviceBuffer& buffer = buffers_.emplace_back(bytes);
  buffer.copy_from_host(data, bytes);
  bytes_ += static_cast<std::int64_t>(bytes);
  return buffer.data();
}

PackedMatrix Weights::upload(const PackedHostMatrix& matrix) {
  const PackedMatrix result = allocate_stack(matrix, 1);
  copy_to(result, matrix);
  return result;
}

PackedMatrix Weights::upload_matrix(const Checkpoint& checkpoint, const std::string& name) {
  return upload(pack(checkpoint.matrix(name)));
}

PackedMatrix Weights::allocate_stack(const PackedHostMatrix& first, int count) {
  PackedMatrix result;
  result.rows = first.rows;
  result.columns = first.columns;
  result.is_fp8 = first.is_fp8;
  const DeviceBuffer& tiles = buffers_.emplace_back(first.tiles.size() * count);
  result.tiles = {static_cast<const std::byte*>(tiles.data())};
  bytes_ += static_cast<std::int64_t>(tiles.bytes());
  if (first.is_fp8) {
    const DeviceBuffer& scales = buffers_.emplace_back(first.scales.size() * sizeof(float) * count);
    result.scales = {static_cast<const float*>(scales.data())};
    bytes_ += static_cast<std::int64_t>(scales.bytes());
  }
  return result;
}

pdl::Constant<float> Weights::upload_vector(const Checkpoint& checkpoint, const std::string& name) {
  const std::vector<float> values = checkpoint.vector(name);
  return {static_cast<const float*>(upload(values.data(), values.size() * sizeof(float)))};
}

}  // namespace slipstream::engine
