#include "bench/step_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "bench/fill.h"
#include "bench/synthetic_weights.h"
#include "model/released_models.h"
#include "pdl/device.h"
#include "pdl/launch_observer.h"
#include "slipstream/error.h"
#include "step/decode_step.h"
#include "step/device_memory.h"

namespace slipstream::bench {
namespace {

using step::kernels::kPageSize;

constexpr int kRoomBehindContext = 64;  // rows of one sequence that steps without a reset may take
constexpr float kLatentDeviation = 0.5F;
constexpr float kIndexKeyDeviation = 32;

model::Checkpoint make_shapes(const BenchModel& model) {
  model::Checkpoint shapes = model::Checkpoint::without_tensors(
      model::model_shape(model.name_or_file, model.layers), {model.tp, model.rank});
  step::require_device_memory(synthetic_weight_bytes(shapes, model.mtp()), "the weights");
  return shapes;
}

// Latent rows and index keys of every position, as if a prompt had been there.
void fill_cache(const step::LayerCache& cache, bool fp8_rows, uint64_t seed,
                const pdl::LaunchOptions& options) {
  ValueTable latent = normal_bf16(kLatentDeviation);
  // As codes of 656-byte rows, the second byte of a value must not be a NaN.
  for (uint16_t& bits : latent.bits) bits &= fp8_rows ? 0xFF80 : 0xFFFF;
  launch_fill(cache.latent.data(), cache.latent.bytes(), seed, latent, options);
  if (fp8_rows) {
    constexpr int kRowFloats = step::kernels::kFp8RowBytes / 4;
    constexpr int kScales = step::kernels::kLatent / 4;  // after the codes
    launch_fill_floats({.target = {reinterpret_cast<float*>(cache.latent.data())},
                        .count = cache.latent.bytes() / 4,
                        .period = kRowFloats,
                        .begin = kScales,
                        .end = kScales + 4,
                        .value = 0.25F},
                       options);
  }
  if (cache.index_keys.bytes() == 0) return;
  launch_fill(cache.index_keys.data(), cache.index_keys.bytes(), ~seed,
              normal_e4m3(kIndexKeyDeviation), options);
  launch_fill_floats({.target = {reinterpret_cast<float*>(cache.index_keys.data())},
                      .count = cache.index_keys.bytes() / 4,
                      .period = step::kernels::kIndexPageBytes / 4,
                      .begin = kPageSize * step::kernels::kIndexWidth / 4,
                      .end = step::kernels::kIndexPageBytes / 4,
                      .value = 1.0F / kIndexKeyDeviation},
                     options);
}

int pages_per_sequence(const StepShape& shape) {
  const int room = kRoomBehindContext * (shape.drafts + 1);
  return (shape.context + room + kPageSize - 1) / kPageSize;
}
int64_t pages(const StepShape& shape) { return int64_t{shape.batch} * pages_per_sequence(shape); }

class SyntheticStep final : public StepBench {
 public:
  SyntheticStep(const BenchModel& model, cudaStream_t stream, ExchangeMaker make_exchange)
      : stream_(stream),
        make_exchange_(std::move(make_exchange)),
        shapes_(make_shapes(model)),
        weights_(shapes_.config(),
                 synthetic_weights(shapes_, stream, {model.common_experts, model.sum_share}), {},
                 model.mtp()) {
    synchronize();
  }

  [[nodiscard]] int layers() const override { return config().num_hidden_layers; }
  [[nodiscard]] int64_t weight_bytes() const override { return weights_.bytes(); }

  void set_shape(const StepShape& shape) override {
    check(shape);
    plain_.reset();
    instrumented_.reset();
    caches_.clear();
    workspace_.reset();
    shape_ = shape;
    const int positions = pages_per_sequence(shape) * kPageSize;
    workspace_.emplace(
        step::Workspace::planned(shapes_, shape.batch, positions, 0, shape.drafts > 0));
    workspace_->allocate(config());
    step::require_device_memory(cache_bytes(config(), shape),
                                fmt::format("caches of {} x {} positions", shape.batch, positions));
    // With the weights of an MTP layer the step wants its cache too.
    const int caches = layers() + (weights_.mtp() ? 1 : 0);
    for (int layer = 0; layer < caches; ++layer) {
      const bool has_keys = config().indexer_type(layer) == model::IndexerType::kFull;
      caches_.push_back(
          step::make_layer_cache({static_cast<int>(pages(shape)), shape.fp8_rows}, has_keys));
      fill_cache(caches_.back(), shape.fp8_rows, 1000 + layer, {.stream = stream_});
    }
    set_pages();
    exchange_ = make_exchange_ ? make_exchange_()
                               : std::make_unique<step::LocalExchange>(workspace_->delta);
    plain_.emplace(parts(step::kernels::plain_set()), caches_);
    instrumented_.emplace(parts(step::kernels::instrumented_set()), caches_);
    reset(0);
  }

