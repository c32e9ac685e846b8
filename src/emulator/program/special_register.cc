#include "emulator/program/special_register.h"

#include <array>
#include <unordered_map>

namespace slipstream::emulator {
namespace {

struct Row {
  std::string_view name;
  SpecialRegister special;
  bool wide = false;
};

constexpr std::array kRows = {
    Row{"%tid.x", SpecialRegister::kTidX},
    Row{"%tid.y", SpecialRegister::kTidY},
    Row{"%tid.z", SpecialRegister::kTidZ},
    Row{"%ntid.x", SpecialRegister::kNtidX},
    Row{"%ntid.y", SpecialRegister::kNtidY},
    Row{"%ntid.z", SpecialRegister::kNtidZ},
    Row{"%ctaid.x", SpecialRegister::kCtaidX},
    Row{"%ctaid.y", SpecialRegister::kCtaidY},
    Row{"%ctaid.z", SpecialRegister::kCtaidZ},
    Row{"%nctaid.x", SpecialRegister::kNctaidX},
    Row{"%nctaid.y", SpecialRegister::kNctaidY},
    Row{"%nctaid.z", SpecialRegister::kNctaidZ},
    Row{"%laneid", SpecialRegister::kLaneId},
    Row{"%warpid", SpecialRegister::kWarpId},
    Row{"%nwarpid", SpecialRegister::kNWarpId},
    Row{"%smid", SpecialRegister::kSmId},
    Row{"%nsmid", SpecialRegister::kNSmId},
    Row{"%gridid", SpecialRegister::kGridId, true},
    Row{"%clusterid.x", SpecialRegister::kClusterIdX},
    Row{"%clusterid.y", SpecialRegister::kClusterIdY},
    Row{"%clusterid.z", SpecialRegister::kClusterIdZ},
    Row{"%nclusterid.x", SpecialRegister::kNClusterIdX},
    Row{"%nclusterid.y", SpecialRegister::kNClusterIdY},
    Row{"%nclusterid.z", SpecialRegister::kNClusterIdZ},
    Row{"%cluster_ctaid.x", SpecialRegister::kClusterCtaidX},
    Row{"%cluster_ctaid.y", SpecialRegister::kClusterCtaidY},
    Row{"%cluster_ctaid.z", SpecialRegister::kClusterCtaidZ},
    Row{"%cluster_nctaid.x", SpecialRegister::kClusterNctaidX},
    Row{"%cluster_nctaid.y", SpecialRegister::kClusterNctaidY},
    Row{"%cluster_nctaid.z", SpecialRegister::kClusterNctaidZ},
    Row{"%cluster_ctarank", SpecialRegister::kClusterCtaRank},
    Row{"%cluster_nctarank", SpecialRegister::kClusterNctaRank},
    Row{"%is_explicit_cluster", SpecialRegister::kIsExplicitCluster},
    Row{"%lanemask_eq", SpecialRegister::kLaneMaskEq},
    Row{"%lanemask_le", SpecialRegister::kLaneMaskLe},
    Row{"%lanemask_lt", SpecialRegister::kLaneMaskLt},
    Row{"%lanemask_ge", SpecialRegister::kLaneMaskGe},
    Row{"%lanemask_gt", SpecialRegister::kLaneMaskGt},
    Row{"%dynamic_smem_size", SpecialRegister::kDynamicSharedSize},
    Row{"%total_smem_size", SpecialRegister::kTotalSharedSize},
    Row{"%aggr_smem_size", SpecialRegister::kTotalSharedSize},
    Row{"%reserved_smem_offset_begin", SpecialRegister::kReservedSharedOffsetBegin},
    Row{"%envreg1", SpecialRegister::kEnvRegWorkspaceHigh},
    Row{"%envreg2", SpecialRegister::kEnvRegWorkspaceLow},
    Row{"%clock", SpecialRegister::kClock},
    Row{"%clock_hi", SpecialRegister::kClockHi},
    Row{"%clock64", SpecialRegister::kClock64, true},
    Row{"%globaltimer", SpecialRegister::kGlobalTimer, true},
    Row{"%globaltimer_lo", SpecialRegister::kGlobalTimerLo},
    Row{"%globaltimer_hi", SpecialRegister::kGlobalTimerHi},
};

}  // namespace

std::optional<SpecialRegister> find_special_register(std::string_view name) {
  static const auto kByName = [] {
    std::unordered_map<std::string_view, SpecialRegister> by_name;
    for (const Row& row : kRows) by_name[row.name] = row.special;
    return by_name;
  }();
  const auto found = kByName.find(name);
  if (found != kByName.end()) return found->second;
  return name.starts_with("%envreg") ? std::optional(SpecialRegister::kEnvReg) : std::nullopt;
}

ptx::Type type_of(SpecialRegister special) {
  if (special == SpecialRegister::kIsExplicitCluster) return ptx::Type::kPred;
  if (special == SpecialRegister::kLocalBase) return ptx::Type::kU64;
  for (const Row& row : kRows) {
    if (row.special == special) return row.wide ? ptx::Type::kU64 : ptx::Type::kU32;
  }
  return ptx::Type::kU32;
}

bool is_volatile(SpecialRegister special) { return special >= SpecialRegister::kClock; }

std::vector<std::string_view> special_register_names() {
  std::vector<std::string_view> names;
  names.reserve(kRows.size());
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

}  // namespace slipstream::emulator
