// A checkpoint on disk: opened, checked as a whole, and handed out tensor by tensor as one rank's
// share.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/float_formats.h"
#include "model/safetensors.h"
#include "model/tensor_specs.h"

namespace slipstream::model {

// This process is rank `rank` of `tp` ranks that share every layer.
struct RankShare {
  int tp = 1;
  int rank = 0;
};

// Rows or columns [begin, end).
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
};

// A rank's run of whole units; the first ranks have one more where they do not divide.
[[nodiscard]] Range part_of(int64_t extent, int64_t unit, RankShare share);

// The rank's share of a matrix, still in the mapped file. Rows are `row_stride` bytes apart;
// nothing is aligned.
struct MatrixShare {
  std::string name;
  StoredType type = StoredType::kBF16;  // kBF16 or kF8E4M3
  int64_t rows = 0;
  int64_t columns = 0;
  const std::byte* data = nullptr;
  int64_t row_stride = 0;
  // fp8 only: the multipliers of the 128x128 blocks that the share touches, row-major [,
  // scale_columns]. A cut between heads can begin inside a block, `scale_row_offset` rows after
  // its start.
  std::vector<float> scales;
  int64_t scale_columns = 0;
  int64_t scale_row_offset = 0;

  [[nodiscard]] bool is_fp8() const { return type == StoredType::kF8E4M3; }
  [[nodiscard]] std::span<const std::byte> row(int64_t index) const;
  // The stored value, which for fp8 is the code's value without its scale. Here, as loops over whole
  // matrices call it.
  [[nodiscard]] float raw(int64_t row, int64_t column) const {
    const std::byte* begin = data + row * row_stride;
    if (is_fp8()) return e4m3_to_float(static_cast<uint8_t>(begin[column]));
    uint16_t bits = 0;
    std::memcpy(&bits, begin + column * sizeof bits, sizeof bits);
    return bf16_to_float(bits);
  }
  [[nodiscard]] float scale(int64_t row, int64_t column) const;
};

// kv_b_proj of the rank's heads, dequantized to bf16 and split as the absorbed form of attention
// needs it.
struct AbsorbedKv {
  int heads = 0;
  std::vector<uint16_t> w_uk;  // [heads, qk_nope_head_dim, kv_lora_rank]
  std::vector<uint16_t> w_uv;  // [heads, v_head_dim, kv_lora_rank]
};

struct MatrixShape {
  int rows = 0;
  int columns = 0;
  TensorKind kind = TensorKind::kLinear;
};

class Checkpoint {
 public:
  // Opens DIRECTORY/config.json and the safetensors next to it, and checks that every tensor the
  // model needs is there with the right shape and type and can be cut for this rank. Throws
  // InvalidArgument naming file and tensor.
  static Checkpoint open(const std::string& directory, RankShare share = {});
  // A model of which only the sizes are known, for weights that come from elsewhere: no tensor can
  // be had. Linears count as fp8.
  static Checkpoint without_tensors(ModelConfig config, RankShare share = {});

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] ModelConfig& config() { return config_; }
  [[nodiscard]] RankShare share() const { return share_; }
  // MTP layers whose tensors are in the checkpoint: 0 or num_nextn_predict_layers.
  [[nodiscard]] int mtp_layers() const { return mtp_layers_; }
  [[nodiscard]] bool contains(const std::string& name) const;
  // The file that a tensor lies in, for errors. Throws InvalidArgument if there is no such tensor.
  [[nodiscard]] const std::string& file_of(const std::string& name) const;

  // To be called once everything has been read: throws InvalidArgument naming a file that changed or
  // failed meanwhile.
  void require_unchanged() const;
  // Tells checkpoints apart: a checksum of the config, of names, types and shapes of all tensors, and
  // of the norms and biases, which no two trainings have in common. Not of the ranks' shares.
  [[nodiscard]] uint64_t fingerprint() const;

  // The rank's share. `name` must be one of the model's matrices. Throws InvalidArgument if a scale
  // is not a positive finite number.
  [[nodiscard]] MatrixShare matrix(const std::string& name) const;
  // A norm or bias as float; never cut.
  [[nodiscard]] std::vector<float> vector(const std::string& name) const;
  [[nodiscard]] AbsorbedKv absorbed_kv(int layer) const;
  // What the rank's share of a matrix is, tensor or not.
  [[nodiscard]] MatrixShape local_shape(const std::string& name) const;
  [[nodiscard]] int64_t vector_size(const std::string& name) const;

  // Heads of this rank.
  [[nodiscard]] int local_heads() const { return config_.num_attention_heads / share_.tp; }
  // This rank's part of an MLP of this width: whole groups of 128, of which the first ranks have one
  // more where they do not divide.
  [[nodiscard]] int64_t local_width(int64_t width) const;
  // Columns that this rank computes of what the MTP layer starts from.
  [[nodiscard]] Range local_hidden() const;
  // Token ids whose logits this rank computes.
  [[nodiscard]] Range local_vocabulary() const;

 private:
  Checkpoint(const std::string& directory, RankShare share);
  Checkpoint(ModelConfig config, RankShare share);
  void add_specs(std::vector<TensorSpec> specs);
  void find_mtp_layers();
  void check_share() const;
  void check(const TensorSpec& spec) const;
  void check_matrix_type(const TensorSpec& spec, const StoredTensor& tensor) const;
  void check_scales(const StoredTensor& tensor) const;
  // What the tensor must be where it cannot be cut; empty where it can.
  [[nodiscard]] std::string cut_problem(const TensorSpec& spec) const;
  [[nodiscard]] Range local_rows(const TensorSpec& spec) const;
  [[nodiscard]] Range local_columns(const TensorSpec& spec) const;
  [[nodiscard]] MatrixShare cut(const StoredTensor& tensor, Range rows, Range columns) const;
  void copy_scales(const StoredTensor& scales, Range rows, Range columns,
                   MatrixShare& result) const;

  RankShare share_;
  ModelConfig config_;
  TensorStore store_;
  int mtp_layers_ = 0;
  std::map<std::string, TensorSpec> specs_;
};

}  // namespace slipstream::model