  void reset(int steps_before) override {
    rows_.clear();
    for (int i = 0; i < shape_.rows(); ++i) {
      // Tokens spread over the vocabulary, drafts included.
      const auto token =
          static_cast<int>((i + 1) * int64_t{config().vocab_size} / (shape_.rows() + 1));
      const int m = shape_.drafts + 1;
      rows_.push_back({.token = token,
                       .position = std::max(shape_.context - 1 - steps_before, 0) + i % m,
                       .sequence = i / m});
    }
    check_cuda(cudaMemcpyAsync(workspace_->rows.data(), rows_.data(),
                               rows_.size() * sizeof(step::kernels::StepRow),
                               cudaMemcpyHostToDevice, stream_),
               "copy of the step's tokens");
  }

  void enqueue(const pdl::LaunchOptions& options, bool instrumented) override {
    (instrumented ? *instrumented_ : *plain_)
        .enqueue(step::StepShape{.sequences = shape_.batch, .drafts = shape_.drafts}, options);
  }

  [[nodiscard]] StepTrace trace(bool pdl, int steps) override {
    const TracedRank alone{.device = pdl::current_device(), .bench = this, .stream = stream_};
    return trace_steps({&alone, 1}, pdl, steps);
  }

  [[nodiscard]] std::vector<RankMemory> memory() const override {
    RankMemory result{.device = pdl::current_device(),
                      .weights = weights_.bytes(),
                      .workspace = workspace_->bytes()};
    for (const step::LayerCache& cache : caches_) result.caches += cache.bytes();
    size_t free = 0;
    size_t total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    result.others =
        static_cast<int64_t>(total - free) - result.weights - result.caches - result.workspace;
    return {result};
  }

  [[nodiscard]] StepOutput output() const override {
    synchronize();
    StepOutput result;
    result.logits.resize(static_cast<size_t>(shape_.rows()) * weights_.head().rows);
    result.sampled.resize(shape_.rows());
    check_cuda(cudaMemcpy(result.logits.data(), workspace_->logits.data(),
                          result.logits.size() * sizeof(float), cudaMemcpyDeviceToHost),
               "copy of the logits");
    check_cuda(cudaMemcpy(result.sampled.data(), workspace_->sampled.data(),
                          result.sampled.size() * sizeof(int), cudaMemcpyDeviceToHost),
               "copy of the sampled tokens");
    return result;
  }

  [[nodiscard]] std::vector<MeasuredLaunch> launches() override {
    std::vector<MeasuredLaunch> launches;
    reset(1);
    enqueue({.stream = stream_, .pdl = false}, false);
    step::StepLoad load{.context = shape_.context};
    for (const step::StepLaunch* launch : listed_launches()) {
      load.tokens = launch->per_sequence ? shape_.batch : shape_.rows();
      std::vector<MeasuredLaunch> measured = enqueue_observed(*launch, load.tokens);
      if (launch->stage == step::Stage::kRouted) {
        measured.back().experts = load.experts = distinct_experts(load.tokens);
      }
      measured.back().bytes = launch->bytes(load);
      std::move(measured.begin(), measured.end(), std::back_inserter(launches));
    }
    synchronize();
    return launches;
  }

 private:
  [[nodiscard]] const model::ModelConfig& config() const { return shapes_.config(); }

  [[nodiscard]] step::StepParts parts(const step::kernels::Set& kernels) const {
    return {.checkpoint = shapes_,
            .weights = weights_,
            .workspace = *workspace_,
            .exchange = *exchange_,
            .fp8_rows = shape_.fp8_rows,
            .kernels = kernels};
  }

  void check(const StepShape& shape) const {
    if (shape.batch < 1 || shape.rows() > step::kernels::kMaxRows) {
      throw InvalidArgument(fmt::format("batch must be 1 to {} with {} drafts, is {}",
                                        step::kernels::kMaxRows / (shape.drafts + 1), shape.drafts,
                                        shape.batch));
    }
    if (shape.drafts > 0 && !weights_.mtp()) {
      throw InvalidArgument(
          fmt::format("drafts must be 0 for a model without an MTP layer, are {}", shape.drafts));
    }
    const int most = config().max_position_embeddings;
    if (shape.context < 1 || shape.context > most) {
      throw InvalidArgument(fmt::format("context must be 1 to {}, is {}", most, shape.context));
    }
  }

