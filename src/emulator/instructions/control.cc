// Branches, calls and the ends of threads.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emulator/decoder/function_decoder.h"
#include "emulator/instructions/builtin_functions.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/frame_pool.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

Step branch(const Operation& operation, Warp& warp, uint32_t executing) {
  return branch(warp, executing, static_cast<uint32_t>(operation.immediate));
}
void build_branch(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.jump_to(builder.operand(0));
  builder.end_block();
  builder.set_handler(&branch);
}

// Operand: the index. all_operands: the places.
Step branch_indexed(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const index = operand<uint32_t>(operation, warp, 0);
  for (uint32_t rest = executing; rest != 0;) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(rest));
    if (index[lane] >= static_cast<uint64_t>(operation.immediate)) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("branch index {} of a table of {}", index[lane], operation.immediate));
    }
    uint32_t together = 0;
    for_each_lane(rest, [&](uint32_t other) {
      together |= static_cast<uint32_t>(index[other] == index[lane]) << other;
    });
    split_off(warp, together, warp.frame, operation.all_operands[index[lane]]);
    rest &= ~together;
  }
  return leave_behind(warp, executing);
}
void build_branch_indexed(Builder& builder) {
  builder.expect_operands(2, 2);
  const ptx::Operand& targets = builder.operand(1);
  if (targets.kind != ptx::OperandKind::kBranchTargets) {
    builder.reject("its targets must be a .branchtargets list");
  }
  builder.read(0, ptx::Type::kU32);
  const auto& list = builder.decoder().function().branch_targets[targets.index].instructions;
  builder.jump_to_one_of(list);
  builder.set_immediate(static_cast<int64_t>(list.size()));
  builder.end_block();
  builder.set_handler(&branch_indexed);
}

Step exit_thread(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  return exit_lanes(warp, executing);
}
void build_exit(Builder& builder) {
  builder.end_block();
  builder.set_handler(&exit_thread);
}

Step trap(const Operation& /*operation*/, Warp& /*warp*/, uint32_t executing) {
  raise(FaultKind::kTrap, static_cast<uint32_t>(__builtin_ctz(executing)),
        "the kernel executed trap");
}
void build_trap(Builder& builder) { builder.set_handler(&trap); }

Step stop_for_debugger(const Operation& /*operation*/, Warp& /*warp*/, uint32_t executing) {
  raise(FaultKind::kTrap, static_cast<uint32_t>(__builtin_ctz(executing)),
        "the kernel executed brkpt, and there is no debugger");
}
void build_breakpoint(Builder& builder) { builder.set_handler(&stop_for_debugger); }

Step sleep(const Operation& operation, Warp& warp, uint32_t executing) {
  constexpr uint64_t kCost = 1024;
  static_cast<void>(operation);
  warp.cta->cluster->worker->add_cost(kCost);
  static_cast<void>(executing);
  return yield(warp);
}
void build_sleep(Builder& builder) {
  builder.expect_operands(1, 1);
  builder.read(0, ptx::Type::kU32);
  builder.set_handler(&sleep);
}

// --- Calls.

void copy_block(const std::byte* from, const ParameterBlock& source, std::byte* to,
                const ParameterBlock& target, uint32_t lanes) {
  const uint32_t bytes = std::min(source.bytes, target.bytes);
  for_each_lane(lanes, [&](uint32_t lane) {
    std::memcpy(to + target.offset + lane * target.bytes,
                from + source.offset + lane * source.bytes, bytes);
  });
}

// The frame of lanes that have made the same call before and are still in it, if there is one: a
// .sync instruction in the function brings lanes of one frame together.
Frame* find_shared_frame(const Warp& warp, const CallSite& call, const FunctionCode& callee,
                         uint32_t lanes) {
  for (const Group& group : warp.groups) {
    for (Frame* frame = group.frame; frame != nullptr; frame = frame->caller) {
      if (frame->caller == warp.frame && frame->call == &call && frame->function == &callee &&
          (frame->lanes & lanes) == 0) {
        return frame;
      }
    }
  }
  return nullptr;
}

// A frame for the lanes at the start of the function.
void enter(Warp& warp, const CallSite& call, const FunctionCode& callee, uint32_t lanes) {
  Frame* const caller = warp.frame;
  Frame* frame = find_shared_frame(warp, call, callee, lanes);
  if (frame != nullptr) {
    frame->lanes |= lanes;
  } else {
    frame = warp.cta->cluster->frames->acquire(callee, warp, lanes, caller, warp.pc + 1);
    frame->call = &call;
  }
  const uint64_t local_end = uint64_t{frame->local_offset} + callee.local_bytes;
  if (local_end > warp.local_stride || frame->depth > warp.local_stride) {
    raise(FaultKind::kStackOverflow, static_cast<uint32_t>(__builtin_ctz(lanes)),
          fmt::format("calls nested {} deep need {} bytes of local memory per thread of "
                      "{}",
                      frame->depth, local_end, warp.local_stride));
  }
  for (size_t i = 0; i < std::min(call.arguments.size(), callee.parameters.size()); ++i) {
    copy_block(caller->registers, call.arguments[i], frame->registers, callee.parameters[i], lanes);
  }
  split_off(warp, lanes, frame, callee.entry);
}

