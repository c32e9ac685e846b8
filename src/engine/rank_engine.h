// One rank: its share of the weights, its caches, its GPU. Alone, or as one of several that do the
// same at the same time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/device_rows.h"
#include "engine/draft_controller.h"
#include "engine/inspection.h"
#include "engine/launch_watch.h"
#include "engine/mask_ring.h"
#include "engine/ranks/member.h"
#include "engine/run.h"
#include "engine/sequences.h"
#include "engine/step_graphs.h"
#include "engine/step_queue.h"
#include "engine/token_ring.h"
#include "model/checkpoint.h"
#include "pdl/stream.h"
#include "slipstream/engine.h"
#include "step/decode_step.h"
#include "step/exchange.h"
#include "step/weights.h"
#include "step/workspace.h"

namespace slipstream::engine {

class RankEngine {
 public:
  // With a meeting, by all of its ranks at once, each with its GPU current. What keeps one of them is
  // thrown by all.
  RankEngine(const std::string& directory, const LoadOptions& options, Meeting* meeting);
  ~RankEngine();
  // What it would take of its device.
  static MemoryUse plan(const std::string& directory, const LoadOptions& options);
  RankEngine(const RankEngine&) = delete;
  RankEngine& operator=(const RankEngine&) = delete;

  [[nodiscard]] const model::ModelConfig& config() const { return checkpoint_.config(); }
  [[nodiscard]] MemoryUse memory_use() const;
  [[nodiscard]] int64_t cache_pages() const;
  [[nodiscard]] const Sequences& sequences() const { return sequences_; }
  // A prefill ends where this becomes true; not where other ranks process the same prompt.
  void cancel_where(std::function<bool()> is_canceled) { is_canceled_ = std::move(is_canceled); }
  // Gives back what it has; nothing where its device hangs, for which that would mean to wait.
  static void end(std::unique_ptr<RankEngine> rank);
  SequenceId create_sequence(const SequenceOptions& options);
  void free(SequenceId sequence);
  [[nodiscard]] int64_t length(SequenceId sequence);
  int prefill(SequenceId sequence, std::span<const int> ids);
  void force(SequenceId sequence, int token);
  void append_pages(SequenceId sequence, std::span<const int> pages);
  // This rank's part of the vocabulary.
  std::vector<float> logits(SequenceId sequence);
  LayerResult run_layer(int layer, std::span<const float> hidden, std::span<const IndexList> lists);

  // A run, in the order that all ranks keep: begin_run, then enqueue_step and receive_step as rank
  // 0's next_step says; end_run.
  void begin_run(std::span<const SequenceId> sequences, int count);
  // The step that can be enqueued now; none if a step must be received first, or no more is needed.
  [[nodiscard]] std::optional<RunStep> next_step();
  // The same where rank 0 has said how many drafts it has.
  [[nodiscard]] RunStep step_with(int drafts) const;
  void enqueue_step(RunStep step);
  // The oldest step on its way.
  void receive_step();
  // As many as rank 0 had received.
  void receive_until(int received);
  [[nodiscard]] int received_steps() const { return run_->received; }
  // A token of each sequence that has been received and not delivered; valid until the next call.
  [[nodiscard]] bool has_round() const { return run_->has_round(); }
  std::span<const int> next_round();
  // The first `tokens` tokens of each sequence count, the others are forgotten; with 0 the sequences
  // are as they were before. `received`: steps that rank 0 has received.
  void end_run(int tokens, int received);

  [[nodiscard]] const DraftStatistics& draft_statistics() const { return drafts_.statistics(); }
  // For tests: in place of what the MTP layer drafts, the token of a sequence at a position.
  void set_draft_source(DraftSource source) { draft_source_ = std::move(source); }
  // For tests: latent rows and index keys of all layers, of the sequence's tokens.
  [[nodiscard]] std::vector<std::byte> cache_rows(SequenceId sequence);

  // A step of mixed rows, and what it chose, as Engine has them. Waiting is for any thread; what it
  // found becomes the sequences' by settle(), before anything else is asked.
  Ticket enqueue(std::span<const StepPart> parts);
  std::vector<StepToken> wait(Ticket ticket);
  void settle();
  // Of all steps, the first `steps`, after waiting for them: on a rank that nobody else waits on.
  void settle_until(int64_t steps);
  [[nodiscard]] int64_t settled_steps() const { return queue_.settled(); }

  // A checksum of all tokens so far, the same on all ranks.
  [[nodiscard]] uint64_t tokens_seen() const { return tokens_seen_; }

  [[nodiscard]] int launches_per_step(int sequences, int drafts) const;
  [[nodiscard]] int early_launches_per_step(int sequences, int drafts) const;