  // Pages of all sequences in turn, as they come where sequences grow together.
  void set_pages() {
    std::vector<int> table(pages(shape_));
    const int per_sequence = pages_per_sequence(shape_);
    for (int i = 0; i < static_cast<int>(table.size()); ++i) {
      table[i] = i % per_sequence * shape_.batch + i / per_sequence;
    }
    check_cuda(cudaMemcpy(workspace_->pages.data(), table.data(), table.size() * sizeof(int),
                          cudaMemcpyHostToDevice),
               "copy of the page table");
  }

  [[nodiscard]] std::vector<const step::StepLaunch*> listed_launches() const {
    std::vector<const step::StepLaunch*> result;
    for (const step::StepLaunch& launch : plain_->launches()) result.push_back(&launch);
    if (shape_.drafts == 0) return result;
    result.pop_back();
    for (const step::StepLaunch& launch : plain_->draft_launches(shape_.drafts)) {
      result.push_back(&launch);
    }
    return result;
  }

  // What the launch just enqueued chose for `tokens` tokens.
  [[nodiscard]] std::vector<step::kernels::ExpertChoice> read_choices(int tokens) const {
    std::vector<step::kernels::ExpertChoice> result(static_cast<size_t>(tokens) *
                                                    config().num_experts_per_tok);
    check_cuda(
        cudaMemcpyAsync(result.data(), workspace_->choices.data(),
                        result.size() * sizeof(result.front()), cudaMemcpyDeviceToHost, stream_),
        "copy of the chosen experts");
    synchronize();
    return result;
  }

  [[nodiscard]] int distinct_experts(int tokens) const {
    std::set<int> experts;
    for (const step::kernels::ExpertChoice& choice : read_choices(tokens))
      experts.insert(choice.expert);
    return static_cast<int>(experts.size());
  }

  // One launch, or with many tokens two: what comes before the last one makes its operands.
  [[nodiscard]] std::vector<MeasuredLaunch> enqueue_observed(const step::StepLaunch& launch,
                                                             int tokens) {
    std::vector<MeasuredLaunch> measured;
    const pdl::LaunchObserver observer([&](const pdl::ObservedLaunch& observed) {
      const pdl::LaunchShape& shape = observed.shape;
      measured.push_back({.title = "operands of " + launch.title,
                          .kernel = observed.declaration.name,
                          .layer = launch.layer,
                          .ctas = static_cast<int>(shape.grid.x * shape.grid.y * shape.grid.z),
                          .threads = static_cast<int>(shape.block.x),
                          .shared_bytes = static_cast<int64_t>(shape.dynamic_shared_bytes)});
    });
    launch.enqueue(tokens, {.stream = stream_, .pdl = false});
    measured.back().title = launch.title;
    return measured;
  }

  void synchronize() const {
    check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize of the step's stream");
  }

  cudaStream_t stream_;
  ExchangeMaker make_exchange_;
  model::Checkpoint shapes_;
  step::Weights weights_;
  StepShape shape_;
  std::optional<step::Workspace> workspace_;
  std::vector<step::LayerCache> caches_;
  std::unique_ptr<step::Exchange> exchange_;
  std::optional<step::DecodeStep> plain_;
  std::optional<step::DecodeStep> instrumented_;
  std::vector<step::kernels::StepRow> rows_;
};

}  // namespace

int64_t cache_bytes(const model::ModelConfig& config, const StepShape& shape) {
  const int64_t row = shape.fp8_rows ? step::kernels::kFp8RowBytes : step::kernels::kLatentRow * 2;
  int64_t bytes = 0;
  const int layers = config.num_hidden_layers + (shape.drafts > 0 ? 1 : 0);
  for (int layer = 0; layer < layers; ++layer) {
    const bool has_keys = config.indexer_type(layer) == model::IndexerType::kFull;
    bytes += pages(shape) * (kPageSize * row + (has_keys ? step::kernels::kIndexPageBytes : 0));
  }
  return bytes;
}

std::unique_ptr<StepBench> make_step_bench(const BenchModel& model, cudaStream_t stream,
                                           ExchangeMaker make_exchange) {
  return std::make_unique<SyntheticStep>(model, stream, std::move(make_exchange));
}

}  // namespace slipstream::bench
