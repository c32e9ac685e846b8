// Where nearly all loads and stores lead, found in as few steps as possible: a whole warp, whose instruction says what kind
// of memory it reaches, in a row or all at one place there. All others: memory_access.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "emulator/instructions/memory_access.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/polls.h"
#include "emulator/machine/worker.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

enum class Path : uint8_t { kGlobal, kGeneric, kShared, kLocal };
template <Path kPath>
using BaseOf = std::conditional_t<kPath == Path::kShared, uint32_t, uint64_t>;

// That of an access which may have it: weak, all its bytes used.
inline std::optional<Path> path_of(const Access& access) {
  if (access.ordered || access.word || access.partial) return std::nullopt;
  const bool is_shared = access.space == AddressSpace::kShared;
  if (access.wide_base == is_shared) return std::nullopt;
  if (is_shared) return Path::kShared;
  switch (access.space) {
    case AddressSpace::kGlobal:
      return Path::kGlobal;
    case AddressSpace::kGeneric:
      return Path::kGeneric;
    case AddressSpace::kLocal:
      return Path::kLocal;
    default:
      return std::nullopt;
  }
}

struct PlainPlace {
  std::byte* at = nullptr;     // null: not there
  uint8_t* written = nullptr;  // a flag for each byte; null: all have values
};

// `extent` bytes from the address on, if they are in the CTA's shared memory or one allocation, and aligned.
template <Path kPath>
PlainPlace find_plain(const Operation& operation, Warp& warp, BaseOf<kPath> base, uint32_t bytes,
                      uint32_t extent) {
  const auto offset = static_cast<BaseOf<kPath>>(offset_of(operation.immediate));
  const auto address = uint64_t{static_cast<BaseOf<kPath>>(base + offset)};
  if ((address & (bytes - 1)) != 0) return {};
  if constexpr (kPath == Path::kShared) {
    const Cta& cta = *warp.cta;
    const uint64_t place = address - kSharedBase;
    if (place > cta.shared_bytes || cta.shared_bytes - place < extent) return {};
    return {cta.shared + place,
            cta.shared_written == nullptr ? nullptr : cta.shared_written + place};
  } else {
    if (kPath == Path::kGeneric && address >= kSharedWindow) return {};
    const MemoryRange& range = warp.cta->cluster->worker->range_of(&operation, address);
    const uint64_t place = address - range.begin;
    if (place >= range.size || range.size - place < extent) return {};
    return {reinterpret_cast<std::byte*>(address),
            range.written == nullptr ? nullptr : range.written + place};
  }
}

// Where the bytes are, if all have values.
template <Path kPath>
const std::byte* plain_load(const Operation& operation, Warp& warp, BaseOf<kPath> base,
                            uint32_t bytes, uint32_t extent) {
  const PlainPlace place = find_plain<kPath>(operation, warp, base, bytes, extent);
  const bool has_values = place.written == nullptr || all_written(place.written, extent);
  return has_values ? place.at : nullptr;
}

// Where to write the bytes, which have values from now on.
template <Path kPath>
std::byte* plain_store(const Operation& operation, Warp& warp, BaseOf<kPath> base, uint32_t bytes,
                       uint32_t extent) {
  const PlainPlace place = find_plain<kPath>(operation, warp, base, bytes, extent);
  if (place.at == nullptr) return nullptr;
  if constexpr (kPath == Path::kShared) {
    touch_shared(*warp.cta, static_cast<uint32_t>(place.at - warp.cta->shared), extent);
  } else {
    note_progress(warp);
  }
  if (place.written != nullptr) std::memset(place.written, 1, extent);
  return place.at;
}

// Where lane 0 has the bytes of its local memory that all executing lanes reach, each in its own: at the same address. Null
// if they are not the same, or not there.
inline std::byte* same_local(const Operation& operation, Warp& warp, uint32_t executing,
                             const uint64_t* base, uint32_t bytes) {
  const auto first = static_cast<uint32_t>(__builtin_ctz(executing));
  const uint64_t address = base[first] + static_cast<uint64_t>(offset_of(operation.immediate));
  const bool is_there = (address & (bytes - 1)) == 0 && address < warp.local_stride &&
                        warp.local_stride - address >= bytes;
  return is_there && shape_of(base, executing, first, bytes).is_same ? warp.local + address
                                                                     : nullptr;
}

}  // namespace slipstream::emulator
