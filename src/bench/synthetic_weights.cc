#include "bench/synthetic_weights.h"

#include <algorithm>
#include <cmath>

#include "bench/common_experts.h"
#include "bench/fill.h"
#include "step/shape_weights.h"

namespace slipstream::bench {
namespace {

constexpr float kCodeDeviation = 128;  // of e4m3 codes: the largest quantile stays below 448

class SyntheticWeights final : public step::WeightSource {
 public:
  SyntheticWeights(const model::Checkpoint& shapes, cudaStream_t stream, double common_experts)
      : shapes_(shapes),
        stream_(stream),
        common_experts_(common_experts),
        codes_(normal_e4m3(kCodeDeviation)) {}

  step::PackedMatrix matrix(const std::string& name) override {
    const model::MatrixShape shape = shapes_.local_shape(name);
    return make(shape.rows, shape.columns, shape.kind == model::TensorKind::kLinear);
  }

  // As random as the matrix itself, and no copy of it: drafts are as rarely right with either.
  step::PackedMatrix matrix_as_fp8(const std::string& name) override {
    const model::MatrixShape shape = shapes_.local_shape(name);
    return make(shape.rows, shape.columns, true);
  }

  pdl::Constant<float> vector(const std::string& name) override {
    if (name.ends_with("e_score_correction_bias")) {
      return store_.upload(pool_corrections(shapes_.config(), common_experts_, next_seed_++));
    }
    const bool is_bias = name.ends_with("bias");
    return store_.upload(std::vector<float>(shapes_.vector_size(name), is_bias ? 0.0F : 1.0F));
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const model::MatrixShape shape = shapes_.local_shape("model.embed_tokens.weight");
    const int64_t bytes = int64_t{shape.rows} * shape.columns * 2;
    void* target = store_.allocate(bytes);
    launch_fill(target, bytes, next_seed_++, normal_bf16(1), {.stream = stream_});
    return {static_cast<const __nv_bfloat16*>(target)};
  }

  step::GatedMlpWeights gated_mlp(const std::string& prefix) override {
    return gated(prefix, false, 1);
  }

  step::ExpertWeights experts(int layer) override {
    const bool banded = step::takes_bands(shapes_.config());
    return {gated(model::expert_prefix(layer, 0), banded, shapes_.config().n_routed_experts),
            gated(model::shared_expert_prefix(layer), banded, 1)};
  }

  step::AbsorbedWeights absorbed(int /*layer*/) override {
    const model::ModelConfig& config = shapes_.config();
    const int heads = shapes_.local_heads();
    return {make(heads * config.kv_lora_rank, config.qk_nope_head_dim, false),
            make(heads * config.v_head_dim, config.kv_lora_rank, false)};
  }

  [[nodiscard]] int64_t bytes() const override { return store_.bytes(); }

 private:
  step::GatedMlpWeights gated(const std::string& prefix, bool banded, int count) {
    const model::MatrixShape gate = shapes_.local_shape(prefix + "gate_proj.weight");
    const model::MatrixShape down = shapes_.local_shape(prefix + "down_proj.weight");
    return {make(2 * gate.rows, gate.columns, true, false, count),
            make(down.rows, down.columns, true, banded, count)};
  }

  step::PackedMatrix make(int rows, int columns, bool is_fp8, bool is_banded = false,
                          int count = 1) {
    const step::PackedMatrix matrix = store_.allocate_matrix(
        {.rows = rows, .columns = columns, .is_fp8 = is_fp8, .is_banded = is_banded}, count);
    const step::WritableMatrix memory = step::writable(matrix);
    const int64_t tiles = int64_t{matrix.tile_count()} * count;
    const float deviation = 1 / std::sqrt(static_cast<float>(columns));
    const pdl::LaunchOptions options{.stream = stream_};
    launch_fill(memory.tiles, count * matrix.bytes(), next_seed_++,
                is_fp8 ? codes_ : normal_bf16(deviation), options);
    if (!is_fp8) return matrix;
    // The released scales are powers of two.
    const float scale = std::exp2(std::round(std::log2(deviation / kCodeDeviation)));
    if (is_banded) {
      for (int expert = 0; expert < count; ++expert) fill_band_scales(matrix.nth(expert), scale);
      return matrix;
    }
    launch_fill_floats({.target = {memory.scales},
                        .count = tiles * matrix.groups(),
                        .period = 1,
                        .begin = 0,
                        .end = 1,
                        .value = scale},
                       options);
    return matrix;
  }

  // Block by block, since the last one may be narrower.
  void fill_band_scales(const step::PackedMatrix& matrix, float scale) {
    constexpr int kFloat = sizeof(float);
    std::byte* block = step::writable(matrix).tiles;
    for (int groups = matrix.groups(); groups > 0; groups -= 2) {
      const int band = step::PackedMatrix::band_bytes(std::min(groups, 2));
      const int64_t bytes = int64_t{matrix.bands()} * band;
      launch_fill_floats({.target = {reinterpret_cast<float*>(block)},
                          .count = bytes / kFloat,
                          .period = band / kFloat,
                          .begin = (band - step::kernels::kBandScales) / kFloat,
                          .end = band / kFloat,
                          .value = scale},
                         {.stream = stream_});
      block += bytes;
    }
  }

  const model::Checkpoint& shapes_;
  cudaStream_t stream_;
  double common_experts_;
  ValueTable codes_;
  step::DeviceStore store_;
  uint64_t next_seed_ = 1;
};

}  // namespace

std::unique_ptr<step::WeightSource> synthetic_weights(const model::Checkpoint& shapes,
                                                      cudaStream_t stream, double common_experts) {
  return std::make_unique<SyntheticWeights>(shapes, stream, common_experts);
}

int64_t synthetic_weight_bytes(const model::Checkpoint& shapes, step::MtpLoad mtp) {
  return step::Weights(shapes.config(), step::shape_weights(shapes), {}, mtp).bytes();
}

}  // namespace slipstream::bench
