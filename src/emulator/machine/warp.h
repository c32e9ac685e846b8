// A warp in execution: its lanes, the groups they have diverged into, and how handlers park them.
//
// Lanes at the same place form a group. One group runs at a time; the others are in `groups`. Of
// those that can run, the one deepest in calls and then lowest in the program goes first, which
// brings diverged lanes back together without any analysis of the control flow. After a group has run
// long while others could, the oldest of these has a short turn, so that a spin loop never starves the
// lane that it waits for; short, since a group that has run ahead comes together with the others later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulator/machine/bulk_store.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/late_copy.h"
#include "emulator/machine/polls.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

struct CallSite;
struct Cta;
struct FunctionCode;
class UnwrittenValues;

// Bit n of Warp::local_touched stands for chunks n, n + 64 and so on of every lane's local memory.
inline constexpr uint32_t kLocalChunkShift = 8;

inline constexpr uint32_t kNoMerge = 0xffffffffU;

// One activation of a function by some lanes of a warp.
struct Frame {
  const FunctionCode* function = nullptr;
  std::byte* registers = nullptr;
  Frame* caller = nullptr;
  const CallSite* call = nullptr;  // what called it
  uint32_t return_pc = 0;          // where the caller goes on
  uint32_t depth = 0;              // 0: the kernel
  uint32_t local_offset = 0;  // where the function's local variables start in each thread's memory
  uint32_t lanes = 0;         // that have not returned yet
};

enum class Wait : uint8_t {
  kNone,         // can run
  kConvergence,  // for other lanes of the warp to come to the same instruction
  kBarrier,      // for a named barrier; resumed when it completes
  kCondition,    // for something that another warp does; executed again when Cluster::epoch moves
  kWarpgroup,    // for the other warps of the warpgroup; resumed by the last one
};

struct Group {
  uint32_t pc = 0;
  uint32_t lanes = 0;
  Frame* frame = nullptr;
  Wait wait = Wait::kNone;
  bool resumed = false;   // what it waited for is over: the handler finishes the instruction
  uint32_t detail = 0;    // kBarrier: which one, then its result; kConvergence: lanes waited for
  uint64_t last_run = 0;  // Warp::clock when it was put back
  uint64_t epoch = 0;     // kCondition: Cluster::epoch when it parked
};

// On cache lines of its own: each instruction writes to it, and its neighbor may be run by another host thread.
struct alignas(64) Warp {
  // --- The running group.
  std::byte* registers = nullptr;  // of `frame`
  uint32_t pc = 0;                 // index into the program's operations
  uint32_t active = 0;
  Frame* frame = nullptr;
  bool resumed = false;  // see Group
  uint32_t detail = 0;

  // --- The warp.
  uint32_t live = 0;             // lanes that have not exited
  uint32_t index = 0;            // in the CTA
  bool has_plain_memory = true;  // nobody watches accesses, and no grid's writes are kept apart
  Cta* cta = nullptr;
  std::vector<Group> groups;     // all but the running one
  uint64_t clock = 0;            // counts how often a group was put back
  uint32_t merge_pc = kNoMerge;  // where the running group meets another that can run
  // All other groups can run, in the same frame and after the running one: it stays first until it meets one of them.
  bool in_order = false;
  bool hold = false;           // the running group keeps running although another is lower
  bool yielded = false;        // asked the executor to run other warps
  uint32_t slices = 0;         // that it has used up
  std::byte* local = nullptr;  // thread-local memory: local_stride bytes for each lane
  uint32_t local_stride = 0;
  uint64_t local_touched = 0;    // chunks of it that somebody has written to: see kLocalChunkShift
  uint32_t cluster_parity = 0;   // phase parity of the cluster barrier at each lane's last arrival
  uint32_t cluster_arrived = 0;  // lanes that arrived there and have not waited yet
  Polls polls;
  std::vector<LateCopy> late_copies;           // cp.async; adversarial schedule only
  std::vector<BulkStore> bulk_stores;          // not finished; adversarial schedule only
  std::unique_ptr<UnwrittenValues> unwritten;  // null: all its registers have values

  Warp();
  ~Warp();
  Warp(Warp&& other) noexcept;
  Warp& operator=(Warp&& other) noexcept;
};

// --- For handlers. Those that return Step::kReschedule have taken the running group away.

// All active lanes go on at `pc`.
Step jump(Warp& warp, uint32_t pc);
// The lanes of `taken` (part of the active ones) go on at `target`, the rest after the operation.
Step branch(Warp& warp, uint32_t taken, uint32_t target);
// Moves some of the active lanes to another place, from where they go on later.
void split_off(Warp& warp, uint32_t lanes, Frame* frame, uint32_t pc);
// The active lanes that are not in `lanes` (which have been moved) go on after the operation.
Step leave_behind(Warp& warp, uint32_t lanes);
// The lanes leave the kernel.
Step exit_lanes(Warp& warp, uint32_t lanes);
// `lanes` park at the current operation until `wait` ends; the other active lanes go on after it.
Step park(Warp& warp, uint32_t lanes, Wait wait, uint32_t detail = 0);
// As park(kCondition): the operation is executed again, by the same lanes, when Cluster::epoch has
// moved. The executor reports a deadlock when nothing is left that could move it.
Step wait_for_change(Warp& warp, uint32_t lanes);
// The executing lanes go on after the operation, once other warps have had a chance to run.
Step yield(Warp& warp);

// Brings together the lanes that execute one .sync operation. `executing` grows by the lanes of
// other groups parked at the same operation. Returns whether all lanes of `members` that have not
// exited are now in `executing`; if not, the caller parks its lanes with Wait::kConvergence.
bool gather(Warp& warp, const Operation& operation, uint32_t members, uint32_t& executing);

[[noreturn]] void raise(FaultKind kind, uint32_t lane, const std::string& message,
                        uint64_t address = 0);

// --- For the executor.

// Makes the best runnable group the running one; false if none can run.
bool select_group(Warp& warp);
// Puts the running group back into `groups`, able to run.
void put_back(Warp& warp);
// Lets another group run, if there is one that can.
bool rotate(Warp& warp);
// The running group has come to merge_pc: joins the group there, or lets another one run.
void meet(Warp& warp);
// The running group goes first only if it is the lowest again.
void end_hold(Warp& warp);

}  // namespace slipstream::emulator
