// A grid's writes that other grids do not see yet (adversarial schedule).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace slipstream::emulator {

class GlobalMemory;

class Overlay {
 public:
  // Reads memory as the grid sees it: its own writes where there are any.
  void read(uint64_t address, void* into, uint32_t bytes) const;
  void write(uint64_t address, const void* from, uint32_t bytes);
  bool has(uint64_t address) const;
  // Whether the grid may have written in [begin, +size); if not, memory is what it sees.
  bool touches(uint64_t begin, uint64_t size) const;
  // Writes everything, or a range, to the device's memory and forgets it here.
  void publish(GlobalMemory& memory);
  void publish(GlobalMemory& memory, uint64_t address, uint32_t bytes);
  bool empty() const { return pages_.empty(); }

 private:
  static constexpr uint64_t kPageBytes = 4096;
  struct Page {
    std::array<std::byte, kPageBytes> data;
    std::bitset<kPageBytes> dirty;
  };

  using Pages = std::map<uint64_t, std::unique_ptr<Page>>;  // by address / kPageBytes

  template <class Part>
  static void for_each_part(uint64_t address, uint32_t bytes, Part part);
  // Writes the dirty bytes [first, end) of a page to memory.
  static void publish_page(GlobalMemory& memory, uint64_t number, Page& page, uint64_t first,
                           uint64_t end);

  Pages pages_;
};

}  // namespace slipstream::emulator
