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
  SyntheticWeights(const model::Checkpoint& shapes, cudaStream_t stream,
                   const SyntheticOptions& options)
      : shapes_(shapes), stream_(stream), options_(options), codes_(normal_e4m3(kCodeDeviation)) {}

  step::PackedMatrix matrix(const std::string& name) override {
    return make(name, shapes_.local_shape(name).kind == model::TensorKind::kLinear);
  }

  // As random as the matrix itself, and no copy of it: drafts are as rarely right with either.
  step::PackedMatrix matrix_as_fp8(const std::string& name) override { return make(name, true); }

  pdl::Constant<float> vector(const std::string& name) override {
    if (name.ends_with("e_score_correction_bias")) {
      return store_.upload(
          pool_corrections(shapes_.config(), options_.common_experts, next_seed_++));
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
    return {make({.rows = heads * config.kv_lora_rank, .columns = config.qk_nope_head_dim}),
            make({.rows = heads * config.v_head_dim, .columns = config.kv_lora_rank})};
  }

  [[nodiscard]] int64_t bytes() const override { return store_.bytes(); }

 private:
  step::GatedMlpWeights gated(const std::string& prefix, bool banded, int count) {
    const model::MatrixShape gate = shapes_.local_shape(prefix + "gate_proj.weight");
    const model::MatrixShape down = shapes_.local_shape(prefix + "down_proj.weight");
    return {make({.rows = 2 * gate.rows, .columns = gate.columns, .is_fp8 = true}, count),
            make({.rows = down.rows, .columns = down.columns, .is_fp8 = true, .is_banded = banded},
                 count, options_.sum_share)};
  }

  step::PackedMatrix make(const std::string& name, bool is_fp8) {
    const model::MatrixShape shape = shapes_.local_shape(name);
    const bool is_sum = name.ends_with("o_proj.weight");
    const bool is_silent = options_.sum_share == 0 && name == "lm_head.weight";
    return make({.rows = shape.rows, .columns = shape.columns, .is_fp8 = is_fp8}, 1,
                is_sum || is_silent ? options_.sum_share : 1);
  }

  step::PackedMatrix make(const step::PackedMatrix& shape, int count = 1, float factor = 1) {
    const step::PackedMatrix matrix = store_.allocate_matrix(shape, count);
    const step::WritableMatrix memory = step::writable(matrix);
    const int64_t tiles = int64_t{matrix.tile_count()} * count;
    const float deviation = 1 / std::sqrt(static_cast<float>(matrix.columns));
    const pdl::LaunchOptions options{.stream = stream_};
    launch_fill(memory.tiles, count * matrix.bytes(), next_seed_++,
                matrix.is_fp8 ? codes_ : normal_bf16(deviation * factor), options);
    if (!matrix.is_fp8) return matrix;
    // The released scales are powers of two.
    const float scale = std::exp2(std::round(std::log2(deviation / kCodeDeviation))) * factor;
    if (matrix.is_banded) {
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
  SyntheticOptions options_;
  ValueTable codes_;
  step::DeviceStore store_;
  uint64_t next_seed_ = 1;
};

}  // namespace

std::unique_ptr<step::WeightSource> synthetic_weights(const model::Checkpoint& shapes,
                                                      cudaStream_t stream,
                                                      const SyntheticOptions& options) {
  return std::make_unique<SyntheticWeights>(shapes, stream, options);
}

int64_t synthetic_weight_bytes(const model::Checkpoint& shapes, step::MtpLoad mtp) {
  return step::Weights(shapes.config(), step::shape_weights(shapes), {}, mtp).bytes();
}

}  // namespace slipstream::bench
