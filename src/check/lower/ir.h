// The form in which the static checker looks at a kernel, whether it came from PTX or from SASS.
//
// It keeps what the ordering rules need and nothing else: control flow, which threads take which
// branch, where an address comes from, and the instructions that touch memory or order it. What a
// lowering does not understand it writes down as opaque: an opaque value may be anything.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/parameter.h"

namespace slipstream::check {

inline constexpr uint32_t kNone = 0xffffffffU;

// What an instruction does besides computing registers.
enum class Action : uint8_t {
  kNone,
  kLoad,            // from global or generic memory
  kStore,           // to global or generic memory
  kAtomic,          // read-modify-write of global or generic memory
  kCopyToShared,    // asynchronous copy out of global memory: cp.async, bulk, tensor map
  kCopyToGlobal,    // asynchronous copy or reduction into global memory
  kRemoteShared,    // any access to another CTA's shared memory
  kBarrier,         // bar.sync, bar.red: arrives and waits
  kBarrierArrive,   // bar.arrive
  kWarpBarrier,     // bar.warp.sync
  kClusterArrive,   // barrier.cluster.arrive
  kClusterWait,     // barrier.cluster.wait
  kMbarrierArrive,  // any arrival on an mbarrier
  kMbarrierWait,    // test_wait, try_wait
  kFlagWrite,       // to shared memory, where flags are polled
  kFlagWait,        // a load from shared memory that is polled
  kFence,           // release or acquire fence of gpu or wider scope
  kProxyFence,      // fence.proxy.async
  kCopyWait,        // waits for bulk copies out of shared memory to complete
  kWait,            // griddepcontrol.wait, ACQBULK
  kTrigger,         // griddepcontrol.launch_dependents, PREEXIT
  kExit,            // the thread ends
  kTrap,            // the thread ends the whole grid
  kBranch,          // to `targets`; falls through as well if guarded
  kCall,            // to code that is not looked at
};

// How the destination is computed; only what thread-dependent branches are made of.
enum class Compute : uint8_t {
  kOpaque,
  kMove,
  kAdd,  // any number of sources
  kSubtract,
  kMultiply,
  kMultiplyAdd,
  kShiftLeft,
  kShiftRight,  // logical
  kShiftRightSigned,
  kAnd,
  kOr,
  kXor,
  kNot,
  kLogic3,           // three sources, `immediate` is the truth table
  kPredicateLogic3,  // the same on predicates
  kSelect,           // sources: predicate, then, else
  kCompare,          // sources a, b, predicate combined with `combine`
  kMinimum,          // of two sources; of three, the first two count as their sum
  kMaximum,          // the same
  kTableWord,        // the word of Function::table at the source, in bytes, plus `immediate`
  kPeerAddress,  // the same place as the first source, in the memory of another CTA of the cluster
  kBroadcast,    // shfl.idx: known where the source is the same in the whole warp
  kElect,        // true in one lane of the warp
};

// Of the CTA's own shared memory, which is no action unless flags are in it. Atomics write.
enum class SharedAccess : uint8_t { kNone, kRead, kWrite };

enum class Comparison : uint8_t {
  kNever,
  kLess,
  kEqual,
  kLessEqual,
  kGreater,
  kNotEqual,
  kGreaterEqual,
  kAlways
};
enum class Combine : uint8_t { kAnd, kOr, kXor };

enum class OperandKind : uint8_t {
  kOpaque,
  kRegister,        // index
  kImmediate,       // value
  kParameter,       // the parameter word at byte offset `value`; `bytes` wide
  kParameterBlock,  // an address in the parameter block: byte offset `value`, or -1
  kConstantMemory,  // a word of, or an address in, __constant__ memory
  kVariable,        // the address of global variable `index`
  kSharedAddress,   // an address in shared memory: `value`, in PTX from the variable `index` on
  kLocalAddress,
  kThreadX,
  kThreadY,
  kThreadZ,
  kLane,
  kWarp,
  kBlockDimension,  // ntid.{x,y,z} by `value`
  kBlockIndex,      // ctaid: differs between CTAs
  kClusterRank,
};

struct Operand {
  OperandKind kind = OperandKind::kOpaque;
  bool negated = false;  // arithmetic or logical, by the instruction
  uint8_t bytes = 4;
  uint32_t index = kNone;
  int64_t value = 0;
};

// Half-open range into Function::destinations or Function::sources.
struct Range {
  uint32_t first = 0;
  uint32_t count = 0;
};

struct Instruction {
  Action action = Action::kNone;
  Compute compute = Compute::kOpaque;
  Comparison comparison = Comparison::kNever;
  Combine combine = Combine::kAnd;
  SharedAccess shared = SharedAccess::kNone;
  bool is_signed = false;
  bool wide = false;          // computes in 64 bits
  bool non_coherent = false;  // ld.global.nc, LDG.CONSTANT, textures
  bool synchronizing =
      false;             // relaxed, acquire, release or volatile; remote: counted by an mbarrier
  bool generic = false;  // a generic access: global only if the address is not known otherwise
  bool guard_negated = false;
  bool loads_pointer = false;  // a load wide enough for its result to be a pointer
  bool elementwise = false;    // destination i is source i
  bool repeats = false;  // every destination is the result; predicates: whether it is not zero
  bool returns = false;  // a branch back to its function's callers, after their calls
  uint8_t pointer_sources = 0;  // bit i: the result may point where source i points
  uint32_t guard = kNone;       // predicate register
  Range destinations;
  Range sources;
  Range address;  // of memory actions: the sources its address is made of
  // How many operands, after the sources, add up to a place: the address of the mbarrier that it waits
  // for or arrives at, or in shared memory that it accesses, or the number of a barrier, or where an indirect branch goes, which is
  // a position in SASS and the number of a target in PTX. None: it may be any.
  uint32_t place_parts = 0;
  Range targets;  // kBranch: instruction indices, in Function::targets
  int64_t immediate = 0;
  uint32_t location = 0;  // in Function::locations; 0 is unknown
  uint32_t position = 0;  // PTX: line of the text. SASS: byte in the kernel's code
  std::string_view name;  // of the opcode, in SASS
};

// A place in the source. `inlined_at` is the call site's own location, or 0.
struct Location {
  uint32_t file = 0;  // in Function::files; 0 is unknown
  uint32_t line = 0;
  uint32_t inlined_at = 0;
};

enum class CodeKind : uint8_t { kPtx, kSass };

// An instruction as text; `position` is that of Instruction.
struct ListingLine {
  uint32_t position = 0;
  std::string text;
};

struct Function {
  std::string name;  // mangled
  CodeKind code = CodeKind::kPtx;
  uint32_t architecture = 0;  // 90 for sm_90 and sm_90a
  uint32_t max_threads = 0;   // the launch bound, or 0
  uint32_t block_x = 0;       // its first dimension, where the bound tells the block's shape
  uint32_t register_count = 0;
  std::vector<code::Parameter> parameters;
  std::vector<std::string> variables;  // names of global variables
  std::vector<std::string> files = {""};
  std::vector<Location> locations = {{}};
  std::vector<Instruction> instructions;
  std::vector<uint32_t> destinations;
  std::vector<Operand> sources;
  std::vector<uint32_t> targets;
  std::vector<uint32_t> table;              // what indirect branches take their targets from
  std::vector<ListingLine> listing;         // by position; empty unless a report shows code
  std::vector<std::string> not_understood;  // what the lowering had to leave opaque, for the report

