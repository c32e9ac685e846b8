// A decode step on the device without an Engine around it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/reference/decode_step.h"
#include "pdl/stream.h"
#include "step/decode_step.h"
#include "step/exchange.h"

namespace slipstream::step::test {

inline constexpr int kPages = 4;
inline constexpr int kPagesPerSequence = 2;

// Sequence 0 has pages 3 and 1, sequence 1 pages 0 and 2.
inline std::vector<model::reference::PageTable> page_tables() { return {{{3, 1}}, {{0, 2}}}; }

// A decode step on the device without an Engine around it.
class DeviceStep {
 public:
  // Of one rank alone.
  explicit DeviceStep(const std::string& directory, bool fp8_rows = false)
      : DeviceStep(model::Checkpoint::open(directory), nullptr, fp8_rows) {}
  // Of one of several ranks. `kernels`: the set that it launches. `mtp`: what
  // the steps draft with, if they do.
  DeviceStep(model::Checkpoint checkpoint, std::unique_ptr<Exchange> exchange,
             bool fp8_rows = false, const kernels::Set& kernels = kernels::plain_set(),
             MtpLoad mtp = MtpLoad::kNone)
      : checkpoint_(std::move(checkpoint)),
        weights_(checkpoint_, {}, mtp),
        workspace_(make_workspace(checkpoint_, mtp != MtpLoad::kNone)),
        caches_(make_caches(
            checkpoint_.config().num_hidden_layers + (mtp == MtpLoad::kNone ? 0 : 1), fp8_rows)),
        exchange_(exchange ? std::move(exchange)
                           : std::make_unique<LocalExchange>(workspace_.delta)),
        step_({.checkpoint = checkpoint_,
               .weights = weights_,
               .workspace = workspace_,
               .exchange = *exchange_,
               .fp8_rows = fp8_rows,
               .kernels = kernels},
              caches_) {
    std::vector<int> table;
    for (const model::reference::PageTable& pages : page_tables()) {
      table.insert(table.end(), pages.pages.begin(), pages.pages.end());
    }
    check_cuda(cudaMemcpy(workspace_.pages.data(), table.data(), table.size() * sizeof(int),
                          cudaMemcpyHostToDevice),
               "copy of the page tables");
  }

