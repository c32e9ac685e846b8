// What the detector remembers of global memory: for every byte its last write, and the reads since.
//
// Four bytes share a cell unless they were accessed apart. A cell holds one access and its lane, a
// set of accesses (reads by threads that are not ordered among themselves), or the place of four
// cells, one for each byte. Only cells of touched memory cost memory: 8 bytes for 4. Of each page it is known
// what the newest is that its cells hold: mostly all is older than what matters, and none need be looked at.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace slipstream::emulator::race {

using Cell = uint32_t;

inline constexpr uint32_t kCellBytes = 4;
inline constexpr uint32_t kLaneBits = 5;
inline constexpr uint32_t kAccessBits = 31 - kLaneBits;
inline constexpr Cell kSetTag = 0x8000'0000U;
inline constexpr Cell kSplitTag = 0xc000'0000U;
inline constexpr Cell kIndexMask = 0x3fff'ffffU;

constexpr Cell cell_of(uint32_t access, uint32_t lane) { return access << kLaneBits | lane; }
constexpr uint32_t access_of(Cell cell) { return cell >> kLaneBits; }
constexpr uint32_t lane_of(Cell cell) { return cell & ((1U << kLaneBits) - 1); }
constexpr bool is_split(Cell cell) { return cell >= kSplitTag; }
constexpr bool is_set(Cell cell) { return cell >= kSetTag && cell < kSplitTag; }

// No cell of a page holds a later access, by itself, in a set or for one of its bytes. 0: none holds any.
struct Newest {
  Cell write = 0;
  Cell read = 0;
};

class ShadowMemory {
 public:
  // Of the addresses [begin, +size).
  ShadowMemory(uint64_t begin, uint64_t size);
  ~ShadowMemory();
  ShadowMemory(const ShadowMemory&) = delete;
  ShadowMemory& operator=(const ShadowMemory&) = delete;

  [[nodiscard]] bool covers(uint64_t address) const { return address - begin_ < size_; }
  // The cells of the four bytes around an address, followed by those of the next bytes.
  Cell* writes(uint64_t address) { return writes_ + (address - begin_) / kCellBytes; }
  Cell* reads(uint64_t address) { return reads_ + (address - begin_) / kCellBytes; }
  Newest& newest(uint64_t address) { return newest_[(address - begin_) / kPage]; }
  // Over all pages of a range; from now on one of both is `now`.
  Newest replace_newest(uint64_t address, uint64_t bytes, Cell Newest::*which, Cell now) {
    uint64_t page = (address - begin_) / kPage;
    const uint64_t last = (address + bytes - 1 - begin_) / kPage;
    Newest before = newest_[page];
    newest_[page].*which = now;
    while (page != last) {
      ++page;
      before.write = std::max(before.write, newest_[page].write);
      before.read = std::max(before.read, newest_[page].read);
      newest_[page].*which = now;
    }
    return before;
  }

  // Splits a cell into four with the same content, one for each byte.
  using Bytes = std::array<Cell, kCellBytes>;
  Bytes& split(Cell& cell);
  Bytes& bytes_of(Cell cell) { return splits_[cell & kIndexMask]; }
  // Makes it one cell again.
  void join(Cell& cell, Cell value) {
    if (is_split(cell)) free_splits_.push_back(cell & kIndexMask);
    cell = value;
  }

  // Forgets a range, or everything.
  void clear(uint64_t address, uint64_t size);
  void clear();

 private:
  static constexpr uint64_t kPage = 4096;
  static_assert(sizeof(Cell) == kCellBytes, "a page of cells is that of a page of memory");

  void clear_cells(uint64_t first, uint64_t end);

  uint64_t begin_;
  uint64_t size_;
  Cell* writes_ = nullptr;
  Cell* reads_ = nullptr;
  Newest* newest_ = nullptr;  // by page
  std::vector<Bytes> splits_;
  std::vector<uint32_t> free_splits_;
};

}  // namespace slipstream::emulator::race
