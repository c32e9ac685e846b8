// What the checker knows of SASS, the machine code of sm_90 to sm_121: one table from opcode to
// meaning.
//
// NVIDIA does not document the encoding. The table was learned by compiling kernels of one PTX
// instruction each with ptxas 13.0 for sm_90a, sm_100a, sm_103a and sm_120a and comparing the
// words; all four agree. An opcode that is not in the table is taken for arithmetic whose result
// may be anything.
#pragma once

#include <cstdint>
#include <string_view>

namespace slipstream::sass {

// One 16-byte instruction of sm_70 and later.
struct Word {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Word&) const = default;
};

// Bits [first, first + count) of the 128-bit word.
constexpr uint64_t bits(const Word& word, unsigned first, unsigned count) {
  const uint64_t mask = count == 64 ? ~0ULL : (1ULL << count) - 1;
  if (first >= 64) return (word.high >> (first - 64)) & mask;
  uint64_t value = word.low >> first;
  if (first != 0 && first + count > 64) value |= word.high << (64 - first);
  return value & mask;
}

enum class Meaning : uint8_t {
  kArithmetic,           // a register from registers, in a way that does not matter
  kPredicateArithmetic,  // the same, but its results are predicates
  kVote,                 // both
  kUniformPredicate,     // a uniform predicate and no register
  kUniformVote,          // a uniform register and a uniform predicate
  kMove,
  kAdd3,
  kAdd2,
  kAdd64,
  kMultiplyAdd,
  kMultiplyAddWide,
  kMultiplyHigh,  // the upper half of a product, as divisions have it
  kConvert,       // from one register, in a way that is not followed
  kLogic3,
  kPredicateLogic3,
  kShift,
  kLoadEffectiveAddress,
  kSelect,
  kCompareIntegers,
  kMinimum,     // or maximum
  kAddMinimum,  // the same after an addition
  kPermute,
  kHalfMultiplyAdd,  // two at once; ptxas also sets constants with it
  kReadSpecial,
  kShuffle,
  kElect,
  kToUniform,
  kReduceToUniform,
  kLoadConstant,
  kLoadGlobal,
  kLoadGeneric,
  kLoadLocal,
  kLoadShared,
  kStoreGlobal,
  kStoreGeneric,
  kStoreLocal,
  kStoreShared,
  kAtomicGlobal,
  kAtomicGeneric,
  kAtomicShared,
  kTexture,  // reads through the texture path
  kSurfaceLoad,
  kSurfaceStore,
  kCopyAsync,    // LDGSTS
  kBulkCopy,     // UBLKCP
  kBulkReduce,   // UBLKRED
  kTensorLoad,   // UTMALDG
  kTensorStore,  // UTMASTG, UTMAREDG
  kRemoteStore,  // STAS, REDAS
  kBarrier,
  kBarrierResult,
  kWarpSync,
  kClusterArrive,
  kClusterWait,
  kSyncs,  // mbarrier arrive and test
  kMbarrierArrive,
  kMemoryBarrier,
  kProxyFence,
  kDependencyWait,     // ACQBULK
  kDependencyTrigger,  // PREEXIT
  kBranch,
  kBranchUniform,
  kBranchIndirect,
  kCallRelative,
  kCallAbsolute,
  kReturn,
  kExit,
  kTrap,
  kNothing,  // no registers, no memory, no control flow that matters
};

struct Opcode {
  uint16_t family = 0;  // low nine bits; the three above choose the operand form
  Meaning meaning = Meaning::kArithmetic;
  std::string_view name;
};

// The table's entry, or one that says kArithmetic with an empty name.
const Opcode& opcode_of(const Word& word);

}  // namespace slipstream::sass
