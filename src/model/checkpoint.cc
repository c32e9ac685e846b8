#include "model/checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include "io/file.h"
#include "model/float_formats.h"
#include "slipstream/error.h"

namespace slipstream::model {
namespace {

constexpr int64_t kScaleBlock = 128;
constexpr const char* kScaleSuffix = "_scale_inv";

int64_t blocks(int64_t extent) { return (extent + kScaleBlock - 1) / kScaleBlock; }

[[noreturn]] void fail_tensor(const StoredTensor& tensor, const std::string& must_be) {
  throw InvalidArgument(fmt::format("{}: tensor {} must be {}, is {}", tensor.file, tensor.name,
                                    must_be, tensor.describe()));
}

template <class T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

}  // namespace

Range part_of(int64_t extent, int64_t unit, RankShare share) {
  const int64_t units = extent / unit;
  const auto begin = [&](int64_t rank) {
    return (units / share.tp * rank + std::min(rank, units % share.tp)) * unit;
  };
  return {begin(share.rank), begin(share.rank + 1)};
}

std::span<const std::byte> MatrixShare::row(int64_t index) const {
  return {data + index * row_stride, static_cast<size_t>(columns * size_of(type))};
}

float MatrixShare::scale(int64_t row, int64_t column) const {
  const int64_t block = (row + scale_row_offset) / kScaleBlock;
  return is_fp8() ? scales[block * scale_columns + column / kScaleBlock] : 1.0F;
}

Checkpoint Checkpoint::open(const std::string& directory, RankShare share) {
  return {directory, share};
}

Checkpoint::Checkpoint(const std::string& directory, RankShare share)
    : share_(share),
      config_(read_model_config((std::filesystem::path(directory) / "config.json").string())),
      store_(TensorStore::open_directory(directory)) {
  check_share();
  find_mtp_layers();
  add_specs(outer_tensors(config_));
  for (int layer = 0; layer < config_.num_hidden_layers + mtp_layers_; ++layer) {
    add_specs(layer_tensors(config_, layer));
  }
  for (const auto& [name, spec] : specs_) check(spec);
}

Checkpoint Checkpoint::without_tensors(ModelConfig config, RankShare share) {
  return {std::move(config), share};
}

Checkpoint::Checkpoint(ModelConfig config, RankShare share)
    : share_(share), config_(std::move(config)), mtp_layers_(config_.num_nextn_predict_layers) {
  check_share();
  add_specs(outer_tensors(config_));
  for (int layer = 0; layer < config_.num_hidden_layers + mtp_layers_; ++layer) {
    add_specs(layer_tensors(config_, layer));
  }
  for (const auto& [name, spec] : specs_) {
    const std::string problem = cut_problem(spec);
    if (problem.empty()) continue;
    throw InvalidArgument(fmt::format("tensor {} must be {}, is of shape {}", name, problem,
                                      describe_shape(spec.shape)));
  }
}

void Checkpoint::add_specs(std::vector<TensorSpec> specs) {
  for (TensorSpec& spec : specs) {
    std::string name = spec.name;
    specs_.emplace(std::move(name), std::move(spec));
  }
}

// Converters drop the MTP layer and leave its number in the config: no tensor of it at all means
// that it is not there.
void Checkpoint::find_mtp_layers() {
  const std::string prefix = layer_prefix(config_.num_hidden_layers);
  const auto first = store_.tensors().lower_bound(prefix);
  const bool stored = first != store_.tensors().end() && first->first.starts_with(prefix);
  mtp_layers_ = stored ? config_.num_nextn_predict_layers : 0;
}

void Checkpoint::check_share() const {
  if (share_.tp < 1 || share_.rank < 0 || share_.rank >= share_.tp) {
    throw InvalidArgument(
        fmt::format("rank must be from 0 to tp - 1, is {} with tp = {}", share_.rank, share_.tp));
  }
  if (config_.num_attention_heads % share_.tp != 0) {
    throw InvalidArgument(fmt::format("tp must divide num_attention_heads = {}, is {}",
                                      config_.num_attention_heads, share_.tp));
  }
  if (local_vocabulary().size() <= 0) {
    throw InvalidArgument(fmt::format("tp must leave a part of vocab_size = {} for rank {}, is {}",
                                      config_.vocab_size, share_.rank, share_.tp));
  }
}

void Checkpoint::check(const TensorSpec& spec) const {
  if (spec.optional && !contains(spec.name)) return;
  const StoredTensor* found = store_.find(spec.name);
  if (found == nullptr) {
    throw InvalidArgument(fmt::format("{}: tensor {} must be there with shape {}, is missing",
                                      store_.path(), spec.name, describe_shape(spec.shape)));
  }
  const StoredTensor& tensor = *found;
  if (tensor.shape != spec.shape) fail_tensor(tensor, "of shape " + describe_shape(spec.shape));
  if (spec.kind == TensorKind::kVector) {
    const bool is_float = tensor.type == StoredType::kF32 || tensor.type == StoredType::kBF16 ||
                          tensor.type == StoredType::kF16;
    if (!is_float) fail_tensor(tensor, "BF16, F16 or F32");
    return;
  }
  check_matrix_type(spec, tensor);
  const std::string problem = cut_problem(spec);
  if (!problem.empty()) fail_tensor(tensor, problem);
}

void Checkpoint::check_matrix_type(const TensorSpec& spec, const StoredTensor& tensor) const {
  const bool has_scale = contains(spec.name + kScaleSuffix);
  const bool is_fp8 = tensor.type == StoredType::kF8E4M3;
  if (spec.kind == TensorKind::kMatrix) {
    if (tensor.type != StoredType::kBF16) fail_tensor(tensor, "BF16");
    return;
  }
  if (has_scale && !is_fp8)
    fail_tensor(tensor, "F8_E4M3, for it has a " + spec.name + kScaleSuffix);
  if (!has_scale && tensor.type != StoredType::kBF16) {
    fail_tensor(tensor, is_fp8 ? "accompanied by " + spec.name + kScaleSuffix : "BF16 or F8_E4M3");
  }
  if (has_scale) check_scales(tensor);
}

void Checkpoint::check_scales(const StoredTensor& tensor) const {
  const StoredTensor& scales = store_.at(tensor.name + kScaleSuffix);
  const std::vector<int64_t> shape = {blocks(tensor.shape[0]), blocks(tensor.shape[1])};
  if (scales.type != StoredType::kF32 || scales.shape != shape) {
    fail_tensor(scales, "F32" + describe_shape(shape) + ", one scale per 128x128 block of " +
                            tensor.describe());
  }
}

std::string Checkpoint::cut_problem(const TensorSpec& spec) const {
  const bool by_rows = spec.cut == TensorCut::kRows;
  if (!by_rows && spec.cut != TensorCut::kColumns) return "";
  if (spec.shape[by_rows ? 0 : 1] / spec.cut_unit >= share_.tp) return "";
  return fmt::format("of at least tp = {} times {} {}", share_.tp, spec.cut_unit,
                     by_rows ? "rows" : "columns");
}

bool Checkpoint::contains(const std::string& name) const { return store_.find(name) != nullptr; }

void Checkpoint::require_unchanged() const { store_.require_unchanged(); }

const std::string& Checkpoint::file_of(const std::string& name) const {
  return store_.at(name).file;
}

uint64_t Checkpoint::fingerprint() const {
  uint64_t sum = 14695981039346656037U;  // FNV-1a
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      sum = (sum ^ std::to_integer<uint64_t>(byte)) * 1099511628211U;
    }
  };
  add(io::MappedFile((std::filesystem::path(store_.path()) / "config.json").string()).bytes());
  for (const auto& [name, tensor] : store_.tensors()) {
    const std::string line = name + " " + tensor.describe();
    add(std::as_bytes(std::span(line)));
    const auto spec = specs_.find(name);
    if (spec != specs_.end() && spec->second.kind == TensorKind::kVector) add(tensor.bytes);
  }
  return sum;
}

