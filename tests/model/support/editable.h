// Checkpoints for tests to damage.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {

// A tiny checkpoint whose tensors a test may damage before it is opened: one file, kept in memory.
class Editable {
 public:
  explicit Editable(const std::string& name)
      : original_(TensorStore::open_directory(tiny_checkpoint(name))) {
    write_text(directory_.path("config.json"), read_text(tiny_checkpoint(name) + "/config.json"));
    for (const auto& [tensor, stored] : original_.tensors()) {
      tensors_[tensor] = {tensor, stored.type, stored.shape, stored.bytes};
    }
  }

  void remove(const std::string& name) { tensors_.erase(name); }
  void copy(const std::string& from, const std::string& to) {
    tensors_[to] = tensors_.at(from);
    tensors_[to].name = to;
  }
  void remove_prefix(const std::string& prefix) {
    std::erase_if(tensors_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  }
  // The same bytes under another type or shape.
  void reinterpret(const std::string& name, StoredType type, std::vector<int64_t> shape) {
    tensors_.at(name).type = type;
    tensors_.at(name).shape = std::move(shape);
  }
  void replace_floats(const std::string& name, std::vector<float> values) {
    floats_ = std::move(values);
    tensors_.at(name).bytes = std::as_bytes(std::span(floats_));
  }
  // The same shape without scales, every element `bits`.
  void replace_with_bf16(const std::string& name, uint16_t bits) {
    OutputTensor& tensor = tensors_.at(name);
    halves_.assign(tensor.bytes.size(), bits);  // one byte an element before
    tensor.type = StoredType::kBF16;
    tensor.bytes = std::as_bytes(std::span(halves_));
    remove(name + "_scale_inv");
  }
  [[nodiscard]] std::string file() const { return directory_.path("model.safetensors"); }

  // Writes it, and returns its directory.
  [[nodiscard]] std::string write() const {
    std::vector<OutputTensor> list;
    for (const auto& [name, tensor] : tensors_) list.push_back(tensor);
    write_safetensors(file(), list);
    return directory_.path();
  }
  [[nodiscard]] Checkpoint open(RankShare share = {}) const {
    return Checkpoint::open(write(), share);
  }
  [[nodiscard]] std::string complaint(RankShare share = {}) const {
    return message_of([&] { (void)open(share); });
  }

 private:
  TemporaryDirectory directory_;
  TensorStore original_;
  std::map<std::string, OutputTensor> tensors_;
  std::vector<float> floats_;
  std::vector<uint16_t> halves_;
};

}  // namespace slipstream::model::test
