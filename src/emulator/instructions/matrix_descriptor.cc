// A matrix consists of chunks of 16 bytes that follow its major direction. Eight of them, one for
// each step in the other direction, make a core matrix. Without swizzle a core matrix lies together;
// a swizzle of W bytes puts W / 16 core matrices next to each other, row by row, and then exchanges
// the chunks of each row by an exclusive or of address bits.
#include "emulator/instructions/matrix_descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kChunk = 16;
constexpr uint32_t kCore = 8;  // chunks of a core matrix
constexpr uint32_t kChunksOfDepth = kDepthBytes / kChunk;

struct Descriptor {
  uint32_t start = 0;
  uint32_t leading = 0;      // byte offset of the leading dimension
  uint32_t stride = 0;       // byte offset of the stride dimension
  uint32_t base_offset = 0;  // where the swizzle pattern starts, in rows of 128 bytes
  uint32_t width = kChunk;   // of the swizzle, in bytes; that of a chunk: none
};

Descriptor decode(uint64_t bits) {
  constexpr std::array<uint32_t, 4> kWidths = {kChunk, 128, 64, 32};
  const auto bytes_at = [&](uint32_t shift) {
    return static_cast<uint32_t>(bits >> shift & 0x3fffU) * kChunk;
  };
  return {bytes_at(0), bytes_at(16), bytes_at(32), static_cast<uint32_t>(bits >> 49U & 7U),
          kWidths[bits >> 62U]};
}

uint32_t swizzle(const Descriptor& descriptor, uint32_t address) {
  const uint32_t row = (address >> 7U) - descriptor.base_offset;
  return address ^ (row & (descriptor.width / kChunk - 1)) * kChunk;
}

// Where chunk `chunk` along the depth of row `row` is.
uint32_t address_in_depth(const Descriptor& descriptor, uint32_t row, uint32_t chunk) {
  const uint32_t offset = row / kCore * descriptor.stride + row % kCore * descriptor.width +
                          chunk * (descriptor.width == kChunk ? descriptor.leading : kChunk);
  return swizzle(descriptor, descriptor.start + offset);
}

// Where chunk `chunk` along the rows is, at depth `depth`.
uint32_t address_in_rows(const Descriptor& descriptor, uint32_t chunk, uint32_t depth) {
  const uint32_t per_row = descriptor.width / kChunk;
  const bool is_plain = per_row == 1;
  const uint32_t along_rows = is_plain ? descriptor.stride : descriptor.leading;
  const uint32_t along_depth = is_plain ? descriptor.leading : descriptor.stride;
  const uint32_t offset = chunk % per_row * kChunk + chunk / per_row * along_rows +
                          depth % kCore * descriptor.width + depth / kCore * along_depth;
  return swizzle(descriptor, descriptor.start + offset);
}

bool is_written(const uint8_t* flags) {
  return std::all_of(flags, flags + kChunk, [](uint8_t flag) { return flag != 0; });
}

const std::byte* chunk_at(Warp& warp, uint64_t descriptor, uint32_t address, Watched watched) {
  const Cta& cta = *warp.cta;
  const uint32_t offset = address - kSharedBase;
  if (cta.shared_bytes < kChunk || offset > cta.shared_bytes - kChunk) {
    raise(FaultKind::kOutOfBounds, 0,
          fmt::format("the matrix of descriptor {:#018x} reaches shared address {:#x}; the CTA's "
                      "{} bytes of shared memory are at {:#x} to {:#x}",
                      descriptor, address, cta.shared_bytes, kSharedBase,
                      kSharedBase + cta.shared_bytes),
          address);
  }
  if (cta.shared_written != nullptr && !is_written(cta.shared_written + offset)) {
    found_unwritten(warp, 0, AddressSpace::kShared, address, kChunk);
  }
  if (watched == Watched::kNotYet && order_of(warp) != nullptr) {
    watch_background(warp, race::Background::kProducts, warpgroup_key(warp), 0, address, kChunk,
                     race::AccessKind::kRead);
  }
  return cta.shared + offset;
}

}  // namespace

void read_matrix(Warp& warp, uint64_t descriptor, Major major,
                 std::span<WarpgroupOperands::Elements> rows, Watched watched) {
  const Descriptor decoded = decode(descriptor);
  const auto count = static_cast<uint32_t>(rows.size());
  if (major == Major::kDepth) {
    for (uint32_t row = 0; row < count; ++row) {
      for (uint32_t chunk = 0; chunk < kChunksOfDepth; ++chunk) {
        std::memcpy(rows[row].data() + chunk * kChunk,
                    chunk_at(warp, descriptor, address_in_depth(decoded, row, chunk), watched),
                    kChunk);
      }
    }
    return;
  }
  using Element = uint16_t;
  constexpr uint32_t kElements = kChunk / sizeof(Element);
  for (uint32_t chunk = 0; chunk < count / kElements; ++chunk) {
    for (uint32_t depth = 0; depth < kDepthBytes / sizeof(Element); ++depth) {
      const std::byte* const from =
          chunk_at(warp, descriptor, address_in_rows(decoded, chunk, depth), watched);
      for (uint32_t i = 0; i < kElements; ++i) {
        std::memcpy(rows[chunk * kElements + i].data() + depth * sizeof(Element),
                    from + i * sizeof(Element), sizeof(Element));
      }
    }
  }
}

}  // namespace slipstream::emulator
