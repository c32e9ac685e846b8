// Activations of functions, kept from one use to the next because their constants stay valid. Their memory is handed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/machine/aligned_buffer.h"
#include "emulator/machine/buffer_cache.h"
#include "emulator/machine/warp.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {

class FramePool {
 public:
  explicit FramePool(BufferCache& memory) : memory_(memory) {}
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // An activation for `lanes` of the warp; `caller` is null for the kernel itself. Registers that may be read before they
  // are written are zero, constants and special registers are in place.
  Frame* acquire(const FunctionCode& function, const Warp& warp, uint32_t lanes, Frame* caller,
                 uint32_t return_pc);
  void release(Frame* frame);
  // Takes back every frame in use.
  void release_all();
  size_t bytes() const { return bytes_; }

 private:
  struct Owned : Frame {
    AlignedBuffer storage;
    bool in_use = false;
  };

  BufferCache& memory_;
  size_t bytes_ = 0;
  std::unordered_map<const FunctionCode*, std::vector<Owned*>> free_;
  std::vector<std::unique_ptr<Owned>> all_;
};

}  // namespace slipstream::emulator
