// Copies of boxes of tensors, compared with what their elements must be one by one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tensor_program.h"

namespace slipstream::emulator {

inline Bytes tensor_of(const TensorCase& one) { return pattern(one.tensor_bytes(), 1); }
inline Bytes shared_bytes() { return pattern(kBoxBytes, 2); }

// The bytes of element `i` at `offset`.
inline void copy_element(const TensorCase& one, const Bytes& from, uint64_t source, Bytes& to,
                         uint64_t target) {
  std::copy_n(from.begin() + static_cast<ptrdiff_t>(source), one.element_bytes(),
              to.begin() + static_cast<ptrdiff_t>(target));
}

inline void expect_loads(const TensorCase& one, Settings settings = {}) {
  const Bytes tensor = tensor_of(one);
  const TensorResult result =
      run_tensor_program(one, load_box(one), tensor, shared_bytes(), std::move(settings));
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = shared_bytes();
  for_each_element(one, [&](std::optional<uint64_t> from, uint32_t to) {
    if (from) {
      copy_element(one, tensor, *from, expected, to);
    } else {
      copy_element(one, Bytes(8), 0, expected, to);
    }
  });
  EXPECT_EQ(result.shared, expected);
}

// What stores see: the chunk in which a row ends is theirs to its end.
inline TensorCase in_whole_chunks(TensorCase one) {
  const uint64_t elements = 16 / one.element_bytes();
  one.map.size[0] = (one.map.size[0] + elements - 1) / elements * elements;
  return one;
}

inline void expect_stores(const TensorCase& one, Settings settings = {}) {
  const Bytes shared = shared_bytes();
  const TensorResult result =
      run_tensor_program(one, store_box(one), tensor_of(one), shared, std::move(settings));
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = tensor_of(one);
  for_each_element(in_whole_chunks(one), [&](std::optional<uint64_t> to, uint32_t from) {
    if (to) copy_element(one, shared, from, expected, *to);
  });
  EXPECT_EQ(result.tensor, expected);
}

inline Settings adversarial() {
  Settings settings;
  settings.schedule = Schedule::kAdversarial;
  return settings;
}

// Pixels of 5 x 4, 3 slices of 16 or 32 bytes each, two images; a box of 4 x 2 pixels of a slice.
inline TensorCase interleaved_case(TensorInterleave interleave, std::vector<int32_t> at) {
  const uint64_t slice = slice_of(interleave);
  TensorCase one = make_case(TensorType::kF32, {5, 4, 3, 2}, {4, 2, 1, 1}, std::move(at));
  one.map.interleave = interleave;
  one.map.strides = {5 * slice, 20 * slice, 60 * slice};
  return one;
}

}  // namespace slipstream::emulator
