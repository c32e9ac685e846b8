// Weights from a checkpoint: read where it is mapped, repacked on the host, copied. Or planned:
// read and checked, so that sizes and errors are known before any device memory is taken.
#include <fmt/core.h>

#include <utility>

#include "slipstream/error.h"
#include "step/kernels/linear/pack.h"
#include "step/weights.h"

namespace slipstream::step {
namespace {

using kernels::kLatent;

const char* format_name(bool is_fp8) { return is_fp8 ? "fp8" : "bf16"; }

std::vector<model::MatrixShare> gate_and_up(const model::Checkpoint& checkpoint,
                                            const std::string& prefix) {
  model::MatrixShare gate = checkpoint.matrix(prefix + "gate_proj.weight");
  model::MatrixShare up = checkpoint.matrix(prefix + "up_proj.weight");
  if (gate.is_fp8() != up.is_fp8()) {
    throw InvalidArgument(fmt::format("{}: tensor {} must be stored as {} is, in {}, is in {}",
                                      checkpoint.file_of(up.name), up.name, gate.name,
                                      format_name(gate.is_fp8()), format_name(up.is_fp8())));
  }
  return {std::move(gate), std::move(up)};
}

// Whether a layer's down projections of routed and shared experts are banded.
bool are_banded(const model::Checkpoint& checkpoint, int layer) {
  const auto is_fp8 = [&](const std::string& prefix) {
    return checkpoint.matrix(prefix + "down_proj.weight").is_fp8();
  };
  return takes_bands(checkpoint.config()) && is_fp8(model::expert_prefix(layer, 0)) &&
         is_fp8(model::shared_expert_prefix(layer));
}

PackedHostMatrix pack_gate_up(const model::Checkpoint& checkpoint, const std::string& prefix) {
  return pack_stacked(gate_and_up(checkpoint, prefix));
}

void copy_to(const PackedMatrix& target, const PackedHostMatrix& matrix) {
  const WritableMatrix memory = writable(target);
  check_cuda(
      cudaMemcpy(memory.tiles, matrix.tiles.data(), matrix.tiles.size(), cudaMemcpyHostToDevice),
      "copy of a matrix to the device");
  if (matrix.scales.empty()) return;
  check_cuda(cudaMemcpy(memory.scales, matrix.scales.data(), matrix.scales.size() * sizeof(float),
                        cudaMemcpyHostToDevice),
             "copy of scales to the device");
}

void require_same_format(const model::Checkpoint& checkpoint, const std::string& name, bool is_fp8,
                         const PackedMatrix& first) {
  if (is_fp8 == first.is_fp8) return;
  throw InvalidArgument(fmt::format(
      "{}: tensor {} must be stored as those of the layer's first expert, in {}, is in {}",
      checkpoint.file_of(name), name, format_name(first.is_fp8), format_name(is_fp8)));
}

class CheckpointWeights final : public WeightSource {
 public:
  explicit CheckpointWeights(const model::Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  PackedMatrix matrix(const std::string& name) override {
    return upload(pack(checkpoint_.matrix(name)));
  }

  PackedMatrix matrix_as_fp8(const std::string& name) override {
    return upload(pack_as_fp8(checkpoint_.matrix(name)));
  }

  pdl::Constant<float> vector(const std::string& name) override {
    return store_.upload(checkpoint_.vector(name));
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const model::MatrixShare table = checkpoint_.matrix("model.embed_tokens.weight");
    const int64_t bytes = table.rows * table.columns * static_cast<int64_t>(sizeof(uint16_t));
    void* target = store_.allocate(bytes);
    // Rows of a replicated matrix lie side by side in the file.
    check_cuda(cudaMemcpy(target, table.data, bytes, cudaMemcpyHostToDevice),
               "copy of the embedding to the device");
    return {static_cast<const __nv_bfloat16*>(target)};
  }

  GatedMlpWeights gated_mlp(const std::string& prefix) override {
    return {upload(pack_gate_up(checkpoint_, prefix)), matrix(prefix + "down_proj.weight")};
  }

  ExpertWeights experts(int layer) override {
    const auto pack_down = are_banded(checkpoint_, layer) ? pack_bands : pack;
    const std::string shared = model::shared_expert_prefix(layer);
    const GatedMlpWeights routed = routed_experts(layer, pack_down);
    return {routed,
            {upload(pack_gate_up(checkpoint_, shared)),
             upload(pack_down(checkpoint_.matrix(shared + "down_proj.weight")))}};
  }

  AbsorbedWeights absorbed(int layer) override {
    const model::ModelConfig& config = checkpoint_.config();
    const model::AbsorbedKv kv = checkpoint_.absorbed_kv(layer);
    const int nope = config.qk_nope_head_dim;
    const auto w_uk = [&](int row, int column) {
      const size_t head = row / kLatent;
      return kv.w_uk[(head * nope + column) * kLatent + row % kLatent];
    };
    const auto w_uv = [&](int row, int column) {
      return kv.w_uv[static_cast<size_t>(row) * kLatent + column];
    };
    return {upload(pack_bf16(kv.heads * kLatent, nope, w_uk)),
            upload(pack_bf16(kv.heads * config.v_head_dim, kLatent, w_uv))};
  }

  [[nodiscard]] int64_t bytes() const override { return store_.bytes(); }

 private:
  using Pack = PackedHostMatrix (*)(const model::MatrixShare&);

  GatedMlpWeights routed_experts(int layer, Pack pack_down) {
    const int experts = checkpoint_.config().n_routed_experts;
    GatedMlpWeights result;
    for (int expert = 0; expert < experts; ++expert) {
      const std::string prefix = model::expert_prefix(layer, expert);
      const PackedHostMatrix gate_up = pack_gate_up(checkpoint_, prefix);
      const PackedHostMatrix down = pack_down(checkpoint_.matrix(prefix + "down_proj.weight"));
      if (expert == 0) result = {allocate(gate_up, experts), allocate(down, experts)};
      require_same_format(checkpoint_, prefix + "gate_proj.weight", gate_up.is_fp8, result.gate_up);
      require_same_format(checkpoint_, prefix + "down_proj.weight", down.is_fp8, result.down);
      copy_to(result.gate_up.nth(expert), gate_up);
      copy_to(result.down.nth(expert), down);
    }
    return result;
  }

  PackedMatrix allocate(const PackedHostMatrix& first, int count) {
    return store_.allocate_matrix(first.shape(), count);
  }

  PackedMatrix upload(const PackedHostMatrix& matrix) {
    const PackedMatrix result = allocate(matrix, 1);
    copy_to(result, matrix);
    return result;
  }

  const model::Checkpoint& checkpoint_;
  DeviceStore store_;
};

// Matrices without memory, and the bytes that they would take.
class WeightPlan final : public WeightSource {
 public:
  explicit WeightPlan(const model::Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  PackedMatrix matrix(const std::string& name) override {
    const model::MatrixShare share = checkpoint_.matrix(name);
    return plan(share.rows, share.columns, share.is_fp8());
  }

  PackedMatrix matrix_as_fp8(const std::string& name) override {
    const model::MatrixShare share = checkpoint_.matrix(name);
    return plan(share.rows, share.columns, true);
  }

  pdl::Constant<float> vector(const std::string& name) override {
    bytes_ += static_cast<int64_t>(checkpoint_.vector(name).size() * sizeof(float));
    return {};
  }

  pdl::Constant<__nv_bfloat16> embedding() override {
    const model::MatrixShare table = checkpoint_.matrix("model.embed_tokens.weight");
    bytes_ += table.rows * table.columns * static_cast<int64_t>(sizeof(uint16_t));
    return {};
  }

  GatedMlpWeights gated_mlp(const std::string& prefix) override { return gated(prefix, false); }

  ExpertWeights experts(int layer) override {
    const bool banded = are_banded(checkpoint_, layer);
    GatedMlpWeights first;
    for (int expert = 0; expert < checkpoint_.config().n_routed_experts; ++expert) {
      const std::string prefix = model::expert_prefix(layer, expert);
      const GatedMlpWeights planned = gated(prefix, banded);
      if (expert == 0) first = planned;
      require_same_format(checkpoint_, prefix + "gate_proj.weight", planned.gate_up.is_fp8,
                          first.gate_up);
      require_same_format(checkpoint_, prefix + "down_proj.weight", planned.down.is_fp8,
                          first.down);
    }
    return {first, gated(model::shared_expert_prefix(layer), banded)};
  }

  AbsorbedWeights absorbed(int layer) override {
    const model::ModelConfig& config = checkpoint_.config();
    // Its scales are checked like all others.
    (void)checkpoint_.matrix(model::layer_prefix(layer) + "self_attn.kv_b_proj.weight");
    const int heads = checkpoint_.local_heads();
    return {plan(int64_t{heads} * kLatent, config.qk_nope_head_dim, false),
            plan(int64_t{heads} * config.v_head_dim, kLatent, false)};
  }

  [[nodiscard]] int64_t bytes() const override { return bytes_; }

 private:
  GatedMlpWeights gated(const std::string& prefix, bool banded) {
    const std::vector<model::MatrixShare> gate_up = gate_and_up(checkpoint_, prefix);
    const model::MatrixShare& gate = gate_up.front();
    const model::MatrixShare down = checkpoint_.matrix(prefix + "down_proj.weight");
    return {plan(2 * gate.rows, gate.columns, gate.is_fp8()),
            plan(down.rows, down.columns, down.is_fp8(), banded && down.is_fp8())};
  }

  PackedMatrix plan(int64_t rows, int64_t columns, bool is_fp8, bool is_banded = false) {
    PackedMatrix result;
    result.rows = static_cast<int>(rows);
    result.columns = static_cast<int>(columns);
    result.is_fp8 = is_fp8;
    result.is_banded = is_banded;
    bytes_ += packed_bytes(result);
    return result;
  }

  const model::Checkpoint& checkpoint_;
  int64_t bytes_ = 0;
};

}  // namespace

int64_t planned_weight_bytes(const model::Checkpoint& checkpoint, MtpLoad mtp) {
  return Weights(checkpoint.config(), std::make_unique<WeightPlan>(checkpoint), {}, mtp).bytes();
}

std::unique_ptr<WeightSource> checkpoint_weights(const model::Checkpoint& checkpoint) {
  return std::make_unique<CheckpointWeights>(checkpoint);
}

}  // namespace slipstream::step
