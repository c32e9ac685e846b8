// Weights from a checkpoint: read where it is mapped, repacked on the host, copied.
#include <fmt/core.h>

#include "engine/kernels/linear/pack.h"
#include "engine/weights.h"
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

class CheckpointWeights final : public WeightSource {
 public:
  explicit CheckpointWeights(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  PackedMatrix matrix(const std::string& name) override {
    return upload(pack(checkpoint_.matrix(name)));
  }

  pdl::Constant<float> vector(const std::string& name) override {
    return store_.upload(checkpoint_.vector(name));
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const MatrixShare table = checkpoint_.matrix("model.embed_tokens.weight");
    const std::int64_t bytes =
        table.rows * table.columns * static_cast<std::int64_t>(sizeof(std::uint16_t));
    void* target = store_.allocate(bytes);
    // Rows of a replicated matrix lie side by side in the file.
    check_cuda(cudaMemcpy(target, table.data, bytes, cudaMemcpyHostToDevice),
               "copy of the embedding to the device");
    return {static_cast<const __nv_bfloat16*>(target)};
  }

  GatedMlpWeights gated_mlp(const std::string& prefix) override {
    return {upload(pack_gate_up(checkpoint_, prefix)), matrix(prefix + "down_proj.weight")};
  }

  GatedMlpWeights experts(int layer) override {
    const int experts = checkpoint_.config().n_routed_experts;
    GatedMlpWeights result;
    for (int expert = 0; expert < experts; ++expert) {
      const std::string prefix = expert_prefix(layer, expert);
      const PackedHostMatrix gate_up = pack_gate_up(checkpoint_, prefix);
      const PackedHostMatrix down = pack(checkpoint_.matrix(prefix + "down_proj.weight"));
      if (expert == 0) result = {allocate(gate_up, experts), allocate(down, experts)};
      require_same_format(prefix + "gate_proj.weight", gate_up, result.gate_up);
      require_same_format(prefix + "down_proj.weight", down, result.down);
      copy_to(result.gate_up.nth(expert), gate_up);
      copy_to(result.down.nth(expert), down);
    }
    return result;
  }

  AbsorbedWeights absorbed(int layer) override {
    const ModelConfig& config = checkpoint_.config();
    const AbsorbedKv kv = checkpoint_.absorbed_kv(layer);
    const int nope = config.qk_nope_head_dim;
    const auto w_uk = [&](int row, int column) {
      const std::size_t head = row / kLatent;
      return kv.w_uk[(head * nope + column) * kLatent + row % kLatent];
    };
    const auto w_uv = [&](int row, int column) {
      return kv.w_uv[static_cast<std::size_t>(row) * kLatent + column];
    };
    return {upload(pack_bf16(kv.heads * kLatent, nope, w_uk)),
            upload(pack_bf16(kv.heads * config.v_head_dim, kLatent, w_uv))};
  }

  [[nodiscard]] std::int64_t bytes() const override { return store_.bytes(); }

 private:
  PackedMatrix allocate(const PackedHostMatrix& first, int count) {
    return store_.allocate_matrix(first.rows, first.columns, first.is_fp8, count);
  }

  PackedMatrix upload(const PackedHostMatrix& matrix) {
    const PackedMatrix result = allocate(matrix, 1);
    copy_to(result, matrix);
    return result;
  }

  const Checkpoint& checkpoint_;
  DeviceStore store_;
};

}  // namespace

std::unique_ptr<WeightSource> checkpoint_weights(const Checkpoint& checkpoint) {
  return std::make_unique<CheckpointWeights>(checkpoint);
}

}  // namespace slipstream::engine
