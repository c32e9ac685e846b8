#include "code/sass/opcode.h"

#include <array>

namespace slipstream::sass {
namespace {

using enum Meaning;

// Names are those that disassemblies in public bug reports use; where none was found, the name of
// the PTX instruction that produced the opcode stands in lower case.
constexpr auto kTable = std::to_array<Opcode>({
    {0x002, kMove, "MOV"},
    {0x004, kPredicateArithmetic, "R2P"},
    {0x006, kVote, "VOTE"},
    {0x007, kSelect, "SEL"},
    {0x00b, kPredicateArithmetic, "FSETP"},
    {0x00c, kCompareIntegers, "ISETP"},
    {0x010, kAdd3, "IADD3"},
    {0x011, kLoadEffectiveAddress, "LEA"},
    {0x012, kLogic3, "LOP3"},
    {0x013, kConvert, "IABS"},
    {0x016, kPermute, "PRMT"},
    {0x019, kShift, "SHF"},
    {0x01c, kPredicateLogic3, "PLOP3"},
    {0x024, kMultiplyAdd, "IMAD"},
    {0x025, kMultiplyAddWide, "IMAD.WIDE"},
    {0x027, kMultiplyHigh, "IMAD.HI"},
    {0x02a, kPredicateArithmetic, "DSETP"},
    {0x02d, kDependencyTrigger, "PREEXIT"},
    {0x02e, kDependencyWait, "ACQBULK"},
    {0x02f, kElect, "ELECT"},
    {0x031, kHalfMultiplyAdd, "HFMA2"},
    {0x034, kPredicateArithmetic, "HSETP2"},
    {0x035, kAdd64, "IADD.64"},
    {0x036, kAdd2, "VIADD"},
    {0x045, kConvert, "I2FP"},
    {0x046, kAddMinimum, "VIADDMNMX"},
    {0x048, kMinimum, "VIMNMX"},
    {0x05a, kConvert, "UI2F"},
    {0x05c, kConvert, "UF2I"},
    {0x05e, kConvert, "UI2FP"},
    {0x082, kMove, "UMOV"},
    {0x086, kVote, "VOTEU"},
    {0x087, kSelect, "USEL"},
    {0x08c, kCompareIntegers, "UISETP"},
    {0x090, kAdd3, "UIADD3"},
    {0x091, kLoadEffectiveAddress, "ULEA"},
    {0x092, kLogic3, "ULOP3"},
    {0x096, kPermute, "UPRMT"},
    {0x097, kAdd64, "UIADD3.64"},
    {0x099, kShift, "USHF"},
    {0x09c, kPredicateLogic3, "UPLOP3"},
    {0x0a4, kMultiplyAdd, "UIMAD"},
    {0x0a5, kMultiplyAddWide, "UIMAD.WIDE"},
    {0x0a7, kMultiplyHigh, "UIMAD.HI"},
    {0x0b9, kLoadConstant, "ULDC"},
    {0x0ca, kToUniform, "R2UR"},
    {0x0cc, kReduceToUniform, "CREDUX"},
    {0x102, kPredicateArithmetic, "FCHK"},
    {0x105, kConvert, "F2I"},
    {0x106, kConvert, "I2F"},
    {0x108, kConvert, "MUFU"},
    {0x118, kNothing, "NOP"},
    {0x119, kReadSpecial, "S2R"},
    {0x11a, kNothing, "DEPBAR"},
    {0x11c, kBarrierResult, "B2R"},
    {0x11d, kBarrier, "BAR"},
    {0x141, kWarpSync, "BSYNC"},  // a warp comes together again
    {0x142, kNothing, "BREAK"},
    {0x143, kCallAbsolute, "CALL.ABS"},
    {0x144, kCallRelative, "CALL.REL"},
    {0x145, kNothing, "BSSY"},
    {0x146, kNothing, "YIELD"},
    {0x147, kBranch, "BRA"},
    {0x148, kWarpSync, "WARPSYNC"},
    {0x149, kBranchIndirect, "BRX"},
    {0x14a, kBranchIndirect, "JMP"},
    {0x14c, kBranchIndirect, "JMX"},
    {0x14d, kExit, "EXIT"},
    {0x14e, kArithmetic, "LEPC"},
    {0x150, kReturn, "RET"},
    {0x158, kBranchIndirect, "BRXU"},
    {0x15b, kExit, "KILL"},
    {0x15c, kTrap, "BPT"},
    {0x15d, kNothing, "NANOSLEEP"},
    {0x160, kTexture, "TEX"},
    {0x161, kTexture, "TEX.B"},
    {0x163, kTexture, "TLD4"},
    {0x164, kTexture, "TLD4.B"},
    {0x166, kTexture, "TLD"},
    {0x167, kTexture, "TLD.B"},
    {0x16c, kTexture, "TXD"},
    {0x16d, kTexture, "TXD.B"},
    {0x17e, kLoadGlobal, "LDG.256"},
    {0x17f, kStoreGlobal, "STG.256"},
    {0x180, kLoadGeneric, "LD"},
    {0x181, kLoadGlobal, "LDG"},
    {0x182, kLoadConstant, "LDC"},
    {0x183, kLoadLocal, "LDL"},
    {0x184, kLoadShared, "LDS"},
    {0x185, kStoreGeneric, "ST"},
    {0x186, kStoreGlobal, "STG"},
    {0x187, kStoreLocal, "STL"},
    {0x188, kStoreShared, "STS"},
    {0x189, kShuffle, "SHFL"},
    {0x18a, kAtomicGeneric, "ATOM"},
    {0x18b, kAtomicGeneric, "ATOM.CAS"},
    {0x18c, kAtomicShared, "ATOMS"},
    {0x18d, kAtomicShared, "ATOMS.CAS"},
    {0x18e, kAtomicGlobal, "RED"},
    {0x18f, kNothing, "CCTL"},
    {0x192, kMemoryBarrier, "MEMBAR"},
    {0x199, kSurfaceLoad, "SULD"},
    {0x19d, kSurfaceStore, "SUST"},
    {0x19f, kSurfaceStore, "SURED"},
    {0x1a1, kVote, "MATCH"},
    {0x1a2, kAtomicGeneric, "ATOM.F"},
    {0x1a3, kAtomicGlobal, "ATOMG.F"},
    {0x1a4, kLoadGlobal, "multimem.ld_reduce"},
    {0x1a6, kAtomicGlobal, "REDG.F"},
    {0x1a7, kSyncs, "SYNCS"},
    {0x1a8, kAtomicGlobal, "ATOMG"},
    {0x1a9, kAtomicGlobal, "ATOMG.CAS"},
    {0x1aa, kPredicateArithmetic, "QSPC"},
    {0x1ab, kNothing, "ERRBAR"},
    {0x1ac, kLoadConstant, "LDCU"},
    {0x1ae, kCopyAsync, "LDGSTS"},
    {0x1af, kNothing, "LDGDEPBAR"},
    {0x1b0, kMbarrierArrive, "ARRIVES.LDGSTSBAR"},
    {0x1b1, kNothing, "mbarrier.inval"},
    {0x1b2, kNothing, "SYNCS.EXCH"},
    {0x1b4, kTensorLoad, "UTMALDG"},
    {0x1b5, kTensorStore, "UTMASTG"},
    {0x1b6, kTensorStore, "UTMAREDG"},
    {0x1b7, kNothing, "UTMACMDFLUSH"},
    {0x1b8, kNothing, "UTMAPF"},
    {0x1b9, kNothing, "UTMACCTL"},
    {0x1ba, kBulkCopy, "UBLKCP"},
    {0x1bb, kBulkReduce, "UBLKRED"},
    {0x1bc, kNothing, "UBLKPF"},
    {0x1bd, kRemoteStore, "STAS"},
    {0x1be, kRemoteStore, "REDAS"},
    {0x1c3, kReadSpecial, "S2UR"},
    {0x1c4, kReduceToUniform, "REDUX"},
    {0x1c5, kNothing, "wgmma.fence"},
    {0x1c6, kProxyFence, "FENCE.VIEW.ASYNC"},
    {0x1c7, kClusterWait, "UCGABAR"},  // arrive or wait: the operand form tells
    {0x1c8, kUniformPredicate, "USETMAXREG"},
    {0x1ca, kMbarrierArrive, "clusterlaunchcontrol.try_cancel"},
    {0x1e3, kUniformVote, "UTCATOMSWS"},
    {0x1e9, kMbarrierArrive, "tcgen05.commit"},
});

constexpr uint32_t kFamilies = 512;

constexpr std::array<uint16_t, kFamilies> index_by_family() {
  std::array<uint16_t, kFamilies> index{};
  for (size_t i = 0; i < kTable.size(); ++i) {
    index.at(kTable[i].family) = static_cast<uint16_t>(i + 1);
  }
  return index;
}

constexpr std::array<uint16_t, kFamilies> kIndex = index_by_family();
constexpr Opcode kUnknown{};

}  // namespace

const Opcode& opcode_of(const Word& word) {
  const uint16_t index = kIndex[word.low & (kFamilies - 1)];
  return index == 0 ? kUnknown : kTable[index - 1U];
}

}  // namespace slipstream::sass
