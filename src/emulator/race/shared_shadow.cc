#include "emulator/race/shared_shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace slipstream::emulator::race {

// Pages that nobody touches cost nothing.
SharedShadow::SharedShadow(uint32_t bytes)
    : bytes_(size_t{bytes / kWordBytes + 1} * sizeof(SharedWord)) {
  void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  words_ = static_cast<SharedWord*>(memory);
}

SharedShadow::~SharedShadow() {
  if (words_ != nullptr) munmap(words_, bytes_);
}

SharedShadow::SharedShadow(SharedShadow&& other) noexcept
    : bytes_(other.bytes_),
      words_(std::exchange(other.words_, nullptr)),
      touched_(other.touched_),
      splits_(std::move(other.splits_)),
      free_splits_(std::move(other.free_splits_)) {}

SharedWord* SharedShadow::words(uint32_t offset, uint32_t bytes) {
  const uint32_t first = offset >> kChunkShift;
  const uint32_t last = (offset + bytes - 1) >> kChunkShift;
  touched_ |= (uint64_t{2} << last) - (uint64_t{1} << first);
  return words_ + offset / kWordBytes;
}

SharedShadow::Bytes& SharedShadow::split(SharedWord& word) {
  if (is_split(word)) return bytes_of(word);
  Bytes bytes;
  bytes.fill(word);
  uint64_t number = splits_.size();
  if (free_splits_.empty()) {
    splits_.push_back(bytes);
  } else {
    number = free_splits_.back();
    free_splits_.pop_back();
    splits_[number] = bytes;
  }
  word = {kSplitActor | number << kActorBits, {}};
  return splits_[number];
}

void SharedShadow::join(SharedWord& word) {
  const uint64_t number = word.write >> kActorBits;
  const SharedWord whole = splits_[number][0];
  free_splits_.push_back(static_cast<uint32_t>(number));
  word = whole;
}

void SharedShadow::clear() {
  constexpr size_t kChunkBytes = (size_t{1} << kChunkShift) / kWordBytes * sizeof(SharedWord);
  auto* const memory = reinterpret_cast<std::byte*>(words_);
  for (uint64_t rest = std::exchange(touched_, 0); rest != 0; rest &= rest - 1) {
    const size_t begin = static_cast<size_t>(std::countr_zero(rest)) * kChunkBytes;
    std::memset(memory + begin, 0, std::min(kChunkBytes, bytes_ - begin));
  }
  splits_.clear();
  free_splits_.clear();
}

}  // namespace slipstream::emulator::race
