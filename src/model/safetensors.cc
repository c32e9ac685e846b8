#include "model/safetensors.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "io/file.h"
#include "io/json_reader.h"
#include "io/json_writer.h"
#include "slipstream/error.h"

namespace slipstream::model {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kLargestHeader = 100'000'000;  // the format's own limit
constexpr size_t kLargestRank = 8;

struct TypeRow {
  StoredType type;
  std::string_view name;
  int64_t size;
};

constexpr std::array kTypes = {
    TypeRow{StoredType::kBool, "BOOL", 1},      TypeRow{StoredType::kU8, "U8", 1},
    TypeRow{StoredType::kI8, "I8", 1},          TypeRow{StoredType::kF8E4M3, "F8_E4M3", 1},
    TypeRow{StoredType::kF8E5M2, "F8_E5M2", 1}, TypeRow{StoredType::kF8E8M0, "F8_E8M0", 1},
    TypeRow{StoredType::kI16, "I16", 2},        TypeRow{StoredType::kU16, "U16", 2},
    TypeRow{StoredType::kF16, "F16", 2},        TypeRow{StoredType::kBF16, "BF16", 2},
    TypeRow{StoredType::kI32, "I32", 4},        TypeRow{StoredType::kU32, "U32", 4},
    TypeRow{StoredType::kF32, "F32", 4},        TypeRow{StoredType::kI64, "I64", 8},
    TypeRow{StoredType::kU64, "U64", 8},        TypeRow{StoredType::kF64, "F64", 8},
};

const TypeRow& row_of(StoredType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeRow& row) { return row.type == type; });
}

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw InvalidArgument(fmt::format("{}: {}", file, what));
}

// Product of a shape and an element size, or nothing if it does not fit.
std::optional<uint64_t> byte_count(std::span<const int64_t> shape, int64_t size) {
  auto bytes = static_cast<uint64_t>(size);
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes)) return {};
  }
  return bytes;
}

// The header's text, after checking that it lies inside the file.
std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    fail(file, fmt::format("must start with an 8-byte header length, has {} bytes", bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const uint64_t most = std::min<uint64_t>(kLargestHeader, bytes.size() - kLengthBytes);
  if (length < 2 || length > most) {
    fail(file,
         fmt::format("the header length must be from 2 to {} in this file, is {}", most, length));
  }
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length};
}

std::vector<int64_t> read_shape(const json& entry, const std::string& file,
                                const std::string& name) {
  const bool usable =
      entry.is_array() && entry.size() <= kLargestRank &&
      std::all_of(entry.begin(), entry.end(), [](const json& extent) {
        return extent.is_number_unsigned() && extent.get<uint64_t>() <= (uint64_t{1} << 48);
      });
  if (!usable) {
    fail(file, fmt::format("tensor {}: shape must be a list of at most {} sizes, is {}", name,
                           kLargestRank, entry.dump()));
  }
  return entry.get<std::vector<int64_t>>();
}

StoredType read_type(const json& entry, const std::string& file, const std::string& name) {
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& candidate) {
    return entry.is_string() && entry.get<std::string>() == candidate.name;
  });
  if (row == kTypes.end()) {
    fail(file,
         fmt::format("tensor {}: dtype must be one of the format's, is {}", name, entry.dump()));
  }
  return row->type;
}

std::pair<uint64_t, uint64_t> read_offsets(const json& entry, uint64_t data_bytes,
                                           const std::string& file, const std::string& name) {
  const bool usable = entry.is_array() && entry.size() == 2 && entry[0].is_number_unsigned() &&
                      entry[1].is_number_unsigned() &&
                      entry[0].get<uint64_t>() <= entry[1].get<uint64_t>();
  if (!usable) {
    fail(file,
         fmt::format("tensor {}: data_offsets must be [begin, end], is {}", name, entry.dump()));
  }
  const auto end = entry[1].get<uint64_t>();
  if (end > data_bytes) {
    fail(file, fmt::format("tensor {}: data_offsets must end within the file's {} bytes of data, "
                           "end at {} (truncated file?)",
                           name, data_bytes, end));
  }
  return {entry[0].get<uint64_t>(), end};
}

