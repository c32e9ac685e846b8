// A model's weights in device memory, in the order in which the kernels consume them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/checkpoint.h"
#include "pdl/device_buffer.h"
#include "step/kernels/linear/params.h"

namespace slipstream::step {

using kernels::PackedMatrix;

struct IndexerWeights {
  PackedMatrix wq_b;
  PackedMatrix wk;
  PackedMatrix weights_proj;
  pdl::Constant<float> k_norm_weight;
  pdl::Constant<float> k_norm_bias;
};

struct GatedMlpWeights {
  PackedMatrix gate_up;  // [gate; up]
  PackedMatrix down;
};

struct ExpertWeights {
  GatedMlpWeights first;  // the others follow it
  GatedMlpWeights shared;
};

struct MoeWeights {
  PackedMatrix router;
  pdl::Constant<float> correction_bias;
  GatedMlpWeights expert;  // the first one; the others follow it
  GatedMlpWeights shared;
};

struct LayerWeights {
  pdl::Constant<float> input_norm;
  PackedMatrix q_a;
  PackedMatrix kv_a;
  pdl::Constant<float> q_a_norm;
  pdl::Constant<float> kv_a_norm;
  PackedMatrix q_b;
  PackedMatrix w_uk;  // [heads * 512, qk_nope_head_dim]
  PackedMatrix w_uv;  // [heads * v_head_dim, 512]
  PackedMatrix o;
  std::optional<IndexerWeights> indexer;  // of layers that choose keys themselves
  pdl::Constant<float> post_attention_norm;
  std::variant<GatedMlpWeights, MoeWeights> mlp;
};

// The layer that drafts: one decoder layer after a projection, and what its head norms with.
struct MtpWeights {
  pdl::Constant<float> embedding_norm;  // enorm
  pdl::Constant<float> hidden_norm;     // hnorm
  PackedMatrix eh_proj;                 // [hidden, embedding and hidden]
  LayerWeights layer;
  pdl::Constant<float> head_norm;  // shared_head.norm
  PackedMatrix head;               // the model's, or a copy of it as e4m3
};

// What is loaded of that layer.
enum class MtpLoad : uint8_t {
  kNone,
  kLayer,            // drafts are chosen with the model's head
  kLayerAndFp8Head,  // with a copy of it as e4m3, half as many bytes: of drafts alone
};

[[nodiscard]] inline MtpLoad mtp_load(bool drafts, bool fp8_head) {
  if (!drafts) return MtpLoad::kNone;
  return fp8_head ? MtpLoad::kLayerAndFp8Head : MtpLoad::kLayer;
}

struct AbsorbedWeights {
  PackedMatrix w_uk;
  PackedMatrix w_uv;
};

// What it takes on the device.
[[nodiscard]] int64_t packed_bytes(const PackedMatrix& matrix);

// Where a matrix is written, before any kernel reads it: kernels see its weights as constant.
struct WritableMatrix {
  std::byte* tiles = nullptr;
  float* scales = nullptr;
};
[[nodiscard]] WritableMatrix writable(const PackedMatrix& matrix);

// Device memory in pieces that live as long as this object.
class DeviceStore {
 public:
  [[nodiscard]] void* allocate(int64_t bytes);
  [[nodiscard]] pdl::Constant<float> upload(const std::vector<float>& values);
  // `count` equal matrices of this shape one after the other; returns the first.
  [[nodiscard]] PackedMatrix allocate_matrix(const PackedMatrix& shape, int count = 1);
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  std::vector<DeviceBuffer> buffers_;
  int64_t bytes_ = 0;
};

// Whether down projections of a model's experts are banded if they are e4m3: where a CTA's bands fill
// products to seven eighths (with fewer the tiles are faster, measured on an H200 with 7,168 and 6,144
// rows), and one token's activations fit into shared memory.
[[nodiscard]] bool takes_bands(const model::ModelConfig& config);

// Brings a model's tensors into device memory, packed. What it returns lives as long as it does.
class WeightSource {
 public:
  WeightSource() = default;
  virtual ~WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;

  virtual PackedMatrix matrix(const std::string& name) = 0;
  // The same as e4m3, whatever it is stored as.
  virtual PackedMatrix matrix_as_fp8(const std::string& name) = 0;
  // A norm or a bias.
  virtual pdl::Constant<float> vector(const std::string& name) = 0;
  virtual pdl::Constant<__nv_bfloat16> embedding() = 0;
  // Of `prefix`gate_proj, up_proj and down_proj.
  virtual GatedMlpWeights gated_mlp(const std::string& prefix) = 0;
  // Of a layer's routed and shared experts. Their down projections are banded if all are e4m3 and the
  // model takes_bands().
  virtual ExpertWeights experts(int layer) = 0;
  virtual AbsorbedWeights absorbed(int layer) = 0;
  [[nodiscard]] virtual int64_t bytes() const = 0;
};

// Reads a checkpoint, which outlives the source. Throws InvalidArgument where the experts of a
// layer differ in format.
[[nodiscard]] std::unique_ptr<WeightSource> checkpoint_weights(const model::Checkpoint& checkpoint);
// What its weights take on the device. Reads and checks what checkpoint_weights() would, and takes
// no device memory.
[[nodiscard]] int64_t planned_weight_bytes(const model::Checkpoint& checkpoint,
                                           MtpLoad mtp = MtpLoad::kNone);

class Weights {
 public:
  // Gets the bytes that are on the device, between layers and at the end. May throw.
  using Progress = std::function<void(int64_t bytes)>;

  // `mtp`: the checkpoint must have the layer, unless nothing of it is loaded.
  explicit Weights(const model::Checkpoint& checkpoint, const Progress& progress = {},
                   MtpLoad mtp = MtpLoad::kNone);
  Weights(const model::ModelConfig& config, std::unique_ptr<WeightSource> source,
          const Progress& progress = {}, MtpLoad mtp = MtpLoad::kNone);

  [[nodiscard]] const std::vector<LayerWeights>& layers() const { return layers_; }
  [[nodiscard]] pdl::Constant<__nv_bfloat16> embedding() const { return embedding_; }
  [[nodiscard]] pdl::Constant<float> final_norm() const { return final_norm_; }
  [[nodiscard]] const PackedMatrix& head() const { return head_; }
  // If they were asked for.
  [[nodiscard]] const std::optional<MtpWeights>& mtp() const { return mtp_; }
  [[nodiscard]] int64_t bytes() const { return source_->bytes(); }

 private:
  std::unique_ptr<WeightSource> source_;
  std::vector<LayerWeights> layers_;
  std::optional<MtpWeights> mtp_;
  pdl::Constant<__nv_bfloat16> embedding_;
  pdl::Constant<float> final_norm_;
  PackedMatrix head_;
};

}  // namespace slipstream::step
