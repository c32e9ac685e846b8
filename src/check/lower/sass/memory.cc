#include "check/lower/sass/memory.h"

namespace slipstream::check::from_sass {
namespace {

constexpr uint8_t kAllSources = 0xff;

// How strong a load or store is: weak, constant (the read-only path), or ordered with a scope.
enum class Strength : uint8_t { kWeak, kConstant, kStrong };

Strength strength(const sass::Word& word) {
  const uint64_t field = sass::bits(word, 77, 4);
  if (field == 4) return Strength::kConstant;
  return field == 0 ? Strength::kWeak : Strength::kStrong;
}

struct Context {
  const sass::Word& word;
  const OperandReader& reader;
  FunctionBuilder& builder;

  Instruction& instruction() const { return builder.last(); }
  void results(uint32_t bytes) const {
    const uint32_t first = reader.destination(word);
    if (first == kNone) return;
    for (uint32_t i = 0; i < (bytes + 3) / 4; ++i) builder.destination(first + i);
  }
};

// [R.64 + offset], with a uniform register added unless that one holds a descriptor.
void vector_address(const Context& x, unsigned uniform_field) {
  const bool is_64_bit = sass::bits(x.word, 72, 1) != 0;
  const bool has_uniform = sass::bits(x.word, 91, 1) != 0 && sass::bits(x.word, 90, 1) == 0;
  const Operand low = x.reader.vector(sass::bits(x.word, 24, 8));
  x.builder.begin_address();
  x.builder.source(low);
  if (is_64_bit) x.builder.source(x.reader.upper_half(low));
  if (has_uniform) {
    const Operand base = x.reader.uniform(sass::bits(x.word, uniform_field, 8));
    x.builder.source(base);
    x.builder.source(x.reader.upper_half(base));
  }
  x.builder.end_address();
}

constexpr unsigned kLoadUniform = 32;
constexpr unsigned kStoreUniform = 64;

void lower_load(const Context& x, bool generic) {
  Instruction& load = x.instruction();
  load.action = Action::kLoad;
  load.generic = generic;
  load.non_coherent = !generic && strength(x.word) == Strength::kConstant;
  load.synchronizing = strength(x.word) == Strength::kStrong;
  const uint32_t bytes = access_bytes(x.word);
  load.loads_pointer = bytes >= 8;
  x.results(bytes);
  vector_address(x, kLoadUniform);
}

void lower_store(const Context& x, bool generic) {
  x.instruction().action = Action::kStore;
  x.instruction().generic = generic;
  x.instruction().synchronizing = strength(x.word) == Strength::kStrong;
  vector_address(x, kStoreUniform);
}

void lower_atomic(const Context& x, bool generic) {
  x.instruction().action = Action::kAtomic;
  x.instruction().generic = generic;
  x.instruction().synchronizing = true;
  const uint64_t family = x.word.low & 0x1ffU;
  const bool returns_nothing = family == 0x18e || family == 0x1a6;  // RED, REDG.F
  if (!returns_nothing) x.results(8);
  vector_address(x, kStoreUniform);
}

// A uniform register pair holds the address.
void uniform_address(const Context& x, Action action) {
  x.instruction().action = action;
  const Operand low = x.reader.uniform(sass::bits(x.word, 24, 8));
  x.builder.begin_address();
  x.builder.source(low);
  x.builder.source(x.reader.upper_half(low));
  x.builder.end_address();
}

// A pair of uniform registers holds where in shared memory the copy goes, and the mbarrier.
void lower_copy_to_shared(const Context& x) {
  uniform_address(x, Action::kCopyToShared);
  x.builder.place(x.reader.upper_half(x.reader.uniform(sass::bits(x.word, 32, 8))));
}

void lower_bulk_copy(const Context& x) {
  switch (sass::bits(x.word, 73, 2)) {
    case 1:
      return lower_copy_to_shared(x);
    case 2:
      return uniform_address(x, Action::kCopyToGlobal);
    default:  // shared memory of one CTA to that of another
      x.instruction().action = Action::kRemoteShared;
      x.instruction().synchronizing = true;  // an mbarrier of the receiver counts it
  }
}

void lower_texture(const Context& x) {
  x.instruction().action = Action::kLoad;
  x.instruction().non_coherent = true;
  x.results(16);
}

void lower_surface(const Context& x, Action action) {
  x.instruction().action = action;
  if (action == Action::kLoad) x.results(16);
}

void lower_load_constant(const Context& x) {
  x.instruction().compute = Compute::kMove;
  x.instruction().pointer_sources = kAllSources;
  const uint32_t bytes = access_bytes(x.word);
  const bool uniform = (x.word.low & 0x1ffU) != 0x182U;
  const uint32_t first =
      uniform ? x.reader.uniform_destination(x.word) : x.reader.destination(x.word);
  if (first == kNone) return;
  Operand value = x.reader.constant(x.word);
  // A word chosen at run time: any parameter, or any constant.
  const bool is_uniform_load = (x.word.low & 0x1ffU) == 0x0b9U;
  const bool indexed =
      !is_uniform_load && (uniform ? !x.reader.is_uniform_zero(sass::bits(x.word, 24, 8))
                                   : sass::bits(x.word, 24, 8) != 255);
  if (indexed && value.kind == OperandKind::kParameter) {
    value = {.kind = OperandKind::kParameterBlock, .value = -1};
  }
  if (indexed && bytes == 4 && x.reader.is_in_table(x.word)) {
    x.instruction().compute = Compute::kTableWord;
    x.instruction().immediate = value.value;
    x.builder.destination(first);
    const uint64_t index = sass::bits(x.word, 24, 8);
    return x.builder.source(uniform ? x.reader.uniform(index) : x.reader.vector(index));
  }
  if (bytes > 4) x.instruction().compute = Compute::kOpaque;  // several words
  x.instruction().elementwise = true;
  for (uint32_t i = 0; i < (bytes + 3) / 4; ++i) {
    x.builder.destination(first + i);
    x.builder.source(value);
    value = x.reader.upper_half(value);
  }
}

// [R + UR + offset] in shared memory.
void shared_place(const Context& x, SharedAccess access, unsigned uniform_field) {
  x.instruction().shared = access;
  x.builder.place(x.reader.vector(sass::bits(x.word, 24, 8)));
  if (sass::bits(x.word, 91, 1) != 0) {
    x.builder.place(x.reader.uniform(sass::bits(x.word, uniform_field, x.reader.uniform_bits())));
  }
  x.builder.place(immediate_operand(static_cast<int64_t>(sass::bits(x.word, 40, 24))));
}

// Shared and local memory are one cell each: what was stored anywhere may be loaded anywhere.
void lower_cell_load(const Context& x, uint32_t cell) {
  const uint32_t bytes = access_bytes(x.word);
  x.results(bytes);
  if (bytes < 8 && cell == kSharedCell) return;  // no pointer fits
  x.instruction().pointer_sources = kAllSources;
  x.builder.source(register_operand(cell));
}

void lower_cell_store(const Context& x, uint32_t cell) {
  const uint32_t bytes = access_bytes(x.word);
  if (bytes < 8 && cell == kSharedCell) return;
  x.instruction().pointer_sources = kAllSources;
  x.builder.destination(cell);
  const uint64_t first = sass::bits(x.word, 32, 8);
  for (uint32_t i = 0; i < (bytes + 3) / 4 && first != 255; ++i) {
    x.builder.source(x.reader.vector(first + i));
  }
}

// Sources of a barrier: its number, opaque where it comes from a register, which is its place.
void lower_barrier(const Context& x) {
  const Form form = OperandReader::form(x.word);
  const bool immediate = form == Form::kImmediateB || form == Form::kConstantB;
  const uint64_t kind = sass::bits(x.word, 77, 3);
  x.instruction().action = kind == 1 ? Action::kBarrierArrive : Action::kBarrier;
  const Operand number = immediate_operand(static_cast<int64_t>(sass::bits(x.word, 54, 4)));
  x.builder.source(immediate ? number : Operand{});
  x.builder.place(immediate ? number : x.reader.vector(sass::bits(x.word, 32, 8)));
}

// [R + UR + offset].
void mbarrier_address(const Context& x) {
  x.builder.place(x.reader.vector(sass::bits(x.word, 24, 8)));
  x.builder.place(x.reader.uniform(sass::bits(x.word, 64, x.reader.uniform_bits())));
  x.builder.place(immediate_operand(static_cast<int64_t>(sass::bits(x.word, 40, 24))));
}

// ARRIVES.LDGSTSBAR, and what arrives when products of matrices or a query for work are done: [UR].
void lower_other_arrival(const Context& x) {
  constexpr uint64_t kCopies = 0x1b0;
  constexpr uint64_t kProducts = 0x1e9;
  x.instruction().action = Action::kMbarrierArrive;
  const uint64_t family = x.word.low & 0x1ffU;
  if (family == kCopies) mbarrier_address(x);
  if (family == kProducts) x.builder.place(x.reader.uniform(sass::bits(x.word, 24, 8)));
}

// SYNCS: a test of the phase in a register, or an arrival.
void lower_syncs(const Context& x) {
  if (OperandReader::form(x.word) != Form::kImmediateC) {
    x.instruction().action = Action::kMbarrierArrive;
    if (const uint32_t state = x.reader.destination(x.word); state != kNone) {
      x.builder.destination(state);
      x.builder.destination(state + 1);
    }
    return mbarrier_address(x);
  }
  x.instruction().action = Action::kMbarrierWait;
  x.instruction().immediate = 31;  // the phase is in the register's top bit
  if (const uint32_t ok = x.reader.predicate_destination(sass::bits(x.word, 81, 3), false);
      ok != kNone) {
    x.builder.destination(ok);
  }
  x.builder.source(x.reader.vector(sass::bits(x.word, 32, 8)));
  mbarrier_address(x);
}

void lower_memory_barrier(const Context& x) {
  constexpr uint64_t kGpu = 2;
  if (sass::bits(x.word, 76, 2) >= kGpu) x.instruction().action = Action::kFence;
}

// UCGABAR arrives in the form that takes an immediate, and waits in the other.
void lower_cluster_barrier(const Context& x) {
  x.instruction().action = OperandReader::form(x.word) == Form::kImmediateB ? Action::kClusterArrive
                                                                            : Action::kClusterWait;
}

}  // namespace

bool lower_memory(sass::Meaning meaning, const sass::Word& word, const OperandReader& reader,
                  FunctionBuilder& builder) {
  const Context x{word, reader, builder};
  const auto action = [&](Action value) { builder.last().action = value; };
  switch (meaning) {
    case sass::Meaning::kLoadConstant:
      return lower_load_constant(x), true;
    case sass::Meaning::kLoadGlobal:
      return lower_load(x, false), true;
    case sass::Meaning::kLoadGeneric:
      return lower_load(x, true), true;
    case sass::Meaning::kStoreGlobal:
      return lower_store(x, false), true;
    case sass::Meaning::kStoreGeneric:
      return lower_store(x, true), true;
    case sass::Meaning::kAtomicGlobal:
      return lower_atomic(x, false), true;
    case sass::Meaning::kAtomicGeneric:
      return lower_atomic(x, true), true;
    case sass::Meaning::kAtomicShared:
      x.results(8);
      return shared_place(x, SharedAccess::kWrite, kStoreUniform), true;
    case sass::Meaning::kLoadLocal:
      return lower_cell_load(x, kLocalCell), true;
    case sass::Meaning::kLoadShared:
      lower_cell_load(x, kSharedCell);
      return shared_place(x, SharedAccess::kRead, kLoadUniform), true;
    case sass::Meaning::kStoreLocal:
      return lower_cell_store(x, kLocalCell), true;
    case sass::Meaning::kStoreShared:
      lower_cell_store(x, kSharedCell);
      return shared_place(x, SharedAccess::kWrite, kStoreUniform), true;
    case sass::Meaning::kTexture:
      return lower_texture(x), true;
    case sass::Meaning::kSurfaceLoad:
      return lower_surface(x, Action::kLoad), true;
    case sass::Meaning::kSurfaceStore:
      return lower_surface(x, Action::kStore), true;
    case sass::Meaning::kCopyAsync:
      action(Action::kCopyToShared);
      return vector_address(x, kStoreUniform), true;
    case sass::Meaning::kBulkCopy:
      return lower_bulk_copy(x), true;
    case sass::Meaning::kTensorLoad:
      return lower_copy_to_shared(x), true;
    case sass::Meaning::kBulkReduce:
    case sass::Meaning::kTensorStore:
      return uniform_address(x, Action::kCopyToGlobal), true;
    case sass::Meaning::kRemoteStore:
      builder.last().synchronizing = true;
      return action(Action::kRemoteShared), true;
    case sass::Meaning::kBarrier:
      return lower_barrier(x), true;
    case sass::Meaning::kBarrierResult:
      return x.results(4), true;
    case sass::Meaning::kWarpSync:
      return action(Action::kWarpBarrier), true;
    case sass::Meaning::kClusterArrive:
    case sass::Meaning::kClusterWait:
      return lower_cluster_barrier(x), true;
    case sass::Meaning::kSyncs:
      return lower_syncs(x), true;
    case sass::Meaning::kMbarrierArrive:
      return lower_other_arrival(x), true;
    case sass::Meaning::kMemoryBarrier:
      return lower_memory_barrier(x), true;
    case sass::Meaning::kProxyFence:
      return action(Action::kProxyFence), true;
    default:
      return false;
  }
}

}  // namespace slipstream::check::from_sass
