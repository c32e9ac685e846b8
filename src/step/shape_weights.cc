#include "step/shape_weights.h"

namespace slipstream::step {
namespace {

class ShapeWeights final : public WeightSource {
 public:
  explicit ShapeWeights(const model::Checkpoint& shapes) : shapes_(shapes) {}

  PackedMatrix matrix(const std::string& name) override {
    const model::MatrixShape shape = shapes_.local_shape(name);
    return plan(shape.rows, shape.columns, shape.kind == model::TensorKind::kLinear);
  }

  PackedMatrix matrix_as_fp8(const std::string& name) override {
    const model::MatrixShape shape = shapes_.local_shape(name);
    return plan(shape.rows, shape.columns, true);
  }

  pdl::Constant<float> vector(const std::string& name) override {
    bytes_ += int64_t{shapes_.vector_size(name)} * static_cast<int64_t>(sizeof(float));
    return {};
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const model::MatrixShape shape = shapes_.local_shape("model.embed_tokens.weight");
    bytes_ += int64_t{shape.rows} * shape.columns * 2;
    return {};
  }

  GatedMlpWeights gated_mlp(const std::string& prefix) override { return gated(prefix, false, 1); }

  ExpertWeights experts(int layer) override {
    const bool banded = takes_bands(shapes_.config());
    return {gated(model::expert_prefix(layer, 0), banded, shapes_.config().n_routed_experts),
            gated(model::shared_expert_prefix(layer), banded, 1)};
  }

  AbsorbedWeights absorbed(int /*layer*/) override {
    const model::ModelConfig& config = shapes_.config();
    const int heads = shapes_.local_heads();
    return {plan(heads * config.kv_lora_rank, config.qk_nope_head_dim, false),
            plan(heads * config.v_head_dim, config.kv_lora_rank, false)};
  }

  [[nodiscard]] int64_t bytes() const override { return bytes_; }

 private:
  GatedMlpWeights gated(const std::string& prefix, bool banded, int count) {
    const model::MatrixShape gate = shapes_.local_shape(prefix + "gate_proj.weight");
    const model::MatrixShape down = shapes_.local_shape(prefix + "down_proj.weight");
    return {plan(2 * gate.rows, gate.columns, true, false, count),
            plan(down.rows, down.columns, true, banded, count)};
  }

  PackedMatrix plan(int rows, int columns, bool is_fp8, bool is_banded = false, int count = 1) {
    const PackedMatrix matrix{
        .rows = rows, .columns = columns, .is_fp8 = is_fp8, .is_banded = is_banded};
    bytes_ += packed_bytes(matrix) * count;
    return matrix;
  }

  const model::Checkpoint& shapes_;
  int64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<WeightSource> shape_weights(const model::Checkpoint& shapes) {
  return std::make_unique<ShapeWeights>(shapes);
}

}  // namespace slipstream::step
