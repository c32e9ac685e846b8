#include "warpgroup_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace slipstream::record_vectors {
namespace {

// Of the operands of a thread: accumulators, then what goes to shared memory.
constexpr unsigned kAccumulatorWords = 4;
constexpr unsigned kTileWords = 12;
constexpr unsigned kWarpgroup = 128;
constexpr unsigned kWordBytes = 4;
constexpr unsigned kTileBytes = kTileWords * kWarpgroup * kWordBytes;

// Word i of thread t of a warpgroup lies at 4 * (128 * i + t) of its tile.
std::string fill_tile(size_t first_word) {
  std::string text = fmt::format(R"(  .reg .b32 tile, place;
  .shared .align 1024 .b8 tiles[{}];
  mov.u32 tile, tiles;
  shr.u32 place, thread, 7;
  mad.lo.u32 tile, place, {}, tile;
  and.b32 place, thread, 127;
  mad.lo.u32 place, place, 4, tile;
)",
                                 kThreads / kWarpgroup * kTileBytes, kTileBytes);
  for (unsigned i = 0; i < kTileWords; ++i) {
    text += fmt::format("  st.shared.b32 [place+{}], v{};\n", i * kWarpgroup * kWordBytes,
                        first_word + i);
  }
  return text + "  fence.proxy.async;\n  bar.sync 0;\n";
}

std::string declare_accumulators(unsigned count, size_t first_word) {
  std::string text = fmt::format("  .reg .b32 d<{}>;\n", count);
  for (unsigned i = 0; i < count; ++i) {
    text += fmt::format("  mov.b32 d{}, v{};\n", i, first_word + i % kAccumulatorWords);
  }
  return text;
}

std::string list_accumulators(unsigned count) {
  std::string text = "{d0";
  for (unsigned i = 1; i < count; ++i) text += fmt::format(", d{}", i);
  return text + "}";
}

// Result i is accumulator i if there are that few, else a hash of every fourth from there on.
std::string fold_accumulators(unsigned count, size_t results) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += i < results
                ? fmt::format("  mov.b32 v{0}, d{0};\n", i)
                : fmt::format("  mad.lo.u32 v{0}, v{0}, 0x9e3779b1, d{1};\n", i % results, i);
  }
  return text;
}

// The text with its placeholders replaced, and what must come before it.
class Expansion {
 public:
  Expansion(std::string_view text, size_t first_word) : first_word_(first_word) {
    while (!text.empty()) {
      const size_t dollar = std::min(text.find('$'), text.size());
      instruction += text.substr(0, dollar);
      text.remove_prefix(dollar);
      if (!text.empty()) text.remove_prefix(expand(text.substr(1)) + 1);
    }
  }

  std::string before;
  std::string instruction;
  unsigned accumulators = 0;

 private:
  // Returns the length of the placeholder at the start of `text`, without its dollar.
  size_t expand(std::string_view text) {
    size_t end = std::isdigit(static_cast<unsigned char>(text.front())) != 0 ? 0 : 1;
    while (end < text.size() && std::isxdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    const std::string value(text.substr(1, end - 1));
    if (text.front() == 'D') {
      accumulators = static_cast<unsigned>(std::stoul(value));
      before += declare_accumulators(accumulators, first_word_);
      instruction += list_accumulators(accumulators);
    } else if (text.front() == 'T') {
      before += fmt::format(
          "  .reg .b64 descriptor{0};\n  .reg .b32 start{0};\n  shr.u32 start{0}, tile, 4;\n"
          "  cvt.u64.u32 descriptor{0}, start{0};\n  add.u64 descriptor{0}, descriptor{0}, "
          "0x{1};\n",
          descriptors_, value);
      instruction += fmt::format("descriptor{}", descriptors_++);
    } else {
      instruction += fmt::format("v{}", text.substr(0, end));
    }
    return end;
  }

  size_t first_word_;
  unsigned descriptors_ = 0;
};

}  // namespace

bool is_warpgroup_product(const Form& form) {
  return std::string_view(form.text).starts_with("wgmma.mma_async");
}

std::string warpgroup_instructions(const Form& form) {
  const size_t results = split_words(form.results).size();
  const Expansion expansion(form.text, results);
  return fill_tile(results + kAccumulatorWords) + expansion.before +
         "  wgmma.fence.sync.aligned;\n  " + expansion.instruction +
         "\n  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n" +
         fold_accumulators(expansion.accumulators, results);
}

}  // namespace slipstream::record_vectors
