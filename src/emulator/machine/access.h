// Checked accesses of single lanes to the device's memory, for handlers that are not warp-wide
// loads and stores (those have fast paths of their own, with the same checks).
//
// Every function raises a LaneFault where the access is out of bounds, freed or misaligned.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// Generic addresses: host addresses are below, each other space has a window of 4 GiB.
inline constexpr uint64_t kSharedWindow = 0x8000'0000'0000ULL;
inline constexpr uint64_t kLocalWindow = 0x8001'0000'0000ULL;
inline constexpr uint64_t kParameterWindow = 0x8002'0000'0000ULL;
inline constexpr uint64_t kWindowMask = ~0xffff'ffffULL;
// Code addresses, for indirect calls: kFunctionWindow + 16 * index of the function in its module.
inline constexpr uint64_t kFunctionWindow = 0x8003'0000'0000ULL;

// Addresses in shared memory, and in the window: 24 bits of offset; above them 0 for the CTA's own
// memory, else 1 + the rank of the CTA in the cluster (what mapa makes).
inline constexpr uint32_t kSharedRankShift = 24;
// Where a CTA's shared memory starts: below is reserved, as on the device.
inline constexpr uint32_t kSharedBase = 1024;

enum class AddressSpace : uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter };

// How an access takes part in the order between threads; what is not weak is visible to other grids
// before the grid completes.
enum class Ordering : uint8_t { kWeak, kStrong };

// Whether the race check has been told of an access to global memory.
enum class Watched : uint8_t { kNotYet, kAlready };

// How much of an access must be inside an allocation. Atomics of 8 and 16 bits are made of the whole aligned word, of
// which the allocation may end before the last byte: memory is given out in words.
enum class Reach : uint8_t { kAll, kWord };

// What becomes of bytes that were never written: a report, or, where the settings want their uses reported, the caller
// follows them (machine/unwritten_values.h).
enum class Unwritten : uint8_t { kReported, kFollowed };
bool follows_unwritten(const Warp& warp);

// Returns whether the caller has nothing to follow.
bool load(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address, void* into,
          uint32_t bytes, uint32_t alignment, Watched watched = Watched::kNotYet,
          Reach reach = Reach::kAll, Unwritten unwritten = Unwritten::kReported);
void store(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address, const void* from,
           uint32_t bytes, uint32_t alignment, Ordering ordering = Ordering::kWeak);

// Call before a read of global memory: stores of other devices may be on their way there.
void before_read(Warp& warp, uint64_t address, uint32_t bytes, Ordering ordering);

// Host pointers to shared memory, of this CTA or of another of the cluster. `address` may be a
// shared address or a generic one.
const std::byte* readable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                                 uint32_t alignment, Reach reach = Reach::kAll);
std::byte* writable_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment);

// After a copy: of the bytes at a shared address only those have values that have them where they were copied from, in
// global memory or shared memory.
void copy_unwritten(Warp& warp, uint32_t lane, AddressSpace space, uint64_t from, uint64_t to,
                    uint32_t bytes);
// After a store: the bytes at a shared address have no values.
void unwrite_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes);

// A store or an atomic operation in two halves, for those that take place later than they are issued.
// The first checks the access and tells the race check, the second acts, and checks nothing. Where
// the second follows at once, so must watch_end().
void announce_store(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                    uint32_t alignment);
void write_global(Warp& warp, uint64_t address, const void* from, uint32_t bytes);
void announce_atomic(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                     uint32_t alignment, Reach reach = Reach::kAll);
std::byte* atomic_bytes(Warp& warp, uint64_t address, uint32_t bytes);

// Whether the grid's writes are kept from other grids: the adversarial schedule.
inline bool keeps_writes_apart(const Warp& warp) {
  return warp.cta->cluster->grid->overlay != nullptr;
}
// Whether stores of other devices may be on their way, so that reads must call before_read().
bool stores_are_under_way(Warp& warp);

// Where an atomic operation on `bytes` finds its value; the caller reads and writes it at once.
// Global memory: only in turn (see wait_for_turn), and visible to other grids without delay.
std::byte* atomic_target(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                         uint32_t bytes);

// Splits a generic address into its space and the address there.
struct SpaceAddress {
  AddressSpace space = AddressSpace::kGlobal;
  uint64_t address = 0;
};
SpaceAddress resolve_generic(uint64_t address);

// The CTA of the cluster whose memory a shared address means, and the offset in it; raises a fault
// where the access leaves that memory.
struct SharedPlace {
  Cta* cta = nullptr;
  uint32_t offset = 0;
};
SharedPlace resolve_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes,
                           uint32_t alignment);

// The same place in the shared memory of CTA `rank`, as an address that is valid in the whole
// cluster.
constexpr uint64_t in_cta(uint64_t address, uint32_t rank) {
  constexpr uint64_t kOffset = (1ULL << kSharedRankShift) - 1;
  return (address & kOffset) | uint64_t{rank + 1} << kSharedRankShift;
}

// Checks that [address, +bytes) lies in one allocation, and is aligned. Raises otherwise.
void check_global(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes, uint32_t alignment);
// How many of the bytes at `address` lie in its allocation; none where there is no allocation.
uint32_t bytes_in_allocation(Warp& warp, uint64_t address, uint32_t bytes);

// A read of bytes that were never written, in words.
LaneFault unwritten_read(const DeviceContext& device, uint32_t lane, AddressSpace space,
                         uint64_t address, uint32_t bytes);
// Reports one, as the settings say.
void found_unwritten(Warp& warp, uint32_t lane, AddressSpace space, uint64_t address,
                     uint32_t bytes);

// Blocks the host thread until all CTAs before this one (in the order that defines results) have
// reached a point where this one may act on what other CTAs see: global atomics and everything else
// that is ordered between CTAs. Makes the result independent of the number of host threads.
void wait_for_turn(Warp& warp);

// Makes the grid's earlier writes visible to other grids (a release at gpu or system scope).
void publish(Warp& warp);

}  // namespace slipstream::emulator
