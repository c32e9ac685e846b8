// Strong stores to another device's memory that have not arrived (adversarial schedule).
//
// Such a store arrives when its reader has polled it a number of times that the seed decides, so that
// stores of one thread to different words may arrive in any order. It arrives before anything that
// its own grid does after a fence or a release, and before its grid is complete. Its own device sees it
// at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>

#include "emulator/machine/launch.h"

namespace slipstream::emulator {

class GlobalMemory;

class DelayedStores {
 public:
  DelayedStores(GlobalMemory& memory, uint64_t seed) : memory_(memory), random_(seed) {}

  void add(uint32_t writer, Ticket grid, uint64_t address, const void* from, uint32_t bytes);
  // A device is about to read the bytes; strong reads are the polls that count.
  void before_read(uint32_t reader, uint64_t address, uint32_t bytes, bool is_strong);
  // The bytes are about to be changed in another way.
  void arrive(uint64_t address, uint32_t bytes);
  void arrive_all_of(Ticket grid);
  void arrive_all();
  [[nodiscard]] bool empty() const { return stores_.empty(); }

 private:
  struct Store {
    uint32_t writer = 0;
    Ticket grid = 0;
    uint32_t bytes = 0;
    uint32_t polls = 0;  // that are left
    std::array<std::byte, 32> data{};
  };
  using Stores = std::map<uint64_t, Store>;  // by address; none overlap

  Stores::iterator first_overlapping(uint64_t address);
  Stores::iterator arrive(Stores::iterator store);

  GlobalMemory& memory_;
  std::mt19937_64 random_;
  Stores stores_;
};

}  // namespace slipstream::emulator
