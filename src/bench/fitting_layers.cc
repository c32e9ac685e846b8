#include "bench/fitting_layers.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>

#include "bench/on_device.h"
#include "bench/synthetic_weights.h"
#include "model/released_models.h"
#include "pdl/device.h"
#include "slipstream/error.h"
#include "step/device_memory.h"

namespace slipstream::bench {
namespace {

// Workspace, windows, stamps, graphs.
constexpr int64_t kBesides = int64_t{2} << 30;

int64_t bytes_of(const BenchModel& model, int layers, std::span<const StepShape> shapes) {
  // No rank has more than the first one.
  const model::Checkpoint share = model::Checkpoint::without_tensors(
      model::model_shape(model.name_or_file, layers), {model.tp, 0});
  int64_t caches = 0;
  for (const StepShape& shape : shapes) {
    caches = std::max(caches, cache_bytes(share.config(), shape));
  }
  return synthetic_weight_bytes(share, model.mtp()) + caches;
}

}  // namespace

int layers_that_fit(const BenchModel& model, std::span<const StepShape> shapes, int64_t bytes) {
  for (int layers = layers_of(model); layers > 0; --layers) {
    if (bytes_of(model, layers, shapes) <= bytes) return layers;
  }
  throw InvalidArgument(fmt::format("one layer of {} takes {} on each of {} ranks, {} are free",
                                    model.name_or_file, step::gigabytes(bytes_of(model, 1, shapes)),
                                    model.tp, step::gigabytes(bytes)));
}

int64_t free_device_memory(int devices) {
  const int first = pdl::current_device();
  const int count = pdl::device_count();
  int64_t least = INT64_MAX;
  for (int device = first; device < std::min(first + devices, count); ++device) {
    on_device(device, [&] {
      size_t free = 0;
      size_t total = 0;
      check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
      least = std::min(least, static_cast<int64_t>(free));
    });
  }
  return least - kBesides;
}

int layers_of(const BenchModel& model) {
  return model::model_shape(model.name_or_file, 0).num_hidden_layers;
}

}  // namespace slipstream::bench