Step call_direct(const Operation& operation, Warp& warp, uint32_t executing) {
  const CallSite& call = call_of(operation);
  enter(warp, call, *call.callee, executing);
  return leave_behind(warp, executing);
}

// Operand: the address of the function, by lane.
Step call_indirect(const Operation& operation, Warp& warp, uint32_t executing) {
  const CallSite& call = call_of(operation);
  const auto* const targets = operand<uint64_t>(operation, warp, 0);
  const auto& by_address = warp.cta->cluster->grid->program->by_address;
  for (uint32_t rest = executing; rest != 0;) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(rest));
    const auto callee = by_address.find(targets[lane]);
    if (callee == by_address.end()) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("call of {:#x}, where no function is", targets[lane]));
    }
    uint32_t together = 0;
    for_each_lane(rest, [&](uint32_t other) {
      together |= static_cast<uint32_t>(targets[other] == targets[lane]) << other;
    });
    enter(warp, call, *callee->second, together);
    rest &= ~together;
  }
  return leave_behind(warp, executing);
}

Step return_from_function(const Operation& /*operation*/, Warp& warp, uint32_t executing) {
  Frame* const frame = warp.frame;
  if (frame->caller == nullptr) return exit_lanes(warp, executing);
  const auto& results = frame->function->results;
  for (size_t i = 0; i < std::min(results.size(), frame->call->results.size()); ++i) {
    copy_block(frame->registers, results[i], frame->caller->registers, frame->call->results[i],
               executing);
  }
  split_off(warp, executing, frame->caller, frame->return_pc);
  frame->lanes &= ~executing;
  const Step step = leave_behind(warp, executing);
  if ((frame->lanes & warp.live) == 0) warp.cta->cluster->frames->release(frame);
  return step;
}
void build_return(Builder& builder) {
  builder.end_block();
  builder.set_handler(&return_from_function);
}

// --- Building calls: call (results), target, (arguments), prototype; all but the target optional.

struct CallOperands {
  const ptx::Operand* target = nullptr;
  std::span<const ptx::Operand> arguments;
  std::span<const ptx::Operand> results;
};

CallOperands parse_call(Builder& builder) {
  CallOperands parsed;
  for (size_t i = 0; i < builder.count(); ++i) {
    const ptx::Operand& operand = builder.operand(i);
    if (operand.kind == ptx::OperandKind::kList) {
      (parsed.target == nullptr ? parsed.results : parsed.arguments) = builder.children(operand);
    } else if (parsed.target == nullptr) {
      parsed.target = &operand;
    }
  }
  if (parsed.target == nullptr) builder.reject("a call must name a function");
  return parsed;
}

std::vector<ParameterBlock> blocks_of(Builder& builder, std::span<const ptx::Operand> operands) {
  std::vector<ParameterBlock> blocks;
  for (const ptx::Operand& operand : operands) {
    const bool is_parameter =
        operand.kind == ptx::OperandKind::kSymbol && operand.variable->space == ptx::Space::kParam;
    const auto block =
        is_parameter ? builder.decoder().parameter_block(*operand.variable) : std::nullopt;
    if (!block) builder.reject("arguments and results of a call must be .param variables");
    blocks.push_back(*block);
  }
  return blocks;
}

void build_call(Builder& builder) {
  const CallOperands operands = parse_call(builder);
  CallSite call;
  call.arguments = blocks_of(builder, operands.arguments);
  call.results = blocks_of(builder, operands.results);
  Handler handler = &call_direct;
  if (operands.target->kind == ptx::OperandKind::kFunction) {
    const ptx::Function& function = *operands.target->function;
    call.callee = builder.decoder().context().code_of(function);
    if (call.callee == nullptr) handler = find_builtin(function.name);
    if (uses_heap(function.name)) builder.decoder().context().program->uses_heap = true;
    if (handler == nullptr &&
        (function.name.starts_with("cuda") || function.name.starts_with("__cudaCDP"))) {
      builder.reject(
          fmt::format("{}: kernels that launch kernels (dynamic parallelism) are not supported",
                      function.name));
    }
    if (handler == nullptr) {
      builder.reject(fmt::format("function {} has no body, and is none that the device provides",
                                 function.name));
    }
  } else {
    builder.read(*operands.target, ptx::Type::kU64);
    handler = &call_indirect;
  }
  auto& sites = builder.decoder().context().program->call_sites;
  sites.push_back(std::move(call));
  builder.set_immediate(reinterpret_cast<int64_t>(&sites.back()));
  builder.set_handler(handler);
}

constexpr auto kControlForms = std::to_array<Form>({
    {"bra [.uni]", &build_branch},
    {"brx .idx [.uni]", &build_branch_indexed},
    {"call [.uni]", &build_call,
     "direct and indirect; vprintf, __assertfail, malloc, free and cudaGraphSetConditional are "
     "built in"},
    {"ret [.uni]", &build_return},
    {"exit", &build_exit},
    {"trap", &build_trap},
    {"brkpt", &build_breakpoint},
    {"nanosleep .u32", &build_sleep, "lets other warps run"},
});

}  // namespace

Family control_family() { return {"Control flow", "control.cc", kControlForms}; }

}  // namespace slipstream::emulator