  // What the next step processes.
  void set_rows(const std::vector<kernels::StepRow>& rows) const {
    check_cuda(
        cudaMemcpyAsync(workspace_.rows.data(), rows.data(), rows.size() * sizeof(kernels::StepRow),
                        cudaMemcpyHostToDevice, stream_.get()),
        "copy of the step's tokens");
    synchronize();
  }
  // From pinned memory, after the steps enqueued so far.
  void enqueue_rows(const kernels::StepRow* rows, int tokens) const {
    check_cuda(cudaMemcpyAsync(workspace_.rows.data(), rows, tokens * sizeof(kernels::StepRow),
                               cudaMemcpyHostToDevice, stream_.get()),
               "copy of the step's tokens");
  }
  void enqueue(int tokens, std::optional<bool> pdl = std::nullopt) const {
    step_.enqueue(tokens, {.stream = stream_.get(), .pdl = pdl});
  }
  void enqueue(const StepShape& shape, std::optional<bool> pdl = std::nullopt) const {
    step_.enqueue(shape, {.stream = stream_.get(), .pdl = pdl});
  }
  void synchronize() const {
    check_cuda(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
  }

  // Runs a greedy step.
  model::reference::Matrix logits(const std::vector<model::reference::StepToken>& tokens) const {
    std::vector<kernels::StepRow> rows;
    for (const model::reference::StepToken& token : tokens) {
      rows.push_back({token.id, token.place.position, token.place.sequence});
    }
    set_rows(rows);
    enqueue(static_cast<int>(rows.size()));
    synchronize();
    return logits(static_cast<int>(rows.size()));
  }
  // Of the last step.
  [[nodiscard]] model::reference::Matrix logits(int tokens) const {
    return download(workspace_.logits, tokens);
  }

  [[nodiscard]] std::vector<int> sampled(int tokens) const {
    std::vector<int> result(tokens);
    check_cuda(cudaMemcpy(result.data(), workspace_.sampled.data(), result.size() * sizeof(int),
                          cudaMemcpyDeviceToHost),
               "copy of the sampled tokens");
    return result;
  }
  // What the next step processes, if nobody changes it.
  [[nodiscard]] std::vector<kernels::StepRow> rows(int count) const {
    std::vector<kernels::StepRow> result(count);
    check_cuda(cudaMemcpy(result.data(), workspace_.rows.data(),
                          result.size() * sizeof(kernels::StepRow), cudaMemcpyDeviceToHost),
               "copy of the step's tokens");
    return result;
  }
  // How many tokens each sequence has won in the last step, which drafted.
  [[nodiscard]] std::vector<int> won(int sequences) const {
    std::vector<int> result = sampled(kernels::kMaxRows + sequences);
    result.erase(result.begin(), result.begin() + kernels::kMaxRows);
    return result;
  }
  [[nodiscard]] const model::Checkpoint& checkpoint() const { return checkpoint_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  // Of the last drafts.
  [[nodiscard]] model::reference::Matrix draft_logits(int sequences) const {
    return download(workspace_.draft_logits, sequences);
  }
  // Copies them after the steps enqueued so far, to pinned memory.
  void copy_sampled(int* target, int tokens) const {
    check_cuda(cudaMemcpyAsync(target, workspace_.sampled.data(), tokens * sizeof(int),
                               cudaMemcpyDeviceToHost, stream_.get()),
               "copy of the sampled tokens");
  }

  [[nodiscard]] std::vector<std::byte> latent_cache(int layer = 0) const {
    return download(caches_.at(layer).latent);
  }
  [[nodiscard]] std::vector<std::byte> index_keys(int layer = 0) const {
    return download(caches_.at(layer).index_keys);
  }

  // The slots that row `row` of the last step attended to, if it had to choose.
  [[nodiscard]] std::vector<int> list(int row, int top_k) const {
    std::vector<int> slots(top_k);
    check_cuda(cudaMemcpy(slots.data(), workspace_.lists.data() + row * top_k,
                          slots.size() * sizeof(int), cudaMemcpyDeviceToHost),
               "copy of an index list");
    return slots;
  }

  [[nodiscard]] const DecodeStep& step() const { return step_; }
  [[nodiscard]] std::span<const StepLaunch> launches() const { return step_.launches(); }
  [[nodiscard]] cudaStream_t stream() const { return stream_.get(); }

 private:
  static Workspace make_workspace(const model::Checkpoint& checkpoint, bool drafts) {
    Workspace result =
        Workspace::planned(checkpoint, 2, kPagesPerSequence * kernels::kPageSize, 0, drafts);
    result.allocate(checkpoint.config());
    return result;
  }

  static std::vector<LayerCache> make_caches(int layers, bool fp8_rows) {
    std::vector<LayerCache> caches;
    for (int layer = 0; layer < layers; ++layer) {
      caches.push_back(make_layer_cache({kPages, fp8_rows}, /*has_indexer=*/true));
    }
    return caches;
  }

  [[nodiscard]] model::reference::Matrix download(const DeviceArray<float>& logits,
                                                  int rows) const {
    model::reference::Matrix result(rows, weights_.head().rows);
    check_cuda(cudaMemcpy(result.values().data(), logits.data(),
                          result.values().size() * sizeof(float), cudaMemcpyDeviceToHost),
               "copy of the logits");
    return result;
  }
  static std::vector<std::byte> download(const DeviceArray<std::byte>& array) {
    std::vector<std::byte> bytes(array.bytes());
    check_cuda(cudaMemcpy(bytes.data(), array.data(), bytes.size(), cudaMemcpyDeviceToHost),
               "copy of a cache");
    return bytes;
  }

  pdl::Stream stream_;
  model::Checkpoint checkpoint_;
  Weights weights_;
  Workspace workspace_;
  std::vector<LayerCache> caches_;
  std::unique_ptr<Exchange> exchange_;
  DecodeStep step_;
};

}  // namespace slipstream::step::test
