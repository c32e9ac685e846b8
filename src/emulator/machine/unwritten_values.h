// Values that a warp has loaded from memory that nobody wrote, until they are used or overwritten.
//
// A program may load more than it uses: the rest of a row, what a mask leaves out later. So a load only notes which
// lanes of its registers have no value. From then on the executor follows what the warp does with them: an instruction
// that computes lane by lane passes them on, a copy into shared memory passes them on to the bytes there, any other
// uses them.
// While a warp has none of them, which is nearly always, that costs nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/machine/access.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

struct UnwrittenRead {
  uint32_t pc = 0;
  AddressSpace space = AddressSpace::kGlobal;
  uint32_t bytes = 0;
  std::array<uint64_t, kWarpSize> addresses{};  // by lane
};

class UnwrittenValues {
 public:
  struct Register {
    const std::byte* at = nullptr;  // in the register file
    uint32_t bytes = 0;             // of all lanes
    uint32_t lanes = 0;             // that have no value
    std::shared_ptr<const UnwrittenRead> read;
  };

  [[nodiscard]] bool empty() const { return registers_.empty(); }
  // Null where all lanes have values.
  [[nodiscard]] const Register* find(const std::byte* at) const;
  void add(const Register& one);
  // The lanes have values now.
  void overwrite(const std::byte* at, uint32_t bytes, uint32_t lanes);
  // Nobody reads these registers before they are written.
  void forget(const std::byte* at, size_t bytes);

 private:
  std::vector<Register> registers_;
};

// --- For handlers.

// The register (of so many bytes in all lanes) has no values in those lanes. Let the executor know: Step::kFollow.
void note_unwritten(Warp& warp, const std::byte* at, uint32_t bytes, uint32_t lanes,
                    std::shared_ptr<const UnwrittenRead> read);
// The executing lanes of a register that have no value.
uint32_t unwritten_lanes(const Warp& warp, const std::byte* at, uint32_t executing);
// The current operation uses them: reports the load, once, and takes them for written from now on.
void use_register(Warp& warp, const std::byte* at, uint32_t executing);

// --- For the executor, while warp.unwritten is not null.

// The lanes of a group are divided by the guard.
void use_guard(const Operation& operation, Warp& warp);
// Executes the operation, and follows the values.
Step execute_following(const Operation& operation, Warp& warp, uint32_t executing);

}  // namespace slipstream::emulator
