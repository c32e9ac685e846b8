// What the lists of launches share: segments of matrix products, bytes of matrices and activations.
#pragma once

#include "step/launch_list.h"

namespace slipstream::step {

inline void add_segment(kernels::LinearParams& linear, const PackedMatrix& matrix,
                        __nv_bfloat16* output) {
  linear.segments[linear.segment_count++] = {matrix, {output}, matrix.rows, false};
}

inline void add_segment(kernels::LinearParams& linear, const PackedMatrix& matrix, float* output) {
  linear.segments[linear.segment_count++] = {matrix, {output}, matrix.rows, true};
}

// Of a launch that multiplies with one matrix only.
inline void add_segment(kernels::LinearParams& linear, const PackedMatrix& matrix,
                        const PartialRows& output) {
  add_segment(linear, matrix, output.rows.get());
  linear.peers = output.peers;
}

[[nodiscard]] inline double bytes_of(const PackedMatrix& matrix) {
  return static_cast<double>(packed_bytes(matrix));
}

// Of `elements` activations per token, each `size` bytes.
[[nodiscard]] inline double activations(const StepLoad& load, double elements, int size = 2) {
  return load.tokens * elements * size;
}

template <class T>
[[nodiscard]] Buffer buffer(std::string_view name, const DeviceArray<T>& array) {
  return {name, array.data()};
}
template <class T>
[[nodiscard]] Buffer buffer(std::string_view name, pdl::Constant<T> vector) {
  return {name, vector.get()};
}
[[nodiscard]] inline Buffer buffer(std::string_view name, const PackedMatrix& matrix) {
  return {name, matrix.tiles.get()};
}

// A final norm and the head in a step.
struct HeadTurn {
  pdl::Constant<float> norm;
  const PackedMatrix& head;
  const DeviceArray<float>& logits;  // that it writes
  int last_layer = 0;                // the one before it, as exchanges count them
};
[[nodiscard]] StepLaunch list_head(const StepParts& parts, const HeadTurn& turn);

// What the launches that choose tokens have in common. `last_exchange`: the one before them.
[[nodiscard]] kernels::SampleParams sample_params(const StepParts& parts,
                                                  const DeviceArray<float>& logits,
                                                  int last_exchange, int tokens);
[[nodiscard]] StepLaunch sampling_record(const StepParts& parts, std::string title,
                                         const DeviceArray<float>& logits);

}  // namespace slipstream::step
