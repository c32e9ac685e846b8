// What the race check remembers of the shared memory of one CTA: for every byte its last write, and two reads since.
//
// Four bytes share a word unless they were accessed apart. Whoever writes while reads by several others are unordered
// with him is unordered with one of the two that are kept, unless barriers order him with just those.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipstream::emulator::race {

// One access: who (an actor of the cluster) and when, where in the program, by which lane, and how. 0: none.
using Mark = uint64_t;

inline constexpr uint32_t kActorBits = 11;
inline constexpr uint32_t kTimeBits = 24;
inline constexpr uint32_t kPlaceBits = 22;
inline constexpr uint32_t kMomentBits = kActorBits + kTimeBits;
inline constexpr Mark kMomentMask = (Mark{1} << kMomentBits) - 1;
inline constexpr uint32_t kMarkLaneShift = kMomentBits + kPlaceBits;
inline constexpr Mark kAtomicMark = Mark{1} << 62U;
inline constexpr Mark kStrongMark = Mark{1} << 63U;
inline constexpr uint32_t kSplitActor = (1U << kActorBits) - 1;

constexpr Mark mark_of(uint32_t actor, uint32_t time, uint32_t place) {
  return Mark{actor} | Mark{time} << kActorBits | Mark{place} << kMomentBits;
}
constexpr uint32_t actor_of(Mark mark) { return mark & ((1U << kActorBits) - 1); }
constexpr uint32_t time_of(Mark mark) { return mark >> kActorBits & ((1U << kTimeBits) - 1); }
constexpr uint32_t place_of(Mark mark) { return mark >> kMomentBits & ((1U << kPlaceBits) - 1); }
constexpr uint32_t mark_lane(Mark mark) { return mark >> kMarkLaneShift & 31U; }

struct SharedWord {
  Mark write = 0;
  std::array<Mark, 2> reads{};

  bool operator==(const SharedWord&) const = default;
};

class SharedShadow {
 public:
  static constexpr uint32_t kWordBytes = 4;

  explicit SharedShadow(uint32_t bytes);
  ~SharedShadow();
  SharedShadow(SharedShadow&& other) noexcept;
  SharedShadow(const SharedShadow&) = delete;
  SharedShadow& operator=(const SharedShadow&) = delete;
  SharedShadow& operator=(SharedShadow&&) = delete;

  // The words from the one at `offset` on. Call for all that will be changed.
  SharedWord* words(uint32_t offset, uint32_t bytes);

  // The four bytes of a word apart, and together again.
  using Bytes = std::array<SharedWord, kWordBytes>;
  static bool is_split(const SharedWord& word) { return actor_of(word.write) == kSplitActor; }
  Bytes& split(SharedWord& word);
  Bytes& bytes_of(const SharedWord& word) { return splits_[word.write >> kActorBits]; }
  void join(SharedWord& word);

  // Forgets everything.
  void clear();

 private:
  static constexpr uint32_t kChunkShift = 12;  // bytes of shared memory that are forgotten together

  size_t bytes_ = 0;  // of `words_`
  SharedWord* words_ = nullptr;
  uint64_t touched_ = 0;  // chunks
  std::vector<Bytes> splits_;
  std::vector<uint32_t> free_splits_;
};

}  // namespace slipstream::emulator::race
