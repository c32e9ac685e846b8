#include "emulator/instructions/bulk_reduction.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/reduce.h"

namespace slipstream::emulator {
namespace {

constexpr std::array<std::string_view, 8> kNames = {".add", ".min", ".max", ".inc",
                                                    ".dec", ".and", ".or",  ".xor"};

template <auto kFunction, class T>
void combine(std::byte* target, const std::byte* values, uint32_t bytes) {
  for (uint32_t at = 0; at + sizeof(T) <= bytes; at += sizeof(T)) {
    T old;
    T value;
    std::memcpy(&old, target + at, sizeof(T));
    std::memcpy(&value, values + at, sizeof(T));
    const auto result = static_cast<T>(kFunction(old, value));
    std::memcpy(target + at, &result, sizeof(T));
  }
}

template <class T>
Combine integer(Reduction reduction) {
  switch (reduction) {
    case Reduction::kAdd:
      return &combine<reduce::kAdd, std::make_unsigned_t<T>>;
    case Reduction::kMin:
      return &combine<reduce::kMinimum, T>;
    case Reduction::kMax:
      return &combine<reduce::kMaximum, T>;
    case Reduction::kAnd:
      return &combine<reduce::kAnd, T>;
    case Reduction::kOr:
      return &combine<reduce::kOr, T>;
    case Reduction::kXor:
      return &combine<reduce::kXor, T>;
    default:
      return nullptr;
  }
}

Combine unsigned_32(Reduction reduction) {
  if (reduction == Reduction::kInc) return &combine<reduce::kIncrement, uint32_t>;
  if (reduction == Reduction::kDec) return &combine<reduce::kDecrement, uint32_t>;
  return integer<uint32_t>(reduction);
}

// Whatever has no sign is unsigned.
Combine signed_64(Reduction reduction) {
  const bool has_sign = reduction == Reduction::kMin || reduction == Reduction::kMax;
  return has_sign ? integer<int64_t>(reduction) : nullptr;
}

template <class T>
Combine half(Reduction reduction) {
  switch (reduction) {
    case Reduction::kAdd:
      return &combine<reduce::kAddHalf, T>;
    case Reduction::kMin:
      return &combine<reduce::kMinimumHalf, T>;
    case Reduction::kMax:
      return &combine<reduce::kMaximumHalf, T>;
    default:
      return nullptr;
  }
}

}  // namespace

Reduction reduction_from_name(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  return static_cast<Reduction>(std::distance(kNames.begin(), found));
}

std::string_view name_of(Reduction reduction) { return kNames[static_cast<size_t>(reduction)]; }

Combine combine_of(Reduction reduction, TensorType type) {
  switch (type) {
    case TensorType::kU32:
      return unsigned_32(reduction);
    case TensorType::kS32:
      return integer<int32_t>(reduction);
    case TensorType::kU64:
      return integer<uint64_t>(reduction);
    case TensorType::kS64:
      return signed_64(reduction);
    case TensorType::kF16:
      return half<Half>(reduction);
    case TensorType::kBf16:
      return half<BFloat16>(reduction);
    case TensorType::kF32:
    case TensorType::kTf32:
      return reduction == Reduction::kAdd ? &combine<reduce::kAddFloat, float> : nullptr;
    case TensorType::kF32Ftz:
    case TensorType::kTf32Ftz:
      return reduction == Reduction::kAdd ? &combine<reduce::kAddFloatFlushed, float> : nullptr;
    case TensorType::kF64:
      return reduction == Reduction::kAdd ? &combine<reduce::kAddFloat, double> : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace slipstream::emulator
