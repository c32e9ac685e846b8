// When the products of wgmma.mma_async are made: at once, which is a legal order, or in the
// adversarial schedule when a warp waits for their group. Until then the registers of the
// accumulators hold NaNs; and operands that change meanwhile, in shared memory or in registers, make
// NaNs of the result, because the product may have read anything.
#pragma once

#include <cstdint>

#include "emulator/machine/warp.h"
#include "emulator/machine/warpgroup.h"

namespace slipstream::emulator {

bool products_are_late(const Warp& warp);

void issue_late(Warp& warp, Warpgroup& warpgroup, const IssuedProduct& product);
// wgmma.commit_group by the warp.
void commit_products(const Warp& warp, Warpgroup& warpgroup);
// Completes all committed groups of the warp but the `pending` youngest, for the whole warpgroup.
void complete_groups(Warp& warp, Warpgroup& warpgroup, uint32_t pending);
// Completes all products, committed or not.
void complete_all(Warp& warp, Warpgroup& warpgroup);

}  // namespace slipstream::emulator
