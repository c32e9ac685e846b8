// Lists of the pointers in parameter structs that are made of structs.
#pragma once

#include <array>
#include <cstddef>

#include "slipstream/pdl.cuh"

namespace slipstream::step::kernels {

// The fields of a member that lies `offset` bytes into its struct.
template <size_t count>
constexpr std::array<pdl::Field, count> fields_at(size_t offset,
                                                  std::array<pdl::Field, count> fields) {
  for (pdl::Field& field : fields) field.offset += offset;
  return fields;
}

template <size_t... counts>
constexpr auto join_fields(const std::array<pdl::Field, counts>&... lists) {
  std::array<pdl::Field, (counts + ...)> result{};
  size_t next = 0;
  const auto append = [&](const auto& list) {
    for (const pdl::Field& field : list) result[next++] = field;
  };
  (append(lists), ...);
  return result;
}

}  // namespace slipstream::step::kernels