  [[nodiscard]] std::span<const uint32_t> destinations_of(const Instruction& i) const {
    return {destinations.data() + i.destinations.first, i.destinations.count};
  }
  [[nodiscard]] std::span<const Operand> sources_of(const Instruction& i) const {
    return {sources.data() + i.sources.first, i.sources.count};
  }
  [[nodiscard]] std::span<const Operand> place_of(const Instruction& i) const {
    return {sources.data() + i.sources.first + i.sources.count, i.place_parts};
  }
  // All operands that it reads.
  [[nodiscard]] std::span<Operand> read_by(const Instruction& i) {
    return {sources.data() + i.sources.first, i.sources.count + i.place_parts};
  }
  [[nodiscard]] std::span<const Operand> read_by(const Instruction& i) const {
    return {sources.data() + i.sources.first, i.sources.count + i.place_parts};
  }
  [[nodiscard]] std::span<const Operand> address_of(const Instruction& i) const {
    return {sources.data() + i.address.first, i.address.count};
  }
  [[nodiscard]] std::span<const uint32_t> targets_of(const Instruction& i) const {
    return {targets.data() + i.targets.first, i.targets.count};
  }
};

// Whether the instruction reads or writes memory that other grids see (or may see, if generic).
inline bool reads_memory(Action a) {
  return a == Action::kLoad || a == Action::kAtomic || a == Action::kCopyToShared;
}
inline bool writes_memory(Action a) {
  return a == Action::kStore || a == Action::kAtomic || a == Action::kCopyToGlobal;
}
inline bool touches_memory(Action a) { return reads_memory(a) || writes_memory(a); }
inline bool ends_thread(Action a) { return a == Action::kExit || a == Action::kTrap; }

// Appends instructions to a Function: each add() starts one, the rest fill in the last.
class FunctionBuilder {
 public:
  explicit FunctionBuilder(Function& function) : function_(function) {}

  Instruction& add(Action action);
  Instruction& last() { return function_.instructions.back(); }
  void destination(uint32_t reg);
  void source(const Operand& operand);
  // The next `count` sources added are the address.
  void begin_address();
  void end_address();
  // A part of Instruction's place; after all sources.
  void place(const Operand& operand);
  void target(uint32_t instruction);
  // Of the last instruction.
  [[nodiscard]] std::span<const uint32_t> destinations() const;
  [[nodiscard]] std::span<const Operand> sources() const;
  void replace_sources(const Operand& operand);

 private:
  Function& function_;
};

// Whether `name` is one of the device runtime's own functions (printf, assert, malloc), which touch
// nothing that a kernel's pointers lead to. Calls of others that are not looked at are reported.
bool is_system_function(std::string_view name);

inline Operand register_operand(uint32_t index) {
  return {.kind = OperandKind::kRegister, .index = index};
}
inline Operand immediate_operand(int64_t value) {
  return {.kind = OperandKind::kImmediate, .value = value};
}

}  // namespace slipstream::check
