#include "emulator/machine/unwritten_values.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "emulator/machine/cta.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/warp.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {
namespace {

const Program& program_of(const Warp& warp) { return *warp.cta->cluster->grid->program; }

// What an operation makes of lanes without values.
struct Passed {
  uint32_t lanes = 0;
  std::shared_ptr<const UnwrittenRead> read;
};

uint32_t predicate_at(const std::byte* at) {
  uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof(bits));
  return bits;
}

// Lanes of the result that a source without value decides: not those where the others decide alone.
uint32_t deciding_lanes(Passing passing, const Warp& warp, std::span<const RegisterUse> registers,
                        size_t source, uint32_t lanes) {
  const auto bits = [&](size_t index) {
    return predicate_at(warp.registers + registers[index].offset);
  };
  const auto unwritten = [&](size_t index) {
    return unwritten_lanes(warp, warp.registers + registers[index].offset, kAllLanes);
  };
  // Register 0 is the result.
  const size_t other = source == 1 ? 2 : 1;
  switch (passing) {
    case Passing::kSelects:
      if (source == 1) return lanes & (bits(3) | unwritten(3));
      if (source == 2) return lanes & (~bits(3) | unwritten(3));
      return lanes;
    case Passing::kAndOfPredicates:
      return lanes & (bits(other) | unwritten(other));
    case Passing::kOrOfPredicates:
      return lanes & (~bits(other) | unwritten(other));
    default:
      return lanes;
  }
}

Passed passed_by(const Warp& warp, Passing passing, std::span<const RegisterUse> registers,
                 uint32_t executing) {
  Passed passed;
  for (size_t i = 0; i < registers.size(); ++i) {
    if (!registers[i].is_read) continue;
    const auto* const found = warp.unwritten->find(warp.registers + registers[i].offset);
    if (found == nullptr) continue;
    const uint32_t lanes = deciding_lanes(passing, warp, registers, i, found->lanes & executing);
    if (lanes != 0 && passed.read == nullptr) passed.read = found->read;
    passed.lanes |= lanes;
  }
  return passed;
}

}  // namespace

const UnwrittenValues::Register* UnwrittenValues::find(const std::byte* at) const {
  const auto found = std::ranges::find(registers_, at, &Register::at);
  return found == registers_.end() ? nullptr : &*found;
}

void UnwrittenValues::add(const Register& one) {
  const auto found = std::ranges::find(registers_, one.at, &Register::at);
  if (found == registers_.end()) {
    registers_.push_back(one);
  } else {
    found->lanes |= one.lanes;
    found->read = one.read;
  }
}

void UnwrittenValues::overwrite(const std::byte* at, uint32_t bytes, uint32_t lanes) {
  std::erase_if(registers_, [&](Register& one) {
    if (one.at >= at + bytes || at >= one.at + one.bytes) return false;
    // A register of another width that was in this place is not needed any more.
    one.lanes = one.at == at && one.bytes == bytes ? one.lanes & ~lanes : 0;
    return one.lanes == 0;
  });
}

void UnwrittenValues::forget(const std::byte* at, size_t bytes) {
  std::erase_if(registers_,
                [&](const Register& one) { return one.at >= at && one.at < at + bytes; });
}

void note_unwritten(Warp& warp, const std::byte* at, uint32_t bytes, uint32_t lanes,
                    std::shared_ptr<const UnwrittenRead> read) {
  if (warp.unwritten == nullptr) warp.unwritten = std::make_unique<UnwrittenValues>();
  warp.unwritten->add({at, bytes, lanes, std::move(read)});
}

uint32_t unwritten_lanes(const Warp& warp, const std::byte* at, uint32_t executing) {
  if (warp.unwritten == nullptr) return 0;
  const auto* const found = warp.unwritten->find(at);
  return found == nullptr ? 0 : found->lanes & executing;
}

void use_register(Warp& warp, const std::byte* at, uint32_t executing) {
  const uint32_t lanes = unwritten_lanes(warp, at, executing);
  if (lanes == 0) return;
  const UnwrittenValues::Register found = *warp.unwritten->find(at);
  warp.unwritten->overwrite(at, found.bytes, kAllLanes);
  report_unwritten_use(warp, *found.read, static_cast<uint32_t>(std::countr_zero(lanes)));
}

void use_guard(const Operation& operation, Warp& warp) {
  use_register(warp, warp.registers + operation.guard, warp.active);
}

Step execute_following(const Operation& operation, Warp& warp, uint32_t executing) {
  const Program& program = program_of(warp);
  const OperationUses& uses = program.uses[warp.pc];
  const auto registers = std::span(program.register_uses).subspan(uses.first, uses.count);
  std::byte* const file = warp.registers;
  const Frame* const frame = warp.frame;
  Passed passed;
  if (uses.passing == Passing::kUses) {
    for (const RegisterUse& one : registers) {
      if (one.is_read) use_register(warp, file + one.offset, executing);
    }
  } else if (uses.passing != Passing::kHandlerDecides) {
    passed = passed_by(warp, uses.passing, registers, executing);
  }
  for (const RegisterUse& one : registers) {
    if (one.is_written) warp.unwritten->overwrite(file + one.offset, one.bytes, executing);
  }
  const Step step = operation.execute(operation, warp, executing);
  for (const RegisterUse& one : registers) {
    if (passed.lanes == 0 || !one.is_written) continue;
    note_unwritten(warp, file + one.offset, one.bytes, passed.lanes, passed.read);
  }
  if (warp.active != 0 && warp.frame != frame) {
    warp.unwritten->forget(warp.registers, warp.frame->function->register_bytes);
  }
  if (warp.unwritten->empty()) warp.unwritten.reset();
  return step == Step::kFollow ? Step::kNext : step;
}

}  // namespace slipstream::emulator
