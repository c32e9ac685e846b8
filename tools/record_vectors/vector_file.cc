#include "vector_file.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace slipstream::record_vectors {
namespace {

using nlohmann::json;

constexpr char kMagic[8] = {'s', 's', 'v', 'e', 'c', 't', '0', '1'};

// The bytes after the header, equal arrays once.
class Blob {
 public:
  json add(const Bytes& bytes) {
    const auto [place, added] =
        known_.try_emplace(std::string(bytes.begin(), bytes.end()), bytes_.size());
    if (added) {
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    return json::array({place->second, bytes.size()});
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  std::map<std::string, size_t> known_;
  Bytes bytes_;
};

Bytes slice(const Bytes& blob, const json& place) {
  const auto offset = place.at(0).get<size_t>();
  const auto size = place.at(1).get<size_t>();
  if (offset > blob.size() || size > blob.size() - offset) {
    throw std::runtime_error("a vector lies outside the file");
  }
  const auto begin = blob.begin() + static_cast<ptrdiff_t>(offset);
  return {begin, begin + static_cast<ptrdiff_t>(size)};
}

Bytes decompress(const Bytes& compressed) {
  constexpr unsigned long long kLargest = 1ULL << 30U;
  const unsigned long long size = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  if (size > kLargest) {
    throw std::runtime_error("not a zstd frame of a sensible size");
  }
  Bytes bytes(size);
  if (ZSTD_decompress(bytes.data(), bytes.size(), compressed.data(), compressed.size()) != size) {
    throw std::runtime_error("damaged zstd frame");
  }
  return bytes;
}

VectorFile parse(const Bytes& bytes) {
  uint64_t header_bytes = 0;
  constexpr size_t kStart = sizeof(kMagic) + sizeof(header_bytes);
  if (bytes.size() < kStart || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw std::runtime_error("no vectors in it");
  }
  std::memcpy(&header_bytes, bytes.data() + sizeof(kMagic), sizeof(header_bytes));
  if (header_bytes > bytes.size() - kStart) {
    throw std::runtime_error("damaged header");
  }
  const auto header_end = bytes.begin() + static_cast<ptrdiff_t>(kStart + header_bytes);
  const json header = json::parse(bytes.begin() + kStart, header_end);
  const Bytes blob(header_end, bytes.end());
  VectorFile file;
  file.device = header.at("device");
  file.count = header.at("count");
  for (const auto& [text, places] : header.at("forms").items()) {
    RecordedForm& form = file.forms[text];
    for (const json& place : places.at("operands")) {
      form.operands.push_back(slice(blob, place));
    }
    for (const json& place : places.at("results")) {
      form.results.push_back(slice(blob, place));
    }
  }
  return file;
}

}  // namespace

void write_vector_file(const std::string& path, const VectorFile& file) {
  Blob blob;
  json forms = json::object();
  for (const auto& [text, form] : file.forms) {
    json operands = json::array();
    json results = json::array();
    for (const Bytes& bytes : form.operands) {
      operands.push_back(blob.add(bytes));
    }
    for (const Bytes& bytes : form.results) {
      results.push_back(blob.add(bytes));
    }
    forms[text] = {{"operands", operands}, {"results", results}};
  }
  const std::string header =
      json{{"device", file.device}, {"count", file.count}, {"forms", forms}}.dump();
  const uint64_t header_bytes = header.size();
  constexpr size_t kStart = sizeof(kMagic) + sizeof(header_bytes);
  Bytes bytes(kStart + header.size() + blob.bytes().size());
  std::memcpy(bytes.data(), kMagic, sizeof(kMagic));
  std::memcpy(bytes.data() + sizeof(kMagic), &header_bytes, sizeof(header_bytes));
  std::memcpy(bytes.data() + kStart, header.data(), header.size());
  std::ranges::copy(blob.bytes(), bytes.data() + kStart + header.size());

  constexpr int kLevel = 19;
  Bytes compressed(ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compress(compressed.data(), compressed.size(), bytes.data(), bytes.size(), kLevel);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(compressed.data()), static_cast<std::streamsize>(size));
  if (ZSTD_isError(size) != 0 || !out.flush()) {
    throw std::runtime_error(fmt::format("{} could not be written", path));
  }
}

VectorFile read_vector_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const Bytes compressed{std::istreambuf_iterator<char>(in), {}};
  try {
    return parse(decompress(compressed));
  } catch (const std::exception& error) {
    throw std::runtime_error(
        fmt::format("{} must be a file of recorded vectors: {}", path, error.what()));
  }
}

}  // namespace slipstream::record_vectors
