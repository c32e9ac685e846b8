#include "emulator/machine/overlay.h"

#include "emulator/machine/global_memory.h"

namespace slipstream::emulator::machine {

bool Overlay::has(uint64_t address) const {
  const auto page = pages_.find(address / kPageBytes);
  return page != pages_.end() && page->second->dirty[address % kPageBytes];
}

void Overlay::read(uint64_t address, void* into, uint32_t bytes) const {
  auto* const out = static_cast<std::byte*>(into);
  for (uint32_t i = 0; i < bytes; ++i) {
    const uint64_t at = address + i;
    const auto page = pages_.find(at / kPageBytes);
    const bool own = page != pages_.end() && page->second->dirty[at % kPageBytes];
    out[i] = own ? page->second->data[at % kPageBytes] : *reinterpret_cast<const std::byte*>(at);
  }
}

void Overlay::write(uint64_t address, const void* from, uint32_t bytes) {
  const auto* const in = static_cast<const std::byte*>(from);
  for (uint32_t i = 0; i < bytes; ++i) {
    const uint64_t at = address + i;
    auto& page = pages_[at / kPageBytes];
    if (page == nullptr) {
      page = std::make_unique<Page>();
    }
    page->data[at % kPageBytes] = in[i];
    page->dirty.set(at % kPageBytes);
  }
}

void Overlay::publish(GlobalMemory& memory) {
  for (const auto& [number, page] : pages_) {
    for (uint64_t i = 0; i < kPageBytes; ++i) {
      if (page->dirty[i]) {
        const uint64_t at = number * kPageBytes + i;
        // The allocation may be gone: then so are the writes.
        if (memory.find(at) != nullptr) {
          *reinterpret_cast<std::byte*>(at) = page->data[i];
          memory.mark_written(at, 1);
        }
      }
    }
  }
  pages_.clear();
}

void Overlay::publish(GlobalMemory& memory, uint64_t address, uint32_t bytes) {
  for (uint64_t at = address; at < address + bytes; ++at) {
    if (has(at)) {
      Page& page = *pages_[at / kPageBytes];
      *reinterpret_cast<std::byte*>(at) = page.data[at % kPageBytes];
      page.dirty.reset(at % kPageBytes);
      memory.mark_written(at, 1);
    }
  }
}

}  // namespace slipstream::emulator::machine
