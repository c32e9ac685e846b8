#include "emulator/machine/overlay.h"

#include <algorithm>
#include <cstring>

#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {

// Calls part(page number, first byte in it, count, first byte of the range) for each page of the
// range.
template <class Part>
void Overlay::for_each_part(uint64_t address, uint32_t bytes, Part part) {
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t first = (address + at) % kPageBytes;
    const uint64_t count = std::min(bytes - at, kPageBytes - first);
    part((address + at) / kPageBytes, first, count, at);
    at += count;
  }
}

bool Overlay::has(uint64_t address) const {
  const auto page = pages_.find(address / kPageBytes);
  return page != pages_.end() && page->second->dirty[address % kPageBytes];
}

bool Overlay::touches(uint64_t begin, uint64_t size) const {
  const auto page = pages_.lower_bound(begin / kPageBytes);
  return page != pages_.end() && page->first * kPageBytes < begin + size;
}

void Overlay::read(uint64_t address, void* into, uint32_t bytes) const {
  std::memcpy(into, reinterpret_cast<const void*>(address), bytes);
  if (!touches(address, bytes)) return;
  auto* const out = static_cast<std::byte*>(into);
  for_each_part(address, bytes, [&](uint64_t number, uint64_t first, uint64_t count, uint64_t at) {
    const auto page = pages_.find(number);
    if (page == pages_.end()) return;
    for (uint64_t i = 0; i < count; ++i) {
      if (page->second->dirty[first + i]) out[at + i] = page->second->data[first + i];
    }
  });
}

void Overlay::write(uint64_t address, const void* from, uint32_t bytes) {
  const auto* const in = static_cast<const std::byte*>(from);
  for_each_part(address, bytes, [&](uint64_t number, uint64_t first, uint64_t count, uint64_t at) {
    auto& page = pages_[number];
    if (page == nullptr) page = std::make_unique<Page>();
    std::memcpy(&page->data[first], in + at, count);
    for (uint64_t i = 0; i < count; ++i) page->dirty.set(first + i);
  });
}

void Overlay::publish_page(GlobalMemory& memory, uint64_t number, Page& page, uint64_t first,
                           uint64_t end) {
  for (uint64_t i = first; i < end;) {
    uint64_t run = i;
    while (run < end && page.dirty[run]) page.dirty.reset(run++);
    const uint64_t at = number * kPageBytes + i;
    // The allocation may have been freed: its writes are then dropped.
    if (run > i && memory.find(at) != nullptr) {
      std::memcpy(reinterpret_cast<void*>(at), &page.data[i], run - i);
      memory.mark_written(at, run - i);
    }
    i = std::max(run, i + 1);
  }
}

void Overlay::publish(GlobalMemory& memory) {
  for (const auto& [number, page] : pages_) publish_page(memory, number, *page, 0, kPageBytes);
  pages_.clear();
}

void Overlay::publish(GlobalMemory& memory, uint64_t address, uint32_t bytes) {
  const uint64_t end = address + bytes;
  for (uint64_t at = address; at < end;) {
    const uint64_t number = at / kPageBytes;
    const uint64_t page_end = std::min(end, (number + 1) * kPageBytes);
    if (const auto page = pages_.find(number); page != pages_.end()) {
      publish_page(memory, number, *page->second, at % kPageBytes, page_end - number * kPageBytes);
    }
    at = page_end;
  }
}

}  // namespace slipstream::emulator
