#include "engine/synthetic/synthetic_weights.h"

#include <cmath>

#include "engine/synthetic/fill.h"

namespace slipstream::engine::synthetic {
namespace {

constexpr float kCodeDeviation = 128;  // of e4m3 codes: the largest quantile stays below 448

class SyntheticWeights final : public WeightSource {
 public:
  SyntheticWeights(const Checkpoint& shapes, cudaStream_t stream)
      : shapes_(shapes), stream_(stream), codes_(normal_e4m3(kCodeDeviation)) {}

  PackedMatrix matrix(const std::string& name) override {
    const MatrixShape shape = shapes_.local_shape(name);
    return make(shape.rows, shape.columns, shape.kind == TensorKind::kLinear);
  }

  pdl::Constant<float> vector(const std::string& name) override {
    const bool is_bias = name.ends_with("bias");
    return store_.upload(std::vector<float>(shapes_.vector_size(name), is_bias ? 0.0F : 1.0F));
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const MatrixShape shape = shapes_.local_shape("model.embed_tokens.weight");
    const std::int64_t bytes = std::int64_t{shape.rows} * shape.columns * 2;
    void* target = store_.allocate(bytes);
    launch_fill(target, bytes, next_seed_++, normal_bf16(1), {.stream = stream_});
    return {static_cast<const __nv_bfloat16*>(target)};
  }

  GatedMlpWeights gated_mlp(const std::string& prefix) override { return gated(prefix, 1); }

  GatedMlpWeights experts(int layer) override {
    return gated(expert_prefix(layer, 0), shapes_.config().n_routed_experts);
  }

  AbsorbedWeights absorbed(int /*layer*/) override {
    const ModelConfig& config = shapes_.config();
    const int heads = shapes_.local_heads();
    return {make(heads * config.kv_lora_rank, config.qk_nope_head_dim, false),
            make(heads * config.v_head_dim, config.kv_lora_rank, false)};
  }

  [[nodiscard]] std::int64_t bytes() const override { return store_.bytes(); }

 private:
  GatedMlpWeights gated(const std::string& prefix, int count) {
    const MatrixShape gate = shapes_.local_shape(prefix + "gate_proj.weight");
    const MatrixShape down = shapes_.local_shape(prefix + "down_proj.weight");
    return {make(2 * gate.rows, gate.columns, true, count),
            make(down.rows, down.columns, true, count)};
  }

  PackedMatrix make(int rows, int columns, bool is_fp8, int count = 1) {
    const PackedMatrix matrix = store_.allocate_matrix(rows, columns, is_fp8, count);
    const std::int64_t tiles = std::int64_t{matrix.tile_count()} * count;
    const float deviation = 1 / std::sqrt(static_cast<float>(columns));
    const pdl::LaunchOptions options{.stream = stream_};
    launch_fill(const_cast<std::byte*>(matrix.tiles.get()), tiles * matrix.tile_bytes(),
                next_seed_++, is_fp8 ? codes_ : normal_bf16(deviation), options);
    if (!is_fp8) return matrix;
    // The released scales are powers of two.
    const float scale = std::exp2(std::round(std::log2(deviation / kCodeDeviation)));
    launch_fill_floats({.target = {const_cast<float*>(matrix.scales.get())},
                        .count = tiles * matrix.groups(),
                        .period = 1,
                        .begin = 0,
                        .end = 1,
                        .value = scale},
                       options);
    return matrix;
  }

  const Checkpoint& shapes_;
  cudaStream_t stream_;
  ValueTable codes_;
  DeviceStore store_;
  std::uint64_t next_seed_ = 1;
};

std::int64_t bytes_of(const Checkpoint& shapes, const TensorSpec& spec) {
  if (spec.kind == TensorKind::kVector) return spec.shape[0] * 4;
  const MatrixShape shape = shapes.local_shape(spec.name);
  const std::int64_t elements = std::int64_t{shape.rows} * shape.columns;
  // kv_b is kept in bf16; a scale stands for 16 rows.
  const bool is_fp8 = spec.kind == TensorKind::kLinear && !spec.name.ends_with("kv_b_proj.weight");
  return is_fp8 ? elements + 4 * (elements / (std::int64_t{16} * 128)) : elements * 2;
}

}  // namespace

std::unique_ptr<WeightSource> synthetic_weights(const Checkpoint& shapes, cudaStream_t stream) {
  return std::make_unique<SyntheticWeights>(shapes, stream);
}

std::int64_t synthetic_weight_bytes(const Checkpoint& shapes) {
  std::int64_t bytes = 0;
  for (const TensorSpec& spec : outer_tensors(shapes.config())) bytes += bytes_of(shapes, spec);
  for (int layer = 0; layer < shapes.config().num_hidden_layers; ++layer) {
    for (const TensorSpec& spec : layer_tensors(shapes.config(), layer)) {
      bytes += bytes_of(shapes, spec);
    }
  }
  return bytes;
}

}  // namespace slipstream::engine::synthetic
