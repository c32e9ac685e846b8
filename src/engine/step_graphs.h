// One CUDA graph per number of tokens, captured at first use or before.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <functional>

#include "step/kernels/support/step_row.h"

namespace slipstream::engine {

class StepGraphs {
 public:
  StepGraphs() = default;
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  // Makes the graph of `tokens` tokens, which `enqueue` fills, if there is none yet.
  void prepare(int tokens, cudaStream_t stream, const std::function<void()>& enqueue);
  // Launches it; makes it the first time.
  void launch(int tokens, cudaStream_t stream, const std::function<void()>& enqueue);
  // Kernels in the graph of `tokens` tokens; 0 before its first launch.
  [[nodiscard]] size_t nodes(int tokens) const { return nodes_[tokens]; }
  // Of its edges, those by PDL: a kernel may start while the one before it still runs.
  [[nodiscard]] size_t programmatic_edges(int tokens) const { return edges_[tokens]; }

 private:
  void capture(int tokens, cudaStream_t stream, const std::function<void()>& enqueue);

  std::array<cudaGraphExec_t, step::kernels::kMaxRows + 1> graphs_{};
  std::array<size_t, step::kernels::kMaxRows + 1> nodes_{};
  std::array<size_t, step::kernels::kMaxRows + 1> edges_{};
};

}  // namespace slipstream::engine