int64_t Checkpoint::local_width(int64_t width) const {
  return part_of(width, kMlpUnit, share_).size();
}

Range Checkpoint::local_hidden() const { return part_of(config_.hidden_size, kTileUnit, share_); }

Range Checkpoint::local_vocabulary() const {
  const int64_t part = (config_.vocab_size + share_.tp - 1) / share_.tp;
  const int64_t size = config_.vocab_size;
  return {std::min(part * share_.rank, size), std::min(part * (share_.rank + 1), size)};
}

Range Checkpoint::local_rows(const TensorSpec& spec) const {
  if (spec.cut == TensorCut::kVocabulary) return local_vocabulary();
  if (spec.cut == TensorCut::kRows) return part_of(spec.shape[0], spec.cut_unit, share_);
  return {0, spec.shape[0]};
}

Range Checkpoint::local_columns(const TensorSpec& spec) const {
  if (spec.cut == TensorCut::kColumns) return part_of(spec.shape[1], spec.cut_unit, share_);
  return {0, spec.shape[1]};
}

MatrixShare Checkpoint::cut(const StoredTensor& tensor, Range rows, Range columns) const {
  MatrixShare result;
  result.name = tensor.name;
  result.type = tensor.type;
  result.rows = rows.size();
  result.columns = columns.size();
  result.row_stride = tensor.shape[1] * size_of(tensor.type);
  result.data =
      tensor.bytes.data() + rows.begin * result.row_stride + columns.begin * size_of(tensor.type);
  if (result.is_fp8()) copy_scales(store_.at(tensor.name + kScaleSuffix), rows, columns, result);
  return result;
}

