// What loads and stores of a whole warp have in common: where the lanes' addresses lead, checked all at once against the
// one allocation (or the shared memory) that they nearly always fall into.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "emulator/instructions/address_shape.h"
#include "emulator/machine/access.h"
#include "emulator/machine/unwritten_values.h"
#include "emulator/machine/watch.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

// What an access needs to know besides its operands, packed below the address offset.
struct Access {
  AddressSpace space = AddressSpace::kGeneric;
  bool wide_base = true;  // the base has 64-bit lanes
  bool ordered = false;   // other CTAs may synchronize through it: in turn only
  bool releases = false;
  bool acquires = false;
  bool partial = false;  // nvcc says that not all loaded bytes are used
  bool word = false;     // strong, of 32 bits: may be made for an atomic of less
  bool system = false;   // at system scope
  bool strong = false;   // at whichever scope
  int64_t offset = 0;
};

inline constexpr int kFlagBits = 11;
int64_t encode(const Access& access);

inline int64_t offset_of(int64_t immediate) { return immediate >> kFlagBits; }
inline Access decode_access(int64_t immediate) {
  const auto has = [&](int64_t flag) { return (immediate & flag) != 0; };
  return {static_cast<AddressSpace>(immediate & 7),
          has(8),
          has(16),
          has(32),
          has(128),
          has(64),
          has(256),
          has(512),
          has(1024),
          offset_of(immediate)};
}

struct Addresses {
  alignas(64) std::array<uint64_t, kWarpSize> at;
};

inline std::byte* pointer(uint64_t host) { return reinterpret_cast<std::byte*>(host); }

// How the executing lanes' bytes lie.
enum class Arrangement : uint8_t {
  kElsewhere,  // not all in memory that the warp can access at once: lane by lane, by machine/access.h
  kRow,        // all lanes execute, and each begins where the one before ends
  kStride,     // lane n begins n * stride after lane 0 would, and the stride may be 0
  kScattered,
};

// Where an access leads: the byte at address `begin` is at host address `begin + delta`.
struct Reached {
  Arrangement arrangement = Arrangement::kElsewhere;
  AddressSpace space = AddressSpace::kGeneric;
  uint64_t window = 0;  // what makes addresses generic ones, if they are
  uint64_t begin = 0;
  uint64_t size = 0;
  uint64_t delta = 0;
  uint64_t stride = 0;
  uint64_t first = 0;           // address of the first lane that executes
  uint8_t* written = nullptr;   // by offset from begin; null: all bytes have values
  uint64_t* touched = nullptr;  // chunks that are written to, a bit for each; null: nobody asks
  uint32_t chunk_shift = 0;     // size of a chunk

  // Of the lane that executes.
  uint64_t address(uint32_t lane, const Addresses& addresses, uint32_t bytes) const {
    if (arrangement == Arrangement::kScattered) return addresses.at[lane];
    return arrangement == Arrangement::kRow ? first + uint64_t{lane} * bytes : first;
  }
  uint64_t host(uint32_t lane, const Addresses& addresses, uint32_t bytes) const {
    return address(lane, addresses, bytes) + delta + lane * stride;
  }
  // Of lane 0, where all are in a row or at the same stride.
  uint64_t host() const { return first + delta; }
};

// `base`: the operand that has the addresses. Fills `addresses` where they are kScattered; those of lanes that do not
// execute are that of the first which does.
Reached reach(const Operation& operation, Warp& warp, uint32_t executing, const Access& access,
              uint32_t base, uint32_t bytes, bool is_load, Addresses& addresses);

// For what reach() finds elsewhere: the addresses, and the space that they are in. Generic addresses of one space become addresses in it;
// where lanes differ they stay generic.
AddressSpace find_space(Warp& warp, uint32_t executing, const Access& access, uint32_t base,
                        Addresses& addresses);

// CTAs of different clusters notice each other only through global memory.
inline bool may_be_global(AddressSpace space) {
  return space == AddressSpace::kGlobal || space == AddressSpace::kGeneric;
}

// Whether all bytes have values.
bool have_values(uint32_t executing, const Reached& reached, const Addresses& addresses,
                 uint32_t bytes);
// Lanes some of whose `bytes`, so many after the first of the access, have no value.
uint32_t lanes_without_values(uint32_t executing, const Reached& reached,
                              const Addresses& addresses, uint32_t access_bytes, uint32_t after,
                              uint32_t bytes);
// Reports lanes that read bytes without a value.
void report_unwritten(Warp& warp, uint32_t executing, const Reached& reached,
                      const Addresses& addresses, uint32_t bytes);
// The load, for those who follow what it has read.
std::shared_ptr<const UnwrittenRead> unwritten_read(const Warp& warp, uint32_t executing,
                                                    const Reached& reached,
                                                    const Addresses& addresses, uint32_t bytes);
// Notes that the bytes have values from now on, and which chunks of memory are not as new any more.
void mark_written(uint32_t executing, const Reached& reached, const Addresses& addresses,
                  uint32_t bytes);

// Tells the race check what kind of accesses follow. Returns whether they have to be reported.
bool watch(Warp& warp, const Access& access, AddressSpace space, race::AccessKind kind);
// Reports the accesses.
void watch_reached(Warp& warp, const Reached& reached, race::AccessKind kind, uint32_t executing,
                   const Addresses& addresses, uint32_t bytes);

inline void end_watch(Warp& warp, AddressSpace space) {
  space == AddressSpace::kShared ? watch_shared_end(warp) : watch_end(warp);
}

}  // namespace slipstream::emulator
