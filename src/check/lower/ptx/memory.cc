#include "check/lower/ptx/memory.h"

#include <algorithm>

namespace slipstream::check::from_ptx {
namespace {

constexpr uint8_t kAllSources = 0xff;

struct Context {
  const tree::Instruction& from;
  const Frame& frame;
  OperandReader& reader;
  FunctionBuilder& builder;

  [[nodiscard]] const tree::Opcode& opcode() const { return *from.opcode; }
  [[nodiscard]] std::span<const tree::Operand> operands() const {
    return frame.function->operands_of(from);
  }
  [[nodiscard]] Instruction& instruction() const { return builder.last(); }
  void destination(size_t index) const {
    if (index < operands().size()) add_destinations(operands()[index], frame, reader, builder);
  }
  void address(size_t index) const {
    if (index >= operands().size()) return;
    builder.begin_address();
    builder.source(reader.address(frame, operands()[index]));
    builder.end_address();
  }
  void shared(SharedAccess access, size_t index) const {
    instruction().shared = access;
    for (const Operand& part : reader.address_parts(frame, operands()[index])) builder.place(part);
  }
  // The mbarrier is the first of the operands that are addresses, or for a copy the last one.
  void mbarrier(bool last) const {
    const tree::Operand* found = nullptr;
    for (const tree::Operand& one : operands()) {
      if (one.kind == tree::OperandKind::kAddress && (found == nullptr || last)) found = &one;
    }
    if (found == nullptr) return;
    for (const Operand& part : reader.address_parts(frame, *found)) builder.place(part);
  }
};

bool is_strong(const tree::Opcode& opcode) {
  return opcode.has("volatile") || opcode.has("relaxed") || opcode.has("acquire") ||
         opcode.has("release") || opcode.has("acq_rel") || opcode.has("mmio");
}

// Bytes of an element of a type; 0: no type.
uint32_t type_bytes(std::string_view modifier) {
  if (modifier.ends_with("128")) return 16;
  if (modifier.ends_with("64")) return 8;
  if (modifier.ends_with("32")) return 4;
  if (modifier.ends_with("16")) return 2;
  return modifier == "b8" || modifier == "u8" || modifier == "s8" ? 1 : 0;
}

// Bytes of one element, from the type modifier, which is the last one that tells.
uint32_t element_bytes(const tree::Opcode& opcode) {
  uint32_t bytes = 0;
  for (const std::string_view modifier : opcode.modifiers) {
    const uint32_t told = type_bytes(modifier);
    if (told != 0) bytes = told;
  }
  return bytes;
}

// The state space of a load, store or atomic; generic if none is written.
tree::Space space_of(const tree::Opcode& opcode) {
  for (const std::string_view modifier : opcode.modifiers) {
    if (modifier == "global") return tree::Space::kGlobal;
    if (modifier.starts_with("shared")) return tree::Space::kShared;
    if (modifier == "local") return tree::Space::kLocal;
    if (modifier.starts_with("const")) return tree::Space::kConst;
    if (modifier.starts_with("param")) return tree::Space::kParam;
  }
  return tree::Space::kGeneric;
}

void lower_parameter_load(const Context& x) {
  Instruction& load = x.instruction();
  load.pointer_sources = kAllSources;
  load.elementwise = true;
  const tree::Operand& target = x.operands()[0];
  const uint32_t bytes = element_bytes(x.opcode());
  x.destination(0);
  Operand word = x.reader.parameter_word(x.frame, x.operands()[1]);
  word.bytes = static_cast<uint8_t>(bytes);
  const size_t count = target.kind == tree::OperandKind::kVector ? target.count : 1;
  if (count == 1) load.compute = Compute::kMove;
  load.wide = bytes == 8;
  for (size_t i = 0; i < count; ++i) {
    x.builder.source(word);
    word.value += bytes;
  }
}

// The stored values become pointers that the cell may hold.
void store_to_cell(const Context& x, uint32_t cell) {
  x.instruction().pointer_sources = kAllSources;
  x.builder.destination(cell);
  const tree::Operand& value = x.operands()[1];
  if (value.kind == tree::OperandKind::kVector) {
    for (const tree::Operand& one : x.frame.function->children_of(value)) {
      x.builder.source(x.reader.value(x.frame, one));
    }
  } else {
    x.builder.source(x.reader.value(x.frame, value));
  }
}

void lower_parameter_store(const Context& x) {
  const Operand cell = x.reader.parameter_word(x.frame, x.operands()[0]);
  if (cell.kind != OperandKind::kRegister) return;
  if (x.operands()[1].kind != tree::OperandKind::kVector) x.instruction().compute = Compute::kMove;
  x.instruction().wide = true;
  store_to_cell(x, cell.index);
}

bool is_remote(const tree::Opcode& opcode) { return opcode.has("shared::cluster"); }

void lower_load(const Context& x) {
  const tree::Space space = space_of(x.opcode());
  Instruction& load = x.instruction();
  if (space == tree::Space::kParam) return lower_parameter_load(x);
  if (space == tree::Space::kGlobal || space == tree::Space::kGeneric) {
    load.action = Action::kLoad;
    load.generic = space == tree::Space::kGeneric;
    load.non_coherent = x.opcode().has("nc") || x.opcode().head == "ldu";
    load.synchronizing = is_strong(x.opcode());
    load.loads_pointer = element_bytes(x.opcode()) == 8;
    x.destination(0);
    x.address(1);
    return;
  }
  if (is_remote(x.opcode())) load.action = Action::kRemoteShared;
  x.destination(0);
  if (space != tree::Space::kShared) return;
  // Shared memory is one cell: what was stored anywhere may be loaded anywhere.
  if (element_bytes(x.opcode()) == 8) {
    load.pointer_sources = kAllSources;
    x.builder.source(register_operand(x.reader.shared_cell()));
  }
  if (load.action == Action::kNone) x.shared(SharedAccess::kRead, 1);
}

void lower_store(const Context& x) {
  const tree::Space space = space_of(x.opcode());
  if (space == tree::Space::kParam) return lower_parameter_store(x);
  Instruction& store = x.instruction();
  if (space == tree::Space::kGlobal || space == tree::Space::kGeneric) {
    store.action = Action::kStore;
    store.generic = space == tree::Space::kGeneric;
    store.synchronizing = is_strong(x.opcode());
    x.address(0);
  } else if (is_remote(x.opcode()) || x.opcode().has("async")) {
    store.action = Action::kRemoteShared;
    store.synchronizing = x.opcode().has("async");  // an mbarrier of the receiver counts it
  } else if (space == tree::Space::kShared) {
    if (element_bytes(x.opcode()) == 8) store_to_cell(x, x.reader.shared_cell());
    x.shared(SharedAccess::kWrite, 0);
  }
}

// `address` is the operand that holds it; results before it.
void lower_atomic(const Context& x, size_t address) {
  const tree::Space space = space_of(x.opcode());
  Instruction& atomic = x.instruction();
  if (space == tree::Space::kGlobal || space == tree::Space::kGeneric) {
    atomic.action = Action::kAtomic;
    atomic.generic = space == tree::Space::kGeneric;
    atomic.synchronizing = true;
  } else if (is_remote(x.opcode()) || x.opcode().has("async")) {
    atomic.action = Action::kRemoteShared;
    atomic.synchronizing = x.opcode().has("async");
  }
  if (address == 1) x.destination(0);
  if (touches_memory(atomic.action)) x.address(address);
  const bool is_own = space == tree::Space::kShared && atomic.action == Action::kNone;
  if (is_own && address < x.operands().size()) x.shared(SharedAccess::kWrite, address);
}

// cp.async.*, cp.reduce.async.*: the opcode names both spaces, destination first.
void lower_copy(const Context& x) {
  const tree::Opcode& opcode = x.opcode();
  Instruction& copy = x.instruction();
  if (opcode.has("prefetch") || opcode.has("commit_group") || opcode.has("wait_all")) return;
  if (opcode.has("wait_group")) {
    if (opcode.has("bulk") && !opcode.has("read")) copy.action = Action::kCopyWait;
    return;
  }
  if (opcode.has("mbarrier") && opcode.has("arrive")) {
    copy.action = Action::kMbarrierArrive;
    return x.mbarrier(false);
  }
  const auto position = [&](std::string_view prefix) {
    return std::find_if(opcode.modifiers.begin(), opcode.modifiers.end(),
                        [&](std::string_view one) { return one.starts_with(prefix); });
  };
  const auto global = position("global");
  if (global == opcode.modifiers.end()) {
    copy.action = Action::kRemoteShared;
    copy.synchronizing = true;
  } else if (global < position("shared")) {
    copy.action = Action::kCopyToGlobal;
    x.address(0);
  } else {
    copy.action = Action::kCopyToShared;
    x.address(1);
    if (position("mbarrier") != opcode.modifiers.end()) x.mbarrier(true);
  }
}

void lower_texture(const Context& x) {
  x.instruction().action = Action::kLoad;
  x.instruction().non_coherent = true;
  x.destination(0);
  x.address(1);
}

void lower_surface(const Context& x, Action action, size_t address) {
  x.instruction().action = action;
  if (address == 1) x.destination(0);
  x.address(address);
}

void lower_barrier(const Context& x) {
  const tree::Opcode& opcode = x.opcode();
  Instruction& barrier = x.instruction();
  if (opcode.has("cluster")) {
    barrier.action = opcode.has("arrive") ? Action::kClusterArrive : Action::kClusterWait;
    return;
  }
  if (opcode.has("warp")) {
    barrier.action = Action::kWarpBarrier;
    return;
  }
  barrier.action = opcode.has("arrive") ? Action::kBarrierArrive : Action::kBarrier;
  size_t number = 0;
  if (opcode.has("red")) {
    x.destination(0);
    number = 1;
  }
  if (number < x.operands().size()) {
    const Operand value = x.reader.value(x.frame, x.operands()[number]);
    x.builder.source(value);
    x.builder.place(value);
  }
}

void lower_mbarrier(const Context& x) {
  const tree::Opcode& opcode = x.opcode();
  Instruction& barrier = x.instruction();
  if (opcode.has("init") || opcode.has("inval") || opcode.has("pending_count")) return;
  if (!opcode.has("test_wait") && !opcode.has("try_wait")) {
    barrier.action = Action::kMbarrierArrive;
    if (!x.operands().empty() && x.operands()[0].kind == tree::OperandKind::kRegister) {
      x.destination(0);
    }
    return x.mbarrier(false);
  }
  barrier.action = Action::kMbarrierWait;
  x.destination(0);
  if (opcode.has("parity") && x.operands().size() >= 3) {
    x.builder.source(x.reader.value(x.frame, x.operands()[2]));
  }
  x.mbarrier(false);
}

void lower_fence(const Context& x) {
  const tree::Opcode& opcode = x.opcode();
  if (opcode.has("proxy")) {
    if (std::any_of(opcode.modifiers.begin(), opcode.modifiers.end(),
                    [](std::string_view one) { return one.starts_with("async"); })) {
      x.instruction().action = Action::kProxyFence;
    }
  } else if (opcode.has("gpu") || opcode.has("sys") || opcode.has("gl")) {
    x.instruction().action = Action::kFence;
  }
}

void lower_multimem(const Context& x) {
  const tree::Opcode& opcode = x.opcode();
  if (opcode.has("ld_reduce")) {
    x.instruction().action = Action::kLoad;
    x.destination(0);
    x.address(1);
  } else {
    x.instruction().action = opcode.has("red") ? Action::kAtomic : Action::kStore;
    x.address(0);
  }
}

void lower_grid_dependency(const Context& x) {
  x.instruction().action = x.opcode().has("wait") ? Action::kWait : Action::kTrigger;
}

using Lower = void (*)(const Context&);

struct Entry {
  std::string_view head;
  Lower lower;
};

constexpr Entry kEntries[] = {
    {"ld", lower_load},
    {"ldu", lower_load},
    {"st", lower_store},
    {"atom", [](const Context& x) { lower_atomic(x, 1); }},
    {"red", [](const Context& x) { lower_atomic(x, 0); }},
    {"cp", lower_copy},
    {"tex", lower_texture},
    {"tld4", lower_texture},
    {"suld", [](const Context& x) { lower_surface(x, Action::kLoad, 1); }},
    {"sust", [](const Context& x) { lower_surface(x, Action::kStore, 0); }},
    {"sured", [](const Context& x) { lower_surface(x, Action::kAtomic, 0); }},
    {"bar", lower_barrier},
    {"barrier", lower_barrier},
    {"mbarrier", lower_mbarrier},
    {"fence", lower_fence},
    {"membar", lower_fence},
    {"multimem", lower_multimem},
    {"griddepcontrol", lower_grid_dependency},
    {"clusterlaunchcontrol",
     [](const Context& x) {
       if (x.opcode().has("try_cancel")) x.instruction().action = Action::kMbarrierArrive;
     }},
};

}  // namespace

void add_destinations(const tree::Operand& operand, const Frame& frame, const OperandReader& reader,
                      FunctionBuilder& builder) {
  if (operand.kind == tree::OperandKind::kRegister) {
    builder.destination(reader.reg(frame, operand));
  } else if (operand.kind == tree::OperandKind::kVector ||
             operand.kind == tree::OperandKind::kPair) {
    for (const tree::Operand& child : frame.function->children_of(operand)) {
      add_destinations(child, frame, reader, builder);
    }
  }
}

bool lower_memory(const tree::Instruction& instruction, const Frame& frame, OperandReader& reader,
                  FunctionBuilder& builder) {
  const Context x{instruction, frame, reader, builder};
  const std::string_view head = instruction.opcode->head;
  if (head == "tcgen05") {
    if (!x.opcode().has("commit")) return false;
    x.instruction().action = Action::kMbarrierArrive;
    return x.mbarrier(false), true;
  }
  const auto* found = std::find_if(std::begin(kEntries), std::end(kEntries),
                                   [&](const Entry& one) { return one.head == head; });
  if (found == std::end(kEntries)) return false;
  const bool needs_operands = head == "ld" || head == "st";
  if (!needs_operands || x.operands().size() >= 2) found->lower(x);
  return true;
}

}  // namespace slipstream::check::from_ptx