 private:
  using StepRow = step::kernels::StepRow;

  // Those after a token of a sequence; of the others nobody can ask.
  struct RowOfLogits {
    SequenceId sequence{-1};
    int64_t position = -1;

    bool operator==(const RowOfLogits&) const = default;
  };

  [[nodiscard]] bool is_one_of_several() const { return meeting_ != nullptr; }
  // What must be the same on all ranks.
  void compare_with_others() const;
  [[nodiscard]] std::unique_ptr<RankMember> join_others() const;
  void require_room() const;
  [[nodiscard]] step::Weights load_weights() const;
  // Takes what memory there is besides the weights.
  [[nodiscard]] step::DecodeStep prepare_step();
  // Everything that a first use would load or take, before others wait for this rank.
  void prepare_launches();
  [[nodiscard]] const step::Exchange& exchange() const;
  [[nodiscard]] step::StepParts parts() const;
  void check_ids(std::span<const int> ids) const;
  // The sequences of a step.
  [[nodiscard]] std::vector<Sequence*> batch_of(std::span<const SequenceId> ids);
  // No enqueued step may be unsettled.
  void require_idle() const;
  [[nodiscard]] static InputRow input_row(const Sequence& sequence, int64_t position,
                                          const NextToken& token, bool is_sampled);
  void upload_pages(std::span<Sequence* const> sequences);
  // Makes `rows` the next step's input, and the sequences' pages known to the device.
  void place(std::span<Sequence* const> sequences, const std::vector<InputRow>& rows);
  void replay(const step::StepShape& shape);
  void enqueue_launches(const step::StepShape& shape);
  // Drops what a canceled prefill has appended beyond `length`.
  void take_back(Sequence& sequence, int64_t length, int steps);
  [[nodiscard]] step::StepShape plain_shape(int rows) const;
  // All that steps can have.
  [[nodiscard]] std::vector<step::StepShape> shapes() const;
  [[nodiscard]] bool places_fit(const RunStep& step) const;
  void place_run(const RunStep& step);
  RunStep take_step();
  void note_rows_of_logits();
  void take_back_counts(int tokens);
  void upload_history(const Sequence& sequence, const SequenceOptions& options);
  [[nodiscard]] std::vector<Growth> growths_of(std::span<const StepPart> parts);
  void check_part(const StepPart& part, const Sequence& sequence) const;
  // No two sequences may write to one page.
  void check_writes(std::span<const Growth> growths) const;
  static void add_rows(const StepPart& part, const Sequence& sequence, std::vector<InputRow>& rows);
  // The tokens that the last replay chose.
  std::vector<int> sampled(int tokens);
  void note_tokens(std::span<const int> tokens);
  // Waits for all work; `steps` of it are on their way.
  void synchronize(int64_t steps = 1) const;
  // Until the tokens of a step are here.
  void await_arrival(int64_t step) const;
  [[nodiscard]] std::string where_it_hangs() const;
  // With a step limit: the device is not done with a step that was over it, or now is.
  [[nodiscard]] bool hangs() const;
  void wait_for(const char* call, int64_t steps, const std::function<cudaError_t()>& query) const;

  void copy_layer_input(std::span<const float> hidden, int first, int count);
  void copy_lists(std::span<const IndexList> lists, int first, int count);
  // What the MLP of `layer` adds to the stream, summed over the ranks.
  std::vector<float> read_sums(int layer, int count);
  void read_layer_output(int layer, int count, std::vector<float>& hidden);
  void read_lists(int first, int count, std::vector<IndexList>& lists);

  Meeting* meeting_;
  std::optional<pdl::Stream> own_stream_;
  LoadOptions options_;
  model::Checkpoint checkpoint_;
  int positions_;
  step::Workspace workspace_;
  std::vector<step::LayerCache> caches_;
  std::unique_ptr<RankMember> member_;
  step::Weights weights_;
  Sequences sequences_;
  step::LocalExchange local_exchange_;
  step::DecodeStep step_;
  std::optional<LaunchWatch> watch_;
  StepGraphs graphs_;
  TokenRing ring_;

  MaskRing masks_;
  DeviceRows rows_;
  StepQueue queue_;
  std::vector<RowOfLogits> rows_of_logits_;  // whose logits the workspace holds, row by row
  DraftController drafts_;
  DraftSource draft_source_;
  std::optional<Run> run_;
  std::optional<LeftRows> left_;
  uint64_t tokens_seen_ = 0;
  std::function<bool()> is_canceled_;
  mutable std::atomic<bool> is_over_limit_ = false;  // also set by the thread that waits
};

}  // namespace slipstream::engine