StoredTensor read_entry(const std::string& file, const std::string& name, const json& entry,
                        std::span<const std::byte> data) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!entry.is_object() || !entry.contains(key)) {
      fail(file,
           fmt::format("tensor {}: must have dtype, shape and data_offsets, has no {}", name, key));
    }
  }
  StoredTensor tensor;
  tensor.name = name;
  tensor.file = file;
  tensor.type = read_type(entry["dtype"], file, name);
  tensor.shape = read_shape(entry["shape"], file, name);
  const auto [begin, end] = read_offsets(entry["data_offsets"], data.size(), file, name);
  const auto expected = byte_count(tensor.shape, size_of(tensor.type));
  if (!expected || *expected != end - begin) {
    fail(file, fmt::format("tensor {}: data_offsets must span the {} bytes of {}, span {}", name,
                           expected ? std::to_string(*expected) : "(too many)", tensor.describe(),
                           end - begin));
  }
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

// The tensors must cover the data exactly: an overlap or a hole means that some header entry is
// wrong.
void check_coverage(std::vector<const StoredTensor*> tensors, std::span<const std::byte> data,
                    const std::string& file) {
  const auto begin = [&](const StoredTensor* t) { return t->bytes.data() - data.data(); };
  std::sort(tensors.begin(), tensors.end(), [&](const StoredTensor* a, const StoredTensor* b) {
    return std::tuple(begin(a), a->bytes.size()) < std::tuple(begin(b), b->bytes.size());
  });
  ptrdiff_t covered = 0;
  for (const StoredTensor* tensor : tensors) {
    if (begin(tensor) != covered) {
      fail(file, fmt::format("tensor {}: data must begin at {}, where the tensor before it ends, "
                             "begins at {}",
                             tensor->name, covered, begin(tensor)));
    }
    covered += static_cast<ptrdiff_t>(tensor->bytes.size());
  }
  if (covered != static_cast<ptrdiff_t>(data.size())) {
    fail(file, fmt::format("the tensors must cover all {} bytes of data, cover {}", data.size(),
                           covered));
  }
}

// A shard is a plain file next to its index; anything else could reach outside the checkpoint.
void check_shard_name(const std::string& index, const std::string& shard) {
  const bool plain = !shard.empty() && shard != "." && shard != ".." &&
                     shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    fail(index, fmt::format("weight_map must name files next to the index, names \"{}\"", shard));
  }
}

std::map<std::string, std::string> read_weight_map(const std::string& index) {
  const io::JsonReader map = io::JsonReader::read(index).object("weight_map");
  std::map<std::string, std::string> result;
  for (const std::string& name : map.keys()) {
    result[name] = map.text(name);
    check_shard_name(index, result[name]);
  }
  return result;
}

template <class T>
OutputTensor output(std::string name, StoredType type, std::vector<int64_t> shape,
                    std::span<const T> values) {
  return {std::move(name), type, std::move(shape), std::as_bytes(values)};
}

