// Where addresses come from: a flow-insensitive walk from parameters to memory instructions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

enum class OriginKind : uint8_t {
  kUnknown,
  kParameter,       // the pointer parameter (or pointer in a struct) at byte `value`
  kLoaded,          // a pointer read from memory that origin `value` points to
  kVariable,        // a __device__ variable
  kParameterBlock,  // the parameters themselves: tensor maps; byte `value` or -1
  kConstant,        // __constant__ memory
  kShared,
  kLocal,
};

struct Origin {
  OriginKind kind = OriginKind::kUnknown;
  int64_t value = 0;

  bool operator==(const Origin&) const = default;
};

// Sets of origins, one bit each: index into Origins::table.
using OriginSet = uint64_t;

struct Origins {
  std::vector<Origin> table;          // [0] is kUnknown
  std::vector<OriginSet> of_address;  // by instruction; 0 for those that touch no memory

  // The memory that the instruction may touch and that other grids may see. Empty if it is known
  // to be shared, local or constant memory.
  [[nodiscard]] std::vector<Origin> memory_of(uint32_t instruction) const;
};

Origins find_origins(const Function& function);

}  // namespace slipstream::check
