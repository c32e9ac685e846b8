// Implementation of Engine.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/inspection.h"
#include "engine/sequences.h"
#include "engine/step_graphs.h"
#include "engine/token_ring.h"
#include "model/checkpoint.h"
#include "slipstream/engine.h"
#include "step/decode_step.h"
#include "step/exchange.h"
#include "step/weights.h"
#include "step/workspace.h"

namespace slipstream::engine {

class Engine::Impl {
 public:
  Impl(const std::string& directory, const LoadOptions& options);

  [[nodiscard]] const model::ModelConfig& config() const { return checkpoint_.config(); }
  [[nodiscard]] MemoryUse memory_use() const;
  SequenceId create_sequence(const SamplingOptions& sampling);
  void free(SequenceId sequence);
  [[nodiscard]] int64_t length(SequenceId sequence);
  int prefill(SequenceId sequence, std::span<const int> ids);
  void run(std::span<const SequenceId> sequences, int count,
           const std::function<bool(std::span<const int>)>& on_tokens);
  void force(SequenceId sequence, int token);
  std::vector<float> logits(SequenceId sequence);
  LayerResult run_layer(int layer, std::span<const float> hidden, std::span<const IndexList> lists);
  [[nodiscard]] int launches_per_step(int tokens) const {
    return static_cast<int>(graphs_.nodes(tokens));
  }
  [[nodiscard]] int early_launches_per_step(int tokens) const {
    return static_cast<int>(graphs_.programmatic_edges(tokens));
  }

 private:
  using StepRow = step::kernels::StepRow;

  [[nodiscard]] step::Weights load_weights() const;
  // Takes what memory there is besides the weights.
  [[nodiscard]] step::DecodeStep prepare_step();
  [[nodiscard]] step::StepParts parts() const;
  void check_ids(std::span<const int> ids) const;
  // The sequences of a step.
  [[nodiscard]] std::vector<Sequence*> batch_of(std::span<const SequenceId> ids);
  // Makes `wanted` the step's input, unless that is what the last step left.
  void set_rows(const std::vector<StepRow>& wanted);
  // Makes sure that the sequences have pages for `tokens` more, on the device as well.
  void reserve(std::span<Sequence* const> sequences, int64_t tokens);
  void upload_pages(const Sequence& sequence);
  void replay(int tokens);
  // The tokens that the last replay chose.
  std::vector<int> sampled(int tokens);
  void synchronize() const;

  void copy_layer_input(std::span<const float> hidden, int first, int count);
  void copy_lists(std::span<const IndexList> lists, int first, int count);
  void read_layer_output(int layer, int count, std::vector<float>& hidden);
  void read_lists(int first, int count, std::vector<IndexList>& lists);

  model::Checkpoint checkpoint_;
  LoadOptions options_;
  int positions_;
  step::Workspace workspace_;
  std::vector<step::LayerCache> caches_;
  step::Weights weights_;
  Sequences sequences_;
  step::LocalExchange exchange_;
  step::DecodeStep step_;
  StepGraphs graphs_;
  TokenRing ring_;

  std::vector<StepRow> rows_on_device_;     // what the next replay would process
  std::vector<SequenceId> rows_of_logits_;  // whose logits the workspace holds, row by row
  std::vector<SequenceId> decoding_;
};

}  // namespace slipstream::engine
