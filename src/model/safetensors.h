// Reading and writing of safetensors files: one file or the shards that an index names, mapped into
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"

namespace slipstream::model {

// Element types as the format names them.
enum class StoredType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
};

// "F8_E4M3", "BF16", ...
[[nodiscard]] std::string_view to_string(StoredType type);
[[nodiscard]] int64_t size_of(StoredType type);
// "[576, 7168]"
[[nodiscard]] std::string describe_shape(std::span<const int64_t> shape);

// A tensor inside a mapped file. The bytes need not be aligned to the element: the format does not
// ask for it.
struct StoredTensor {
  std::string name;
  StoredType type = StoredType::kU8;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  std::string file;

  [[nodiscard]] int64_t numel() const;
  // "BF16[576, 7168]"
  [[nodiscard]] std::string describe() const;
};

// The tensors of one checkpoint. Move-only; StoredTensor::bytes live as long as the store.
class TensorStore {
 public:
  // One safetensors file.
  static TensorStore open_file(const std::string& path);
  // A directory with model.safetensors.index.json and its shards, or with model.safetensors.
  static TensorStore open_directory(const std::string& directory);

  // nullptr if there is no such tensor.
  [[nodiscard]] const StoredTensor* find(const std::string& name) const;
  // Throws InvalidArgument naming the place and the tensor.
  [[nodiscard]] const StoredTensor& at(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  // Throws InvalidArgument naming a file that was written to, has shrunk or could not be read since
  // the store was opened: to be called once all values have been read.
  void require_unchanged() const;
  // The file or directory, for errors.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void add_file(const std::string& path);

  std::string path_;
  std::vector<io::MappedFile> files_;
  std::map<std::string, StoredTensor> tensors_;
};

// A tensor to write.
struct OutputTensor {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;

  static OutputTensor of(std::string name, std::vector<int64_t> shape,
                         std::span<const float> values);
  static OutputTensor of(std::string name, std::vector<int64_t> shape,
                         std::span<const int32_t> values);
};

// Writes the tensors in the order given. Throws InvalidArgument naming file and tensor if a shape
// does not fit its bytes or a name appears twice, and Error if the file cannot be written; then no
// file of that name is left half written.
void write_safetensors(const std::string& path, std::span<const OutputTensor> tensors);

}  // namespace slipstream::model
