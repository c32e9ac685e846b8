#include "emulator/machine/frame_pool.h"

#include <cstring>

#include "emulator/machine/special_registers.h"

namespace slipstream::emulator {

FramePool::~FramePool() {
  for (const auto& owned : all_) memory_.give_back(std::move(owned->storage));
}

Frame* FramePool::acquire(const FunctionCode& function, const Warp& warp, uint32_t lanes,
                          Frame* caller, uint32_t return_pc) {
  auto& free = free_[&function];
  if (free.empty()) {
    auto owned = std::make_unique<Owned>();
    owned->storage = memory_.take(function.register_bytes);
    bytes_ += owned->storage.size();
    std::memcpy(owned->storage.data(), function.image.data(), function.image.size());
    free.push_back(owned.get());
    all_.push_back(std::move(owned));
  }
  Owned& owned = *free.back();
  free.pop_back();
  owned.in_use = true;
  Frame& frame = owned;
  frame.function = &function;
  frame.registers = owned.storage.data();
  // Whatever a program reads before it writes must not depend on who ran here before.
  for (const RegisterSlot& slot : function.unset) {
    std::memset(frame.registers + slot.offset, 0, slot.bytes);
  }
  frame.caller = caller;
  frame.return_pc = return_pc;
  frame.depth = caller == nullptr ? 0 : caller->depth + 1;
  frame.local_offset = caller == nullptr ? 0 : caller->local_offset + caller->function->local_bytes;
  frame.lanes = lanes;
  for (const SpecialSlot& slot : function.specials) {
    read_special_register(slot.special, warp, frame, frame.registers + slot.offset);
  }
  return &frame;
}

void FramePool::release(Frame* frame) {
  auto* const owned = static_cast<Owned*>(frame);
  owned->in_use = false;
  free_[frame->function].push_back(owned);
}

void FramePool::release_all() {
  for (const auto& owned : all_) {
    if (owned->in_use) release(owned.get());
  }
}

}  // namespace slipstream::emulator
