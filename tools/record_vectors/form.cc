#include "form.h"

#include <algorithm>
#include <array>

namespace slipstream::record_vectors {

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

unsigned register_bytes(std::string_view type) {
  constexpr std::array<std::string_view, 9> k16{"u8",  "s8",   "u16",    "s16",   "b16",
                                                "f16", "bf16", "e4m3x2", "e5m2x2"};
  constexpr std::array<std::string_view, 5> k64{"u64", "s64", "b64", "f64", "tensor_f64"};
  if (std::find(k16.begin(), k16.end(), type) != k16.end()) {
    return 2;
  }
  return std::find(k64.begin(), k64.end(), type) != k64.end() ? 8 : 4;
}

}  // namespace slipstream::record_vectors