// Header of an output file, padded with spaces so that the data starts at a multiple of 8.
std::string output_header(const std::string& path, std::span<const OutputTensor> tensors) {
  io::Json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::set<std::string_view> names{"__metadata__"};
  uint64_t offset = 0;
  for (const OutputTensor& tensor : tensors) {
    const auto bytes = byte_count(tensor.shape, size_of(tensor.type));
    if (!bytes || *bytes != tensor.bytes.size()) {
      fail(path,
           fmt::format("tensor {}: {}{} must have its shape's bytes, has {}", tensor.name,
                       to_string(tensor.type), describe_shape(tensor.shape), tensor.bytes.size()));
    }
    if (!names.insert(tensor.name).second) {
      fail(path, fmt::format("tensor {}: names must be unique, is there twice", tensor.name));
    }
    header[tensor.name] = {
        {"dtype", to_string(tensor.type)},
        {"shape", io::Json::array_of(tensor.shape)},
        {"data_offsets", io::Json::array_of(std::array{offset, offset + *bytes})}};
    offset += *bytes;
  }
  std::string text = header.text();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

std::string_view to_string(StoredType type) { return row_of(type).name; }

int64_t size_of(StoredType type) { return row_of(type).size; }

std::string describe_shape(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

int64_t StoredTensor::numel() const { return static_cast<int64_t>(bytes.size()) / size_of(type); }

std::string StoredTensor::describe() const {
  return std::string(to_string(type)) + describe_shape(shape);
}

void TensorStore::add_file(const std::string& path) {
  const io::MappedFile& mapped = files_.emplace_back(path);
  const std::string_view text = header_text(mapped.bytes(), path);
  const auto data = mapped.bytes().subspan(kLengthBytes + text.size());
  const json header = io::parse_json_object(std::string(text), path + ": header");
  std::vector<const StoredTensor*> added;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto [place, inserted] = tensors_.emplace(name, read_entry(path, name, entry, data));
    if (!inserted) {
      fail(path, fmt::format("tensor {}: must be in one file only, is also in {}", name,
                             place->second.file));
    }
    added.push_back(&place->second);
  }
  check_coverage(std::move(added), data, path);
}

TensorStore TensorStore::open_file(const std::string& path) {
  TensorStore store;
  store.path_ = path;
  store.add_file(path);
  return store;
}

TensorStore TensorStore::open_directory(const std::string& directory) {
  const std::filesystem::path root(directory);
  const std::string index = (root / "model.safetensors.index.json").string();
  const std::string single = (root / "model.safetensors").string();
  if (!std::filesystem::exists(index)) {
    if (!std::filesystem::exists(single)) {
      fail(directory, "must hold model.safetensors.index.json or model.safetensors, has neither");
    }
    TensorStore store = open_file(single);
    store.path_ = directory;
    return store;
  }

  const auto weight_map = read_weight_map(index);
  TensorStore store;
  store.path_ = directory;
  std::map<std::string, std::string> opened;  // shard -> path
  for (const auto& [name, shard] : weight_map) {
    const auto [place, inserted] = opened.emplace(shard, (root / shard).string());
    if (inserted) store.add_file(place->second);
  }
  for (const auto& [name, shard] : weight_map) {
    const StoredTensor* tensor = store.find(name);
    const std::string& path = opened.at(shard);
    if (tensor == nullptr || tensor->file != path) {
      fail(path, fmt::format("tensor {}: must be in this file, where {} puts it, is {}", name,
                             index, tensor == nullptr ? "missing" : "in " + tensor->file));
    }
  }
  return store;
}

const StoredTensor* TensorStore::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

const StoredTensor& TensorStore::at(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) fail(path_, fmt::format("tensor {} must be there, is missing", name));
  return *tensor;
}

void TensorStore::require_unchanged() const {
  for (const io::MappedFile& file : files_) file.require_unchanged();
}

OutputTensor OutputTensor::of(std::string name, std::vector<int64_t> shape,
                              std::span<const float> values) {
  return output(std::move(name), StoredType::kF32, std::move(shape), values);
}

OutputTensor OutputTensor::of(std::string name, std::vector<int64_t> shape,
                              std::span<const int32_t> values) {
  return output(std::move(name), StoredType::kI32, std::move(shape), values);
}

void write_safetensors(const std::string& path, std::span<const OutputTensor> tensors) {
  const std::string header = output_header(path, tensors);
  uint64_t length = header.size();
  std::array<std::byte, kLengthBytes> length_bytes{};
  std::memcpy(length_bytes.data(), &length, kLengthBytes);

  std::vector<std::span<const std::byte>> pieces = {length_bytes, std::as_bytes(std::span(header))};
  for (const OutputTensor& tensor : tensors) pieces.push_back(tensor.bytes);
  io::write_file(path, pieces);
}

}  // namespace slipstream::model
