// One CUDA graph per shape of a step, captured at first use or before.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <tuple>

#include "step/decode_step.h"

namespace slipstream::engine {

class StepGraphs {
 public:
  StepGraphs() = default;
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  // Makes the graph of steps of this shape, which `enqueue` fills, if there is none yet.
  void prepare(const step::StepShape& shape, cudaStream_t stream,
               const std::function<void()>& enqueue);
  // Launches it; makes it the first time.
  void launch(const step::StepShape& shape, cudaStream_t stream,
              const std::function<void()>& enqueue);
  // Kernels in it; 0 before its first launch.
  [[nodiscard]] size_t nodes(const step::StepShape& shape) const;
  // Of its edges, those by PDL: a kernel may start while the one before it still runs.
  [[nodiscard]] size_t programmatic_edges(const step::StepShape& shape) const;

 private:
  void capture(const step::StepShape& shape, cudaStream_t stream,
               const std::function<void()>& enqueue);

  struct Graph {
    cudaGraphExec_t executable = nullptr;
    size_t nodes = 0;
    size_t programmatic_edges = 0;
  };
  // Sequences, drafts, whether it catches up.
  using Key = std::tuple<int, int, bool>;
  static Key key_of(const step::StepShape& shape) {
    return {shape.sequences, shape.drafts, shape.catches_up};
  }

  std::map<Key, Graph> graphs_;
};

}  // namespace slipstream::engine