void Checkpoint::copy_scales(const StoredTensor& scales, Range rows, Range columns,
                             MatrixShare& result) const {
  result.scale_columns = blocks(columns.size());
  result.scale_row_offset = rows.begin % kScaleBlock;
  for (int64_t i = rows.begin / kScaleBlock; i < blocks(rows.end); ++i) {
    for (int64_t j = columns.begin / kScaleBlock; j < blocks(columns.end); ++j) {
      const int64_t index = i * scales.shape[1] + j;
      const auto value = load<float>(scales.bytes.data() + index * sizeof(float));
      if (!std::isfinite(value) || value <= 0) {
        store_.require_unchanged();
        throw InvalidArgument(
            fmt::format("{}: tensor {}[{}, {}] must be a positive finite scale, is {}", scales.file,
                        scales.name, i, j, value));
      }
      result.scales.push_back(value);
    }
  }
}

MatrixShare Checkpoint::matrix(const std::string& name) const {
  const TensorSpec& spec = specs_.at(name);
  return cut(store_.at(name), local_rows(spec), local_columns(spec));
}

MatrixShape Checkpoint::local_shape(const std::string& name) const {
  const TensorSpec& spec = specs_.at(name);
  return {static_cast<int>(local_rows(spec).size()), static_cast<int>(local_columns(spec).size()),
          spec.kind};
}

int64_t Checkpoint::vector_size(const std::string& name) const {
  return specs_.at(name).shape.front();
}

std::vector<float> Checkpoint::vector(const std::string& name) const {
  const StoredTensor& tensor = store_.at(name);
  std::vector<float> result;
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const std::byte* address = tensor.bytes.data() + i * size_of(tensor.type);
    switch (tensor.type) {
      case StoredType::kBF16:
        result.push_back(bf16_to_float(load<uint16_t>(address)));
        break;
      case StoredType::kF16:
        result.push_back(f16_to_float(load<uint16_t>(address)));
        break;
      default:
        result.push_back(load<float>(address));
    }
  }
  return result;
}

AbsorbedKv Checkpoint::absorbed_kv(int layer) const {
  const MatrixShare kv_b = matrix(layer_prefix(layer) + "self_attn.kv_b_proj.weight");
  const int64_t head_rows = config_.qk_nope_head_dim + config_.v_head_dim;
  AbsorbedKv result;
  result.heads = local_heads();
  for (int64_t row = 0; row < kv_b.rows; ++row) {
    auto& target = row % head_rows < config_.qk_nope_head_dim ? result.w_uk : result.w_uv;
    for (int64_t column = 0; column < kv_b.columns; ++column) {
      target.push_back(float_to_bf16(kv_b.raw(row, column) * kv_b.scale(row, column)));
    }
  }
  return result;
}

}  // namespace slipstream::model
