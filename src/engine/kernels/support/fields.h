// Lists of the pointers in parameter structs that are made of structs.
#pragma once

#include <array>
#include <cstddef>

#include "slipstream/pdl.cuh"

namespace slipstream::engine::kernels {

// The fields of a member that lies `offset` bytes into its struct.
template <std::size_t count>
constexpr std::array<pdl::Field, count> fields_at(std::size_t offset,
                                                  std::array<pdl::Field, count> fields) {
  for (pdl::Field& field : fields) field.offset += offset;
  return fields;
}

template <std::size_t... counts>
constexpr auto join_fields(const std::array<pdl::Field, counts>&... lists) {
  std::array<pdl::Field, (counts + ...)> result{};
  std::size_t next = 0;
  const auto append = [&](const auto& list) {
    for (const pdl::Field& field : list) result[next++] = field;
  };
  (append(lists), ...);
  return result;
}

}  // namespace slipstream::engine::kernels
