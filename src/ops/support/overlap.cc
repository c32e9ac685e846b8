#include "ops/support/overlap.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace slipstream::ops {
namespace {

struct Axis {
  int64_t count;
  int64_t stride;  // bytes, positive
};

// A tensor as runs of `run` bytes, repeated along axes of falling stride.
struct Runs {
  intptr_t begin;
  int64_t run;
  std::vector<Axis> axes;
};

Runs runs_of(const Tensor& tensor) {
  const int64_t element = size_of(tensor.dtype);
  Runs runs{reinterpret_cast<intptr_t>(tensor.data), element, {}};
  for (int i = 0; i < tensor.rank; ++i) {
    const int64_t stride = tensor.strides[i] * element;
    if (tensor.shape[i] == 1 || stride == 0) continue;
    if (stride < 0) runs.begin += (tensor.shape[i] - 1) * stride;
    runs.axes.push_back({tensor.shape[i], std::abs(stride)});
  }
  std::sort(runs.axes.begin(), runs.axes.end(),
            [](const Axis& a, const Axis& b) { return a.stride > b.stride; });
  while (!runs.axes.empty() && runs.axes.back().stride == runs.run) {
    runs.run *= runs.axes.back().count;
    runs.axes.pop_back();
  }
  return runs;
}

// Bytes from the first to past the last of what the axes from `first_axis` on cover.
int64_t extent(const Runs& runs, size_t first_axis) {
  int64_t bytes = runs.run;
  for (size_t i = first_axis; i < runs.axes.size(); ++i) {
    bytes += (runs.axes[i].count - 1) * runs.axes[i].stride;
  }
  return bytes;
}

// With b starting `distance` bytes after a. Steps along an axis of equal strides shift the two
// against each other by whole strides; only shifts that bring the inner extents together matter.
bool overlap_from(const Runs& a, const Runs& b, size_t axis, int64_t distance) {
  const int64_t extent_a = extent(a, axis);
  const int64_t extent_b = extent(b, axis);
  if (distance >= extent_a || -distance >= extent_b) return false;
  if (axis >= a.axes.size() || axis >= b.axes.size()) return true;
  const Axis& step = a.axes[axis];
  if (step.stride != b.axes[axis].stride) return true;
  const int64_t nearest = -distance / step.stride;
  const int64_t low = std::max(nearest - 1, 1 - step.count);
  const int64_t high = std::min(nearest + 1, b.axes[axis].count - 1);
  if (std::max(extent(a, axis + 1), extent(b, axis + 1)) > step.stride) return true;
  for (int64_t shift = low; shift <= high; ++shift) {
    if (overlap_from(a, b, axis + 1, distance + shift * step.stride)) return true;
  }
  return false;
}

}  // namespace

ByteRange byte_range(const Tensor& tensor) {
  int64_t low = 0;
  int64_t high = 0;
  for (int axis = 0; axis < tensor.rank; ++axis) {
    const int64_t span = (tensor.shape[axis] - 1) * tensor.strides[axis];
    (span < 0 ? low : high) += span;
  }
  const int64_t element = size_of(tensor.dtype);
  const auto base = reinterpret_cast<intptr_t>(tensor.data);
  return {base + low * element, base + (high + 1) * element};
}

bool may_overlap(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  // Nearly always, and then nothing else need be computed.
  const ByteRange bytes_a = byte_range(a);
  const ByteRange bytes_b = byte_range(b);
  if (bytes_a.end <= bytes_b.begin || bytes_b.end <= bytes_a.begin) return false;
  const Runs runs_a = runs_of(a);
  const Runs runs_b = runs_of(b);
  return overlap_from(runs_a, runs_b, 0, runs_b.begin - runs_a.begin);
}

}  // namespace slipstream::ops
