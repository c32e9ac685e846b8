#include "emulator/race/shadow_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <stdexcept>

namespace slipstream::emulator::race {
namespace {

template <class T>
T* reserve(uint64_t bytes) {
  void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    throw std::runtime_error(
        "the race check cannot reserve address space for what it remembers of device memory (is a "
        "limit on virtual memory set?)");
  }
  return static_cast<T*>(address);
}

void drop_pages(void* memory, uint64_t first_byte, uint64_t bytes) {
  madvise(static_cast<std::byte*>(memory) + first_byte, bytes, MADV_DONTNEED);
}

}  // namespace

ShadowMemory::ShadowMemory(uint64_t begin, uint64_t size)
    : begin_(begin),
      size_(size),
      writes_(reserve<Cell>(size)),
      reads_(reserve<Cell>(size)),
      newest_(reserve<Newest>((size / kPage + 1) * sizeof(Newest))) {}

ShadowMemory::~ShadowMemory() {
  munmap(writes_, size_);
  munmap(reads_, size_);
  munmap(newest_, (size_ / kPage + 1) * sizeof(Newest));
}

ShadowMemory::Bytes& ShadowMemory::split(Cell& cell) {
  if (is_split(cell)) return bytes_of(cell);
  uint32_t index = 0;
  if (free_splits_.empty()) {
    index = static_cast<uint32_t>(splits_.size());
    splits_.emplace_back();
  } else {
    index = free_splits_.back();
    free_splits_.pop_back();
  }
  splits_[index].fill(cell);
  cell = kSplitTag | index;
  return splits_[index];
}

void ShadowMemory::clear_cells(uint64_t first, uint64_t end) {
  for (Cell* const cells : {writes_, reads_}) {
    for (uint64_t i = first / kCellBytes; i < (end + kCellBytes - 1) / kCellBytes; ++i) {
      join(cells[i], 0);
    }
  }
}

void ShadowMemory::clear(uint64_t address, uint64_t size) {
  const uint64_t first = address - begin_;
  const uint64_t end = std::min(first + size, size_);
  const uint64_t first_page = (first + kPage - 1) / kPage;
  const uint64_t end_page = end / kPage;
  if (first_page >= end_page) return clear_cells(first, end);
  clear_cells(first, first_page * kPage);
  clear_cells(end_page * kPage, end);
  // Whole pages at once, so that clearing untouched memory does not allocate it.
  const uint64_t bytes = (end_page - first_page) * kPage;
  drop_pages(writes_, first_page * kPage, bytes);
  drop_pages(reads_, first_page * kPage, bytes);
  std::fill(newest_ + first_page, newest_ + end_page, Newest{});
}

void ShadowMemory::clear() {
  drop_pages(writes_, 0, size_);
  drop_pages(reads_, 0, size_);
  drop_pages(newest_, 0, (size_ / kPage + 1) * sizeof(Newest));
  splits_.clear();
  free_splits_.clear();
}

}  // namespace slipstream::emulator::race
