// A grid's writes that other grids do not see yet (adversarial schedule).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace slipstream::emulator::machine {

class GlobalMemory;

class Overlay {
 public:
  // Reads memory as the grid sees it: its own writes where there are any.
  void read(uint64_t address, void* into, uint32_t bytes) const;
  void write(uint64_t address, const void* from, uint32_t bytes);
  bool has(uint64_t address) const;
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

  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;  // by address / kPageBytes
};

}  // namespace slipstream::emulator::machine
