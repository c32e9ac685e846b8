#include "step/weights.h"

#include <utility>

namespace slipstream::step {
namespace {

IndexerWeights load_indexer(WeightSource& source, const std::string& attention) {
  const std::string prefix = attention + "indexer.";
  IndexerWeights result;
  result.wq_b = source.matrix(prefix + "wq_b.weight");
  result.wk = source.matrix(prefix + "wk.weight");
  result.weights_proj = source.matrix(prefix + "weights_proj.weight");
  result.k_norm_weight = source.vector(prefix + "k_norm.weight");
  result.k_norm_bias = source.vector(prefix + "k_norm.bias");
  return result;
}

void load_attention(WeightSource& source, int layer, bool has_indexer, LayerWeights& result) {
  result.input_norm = source.vector(model::layer_prefix(layer) + "input_layernorm.weight");
  const std::string prefix = model::layer_prefix(layer) + "self_attn.";
  result.q_a = source.matrix(prefix + "q_a_proj.weight");
  result.q_a_norm = source.vector(prefix + "q_a_layernorm.weight");
  result.q_b = source.matrix(prefix + "q_b_proj.weight");
  result.kv_a = source.matrix(prefix + "kv_a_proj_with_mqa.weight");
  result.kv_a_norm = source.vector(prefix + "kv_a_layernorm.weight");
  result.o = source.matrix(prefix + "o_proj.weight");
  const AbsorbedWeights absorbed = source.absorbed(layer);
  result.w_uk = absorbed.w_uk;
  result.w_uv = absorbed.w_uv;
  if (has_indexer) result.indexer = load_indexer(source, prefix);
}

MoeWeights load_moe(WeightSource& source, int layer) {
  const std::string prefix = model::layer_prefix(layer) + "mlp.";
  MoeWeights result;
  result.router = source.matrix(prefix + "gate.weight");
  result.correction_bias = source.vector(prefix + "gate.e_score_correction_bias");
  const ExpertWeights experts = source.experts(layer);
  result.expert = experts.first;
  result.shared = experts.shared;
  return result;
}

LayerWeights load_layer(const model::ModelConfig& config, WeightSource& source, int layer) {
  const std::string prefix = model::layer_prefix(layer);
  LayerWeights result;
  load_attention(source, layer, config.indexer_type(layer) == model::IndexerType::kFull, result);
  result.post_attention_norm = source.vector(prefix + "post_attention_layernorm.weight");
  if (config.mlp_type(layer) == model::MlpType::kDense) {
    result.mlp = source.gated_mlp(prefix + "mlp.");
  } else {
    result.mlp = load_moe(source, layer);
  }
  return result;
}

MtpWeights load_mtp(const model::ModelConfig& config, WeightSource& source) {
  const int layer = config.num_hidden_layers;
  const std::string prefix = model::layer_prefix(layer);
  MtpWeights result;
  result.embedding_norm = source.vector(prefix + "enorm.weight");
  result.hidden_norm = source.vector(prefix + "hnorm.weight");
  result.eh_proj = source.matrix(prefix + "eh_proj.weight");
  result.layer = load_layer(config, source, layer);
  result.head_norm = source.vector(prefix + "shared_head.norm.weight");
  return result;
}

}  // namespace

bool takes_bands(const model::ModelConfig& config) {
  constexpr int64_t kMostCodes = int64_t{128} * 1024;
  const int64_t width = int64_t{config.moe_intermediate_size} * config.n_shared_experts;
  return kernels::bands_per_cta(config.hidden_size) * 8 >= kernels::kMostBands * 7 &&
         (config.num_experts_per_tok + 1) * width <= kMostCodes;
}

int64_t packed_bytes(const PackedMatrix& matrix) {
  constexpr int64_t kScaleBytes = sizeof(float);
  const int64_t scales = int64_t{matrix.tile_count()} * matrix.groups() * kScaleBytes;
  return matrix.bytes() + (matrix.has_scales() ? scales : 0);
}

void* DeviceStore::allocate(int64_t bytes) {
  const DeviceBuffer& buffer = buffers_.emplace_back(bytes);
  bytes_ += bytes;
  return buffer.data();
}

pdl::Constant<float> DeviceStore::upload(const std::vector<float>& values) {
  const size_t bytes = values.size() * sizeof(float);
  void* target = allocate(static_cast<int64_t>(bytes));
  check_cuda(cudaMemcpy(target, values.data(), bytes, cudaMemcpyHostToDevice),
             "copy of a vector to the device");
  return {static_cast<const float*>(target)};
}

WritableMatrix writable(const PackedMatrix& matrix) {
  return {const_cast<std::byte*>(matrix.tiles.get()), const_cast<float*>(matrix.scales.get())};
}

PackedMatrix DeviceStore::allocate_matrix(const PackedMatrix& shape, int count) {
  PackedMatrix result = shape;
  result.tiles = {static_cast<const std::byte*>(allocate(count * result.bytes()))};
  if (result.has_scales()) {
    const int64_t scales = int64_t{count} * result.tile_count() * result.groups();
    result.scales = {
        static_cast<const float*>(allocate(scales * static_cast<int64_t>(sizeof(float))))};
  }
  return result;
}

Weights::Weights(const model::Checkpoint& checkpoint, const Progress& progress, MtpLoad mtp)
    : Weights(checkpoint.config(), checkpoint_weights(checkpoint), progress, mtp) {
  checkpoint.require_unchanged();
}

Weights::Weights(const model::ModelConfig& config, std::unique_ptr<WeightSource> source,
                 const Progress& progress, MtpLoad mtp)
    : source_(std::move(source)), embedding_(source_->embedding()) {
  const auto report = [&] {
    if (progress) progress(source_->bytes());
  };
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(load_layer(config, *source_, layer));
    report();
  }
  if (mtp != MtpLoad::kNone) {
    mtp_ = load_mtp(config, *source_);
    report();
  }
  final_norm_ = source_->vector("model.norm.weight");
  const std::string head = "lm_head.weight";
  head_ = source_->matrix(head);
  if (mtp_) {
    const bool copies = mtp == MtpLoad::kLayerAndFp8Head && !head_.is_fp8;
    mtp_->head = copies ? source_->matrix_as_fp8(head) : head_;
  }
  report();
}

}  // namespace slipstream::step
