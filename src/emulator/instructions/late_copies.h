// When asynchronous copies arrive in shared memory: at once, which is a legal order, or in the
// adversarial schedule as late as is legal: when somebody waits for them. Until then their
// destination holds NaNs, because a thread that reads it too early, or too late, may find anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// For the support matrix.
inline constexpr std::string_view kArrivesLate =
    "reads when issued; arrives at once, in the adversarial schedule when it is waited for";
inline constexpr std::string_view kStoredLate =
    "done when issued, in the adversarial schedule when it is waited for";

bool copies_are_late(const Warp& warp);

// cp.async, where copies are late. It is delivered by deliver_groups() for its lane.
void send_few(Warp& warp, uint32_t lane, uint64_t to, std::span<const std::byte> data);
void commit_group(Warp& warp, uint32_t lanes);
// Delivers all committed groups of these lanes but the `pending` youngest.
void deliver_groups(Warp& warp, uint32_t lanes, uint32_t pending);
// Delivers all copies of these lanes, committed or not.
void deliver_all(Warp& warp, uint32_t lanes);

// Copies that an mbarrier counts; both addresses may be those of another CTA of the cluster.
// `alignment` is that of `to`. `combine` is not null for a reduction, which changes what is there.
void send_counted(Warp& warp, uint32_t lane, uint64_t to, std::span<const std::byte> data,
                  uint32_t alignment, uint64_t barrier, Combine combine = nullptr);
// Delivers the copies that the mbarrier counts, because a thread asks for its phase.
void deliver_counted(Warp& warp, uint32_t lane, uint64_t barrier);

}  // namespace slipstream::emulator
