#include "bench/step_team.h"

#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "bench/graph_timer.h"
#include "bench/on_device.h"
#include "model/released_models.h"
#include "model/tensor_specs.h"
#include "pdl/device.h"
#include "pdl/device_buffer.h"
#include "pdl/stream.h"
#include "slipstream/error.h"
#include "step/exchange.h"
#include "step/kernels/sample/params.h"
#include "step/pinned_record.h"

namespace slipstream::bench {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kLimit = 60 * kSecond;            // for rank 0
constexpr uint64_t kOthersLimit = 86'400 * kSecond;  // they wait while rank 0 does something else

// Where a rank sends its rows or picks, if those of a rank and of the next one lie `source_bytes`
// apart.
using Targets = std::function<step::kernels::PeerOffsets(int64_t source_bytes)>;

// Each of two GPUs as all other ranks: it sends to itself once, and to the other in the place of
// every rank but the other's own. Stores, bytes on the link and polls are those of as many GPUs; what
// they would differ in, when they come, is not in it.
Targets played_targets(const step::RankWindows& windows) {
  return [rank = windows.rank, ranks = windows.ranks,
          distance =
              windows.bases[1 - windows.rank] - windows.bases[windows.rank]](int64_t source_bytes) {
    step::kernels::PeerOffsets result;
    result.ranks = ranks;
    int next = 0;
    result.bytes[next++] = 0;
    for (int source = 0; source < ranks; ++source) {
      if (source != 1 - rank) result.bytes[next++] = distance + (source - rank) * source_bytes;
    }
    return result;
  };
}

// Itself as all ranks: stores and polls are those of a rank of so many, and nothing is on a link.
Targets echoed_targets(const step::RankWindows& windows) {
  return [rank = windows.rank, ranks = windows.ranks](int64_t source_bytes) {
    step::kernels::PeerOffsets result;
    result.ranks = ranks;
    for (int source = 0; source < ranks; ++source) {
      result.bytes[source] = (source - rank) * source_bytes;
    }
    return result;
  };
}

// An exchange that sends elsewhere than to one window per rank.
class RedirectedExchange final : public step::Exchange {
 public:
  RedirectedExchange(std::unique_ptr<step::PeerExchange> exchange, Targets targets,
                     const step::WindowLayout& layout)
      : exchange_(std::move(exchange)),
        targets_(std::move(targets)),
        row_bytes_(layout.source_stride()),
        hidden_(layout.hidden()) {}

  [[nodiscard]] step::PartialRows partial(int exchange) const override {
    step::PartialRows result = exchange_->partial(exchange);
    result.peers = targets_(row_bytes_);
    return result;
  }
  [[nodiscard]] step::SummedRows summed(int exchange) const override {
    return exchange_->summed(exchange);
  }
  [[nodiscard]] std::optional<step::GatheredColumns> gathered(int first) const override {
    step::GatheredColumns result = exchange_->gathered(first).value();
    const int ranks = result.own.peers.ranks;
    if (hidden_ % (ranks * model::kTileUnit) != 0) {
      throw InvalidArgument(
          fmt::format("hidden_size must be a multiple of {} where {} ranks draft, is {}",
                      ranks * model::kTileUnit, ranks, hidden_));
    }
    result.own.peers = targets_(int64_t{hidden_ / ranks} * 2);
    return result;
  }
  [[nodiscard]] step::kernels::SharedVocabulary vocabulary(int last) const override {
    constexpr int64_t kSourceBytes = int64_t{step::kernels::kMaxRows} * step::kernels::kPicks *
                                     step::kernels::kPickWords * sizeof(uint64_t);
    step::kernels::SharedVocabulary result = exchange_->vocabulary(last);
    result.peers = targets_(kSourceBytes);
    return result;
  }
  [[nodiscard]] step::Buffer buffer(int exchange) const override {
    return exchange_->buffer(exchange);
  }

 private:
  std::unique_ptr<step::PeerExchange> exchange_;
  Targets targets_;
  int64_t row_bytes_;
  int hidden_;
};

int devices_of(const BenchModel& model) {
  switch (model.others) {
    case Others::kRanks:
      return model.tp;
    case Others::kPlayed:
      return 2;
    case Others::kNone:
    case Others::kEchoed:
      break;
  }
  return 1;
}

// What each device of the team has.
struct Member {
  int device = 0;
  DeviceBuffer window;
  step::PinnedRecord record;
  std::unique_ptr<pdl::Stream> stream;     // rank 0 has the caller's
  std::unique_ptr<pdl::Stream> attendant;  // next to that of the steps
  cudaStream_t steps = nullptr;
  std::unique_ptr<StepBench> bench;
  std::thread stepping;
};

class StepTeam final : public StepBench {
 public:
  StepTeam(const BenchModel& model, cudaStream_t stream)
      : model_(model),
        config_(model::model_shape(model.name_or_file, model.layers)),
        layout_(config_, model.tp),
        members_(devices_of(model)) {
    require_devices();
    for (size_t i = 0; i < members_.size(); ++i)
      members_[i].device = first_device_ + static_cast<int>(i);
    for (Member& member : members_) on_device(member.device, [&] { prepare(member); });
    for (size_t i = 0; i < members_.size(); ++i) make_bench(static_cast<int>(i), stream);
  }
  ~StepTeam() override {
    stop();
    // A step that ended with an error may have left launches that wait for the others.
    if (members_.front().attendant != nullptr) break_polls_of(0);
    for (size_t i = 1; i < members_.size(); ++i) {
      on_device(members_[i].device, [&] { members_[i].bench.reset(); });
    }
  }

  [[nodiscard]] int layers() const override { return first().layers(); }
  [[nodiscard]] int64_t weight_bytes() const override { return first().weight_bytes(); }

  void set_shape(const StepShape& shape) override {
    stop();
    first().set_shape(shape);
    for (size_t i = 1; i < members_.size(); ++i) {
      on_device(members_[i].device, [&] { members_[i].bench->set_shape(shape); });
    }
    clear_windows();
    start();
  }

  void reset(int steps_before) override { first().reset(steps_before); }
  void enqueue(const pdl::LaunchOptions& options, bool instrumented) override {
    first().enqueue(options, instrumented);
  }
  [[nodiscard]] StepOutput output() const override {
    StepOutput result = first().output();
    const step::PollRecord record = members_.front().record.read();
    if (record.happened != 0) {
      throw Error(fmt::format("not reported, because rank 0 heard nothing from rank {} for {} s{}",
                              step::silent_rank(record, config_, model_.tp), kLimit / kSecond,
                              failure()));
    }
    return result;
  }
  [[nodiscard]] std::vector<MeasuredLaunch> launches() override { return first().launches(); }

  // Of all ranks, which then step together; one that plays others is not traced.
  [[nodiscard]] StepTrace trace(bool pdl, int steps) override {
    if (model_.others == Others::kPlayed) return first().trace(pdl, steps);
    stop();
    clear_windows();
    std::vector<TracedRank> ranks;
    for (const Member& member : members_) {
      ranks.push_back({member.device, member.bench.get(), member.steps});
    }
    StepTrace trace = trace_steps(ranks, pdl, steps);
    start();
    return trace;
  }

  [[nodiscard]] std::vector<RankMemory> memory() const override {
    std::vector<RankMemory> result;
    for (const Member& member : members_) {
      on_device(member.device, [&] { result.push_back(member.bench->memory().front()); });
      result.back().window = layout_.bytes();
      result.back().others -= layout_.bytes();
    }
    return result;
  }

 private:
  [[nodiscard]] StepBench& first() const { return *members_.front().bench; }

  void require_devices() {
    const int devices = pdl::device_count();
    first_device_ = pdl::current_device();
    if (first_device_ + static_cast<int>(members_.size()) <= devices) return;
    throw InvalidArgument(fmt::format(
        "GPUs must be {} for {} ranks{}, are {}", members_.size(), model_.tp,
        model_.others == Others::kPlayed ? " of which one plays" : "", devices - first_device_));
  }

  void prepare(Member& member) {
    for (const Member& other : members_) {
      if (other.device != member.device) reach_peer(other.device);
    }
    member.window = DeviceBuffer(static_cast<size_t>(layout_.bytes()));
    member.stream = std::make_unique<pdl::Stream>();
    member.attendant = std::make_unique<pdl::Stream>();
  }

  void make_bench(int rank, cudaStream_t first_stream) {
    Member& member = members_[rank];
    member.steps = rank == 0 ? first_stream : member.stream->get();
    BenchModel share = model_;
    share.rank = rank;
    share.sum_share = sum_share(rank);
    on_device(member.device, [&] {
      member.bench =
          make_step_bench(share, member.steps, [this, rank] { return exchange_of(rank); });
    });
  }

  // Such that rank 0's sums are those of a rank alone, and so its steps: the same experts, keys and tokens. What
  // is echoed 2, 4 or 8 times adds up to exactly that.
  [[nodiscard]] float sum_share(int rank) const {
    if (model_.others == Others::kPlayed && rank > 0) return 0;
    return model_.others == Others::kEchoed ? 1.0F / static_cast<float>(model_.tp) : 1.0F;
  }

  // Of a played team, only those of the two that there are.
  [[nodiscard]] step::RankWindows windows_of(int rank) const {
    step::RankWindows windows{.rank = rank, .ranks = model_.tp};
    for (size_t i = 0; i < members_.size(); ++i) {
      windows.bases[i] = static_cast<std::byte*>(members_[i].window.data());
    }
    return windows;
  }

  [[nodiscard]] std::unique_ptr<step::Exchange> exchange_of(int rank) const {
    const step::RankWindows windows = windows_of(rank);
    auto exchange = std::make_unique<step::PeerExchange>(
        windows, config_, members_[rank].record.on_device(), rank == 0 ? kLimit : kOthersLimit);
    if (model_.others == Others::kRanks) return exchange;
    return std::make_unique<RedirectedExchange>(
        std::move(exchange),
        model_.others == Others::kPlayed ? played_targets(windows) : echoed_targets(windows),
        layout_);
  }

  // While no rank steps.
  void clear_windows() const {
    for (size_t i = 0; i < members_.size(); ++i) {
      on_device(members_[i].device, [&] {
        step::clear_window(windows_of(static_cast<int>(i)), config_, members_[i].attendant->get());
      });
    }
  }

  // From now on the others step in pairs, as rank 0 does, and wait for it in each.
  void start() {
    stopping_ = false;
    for (size_t i = 1; i < members_.size(); ++i) {
      members_[i].stepping = std::thread([this, &member = members_[i], i] {
        try {
          step_along(member);
        } catch (const std::exception& error) {
          const std::lock_guard lock(mutex_);
          failure_ = fmt::format(", which failed: rank {}: {}", i, error.what());
        }
      });
    }
  }

  // Of a rank that steps along; empty if none has failed.
  [[nodiscard]] std::string failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  void step_along(Member& member) {
    check_cuda(cudaSetDevice(member.device), "cudaSetDevice");
    const cudaStream_t stream = member.steps;
    const CapturedGraph graph(
        stream, [&](cudaStream_t captured) { member.bench->enqueue({.stream = captured}, false); });
    while (!stopping_) {
      member.bench->reset(1);
      graph.launch();
      graph.launch();
      check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize of another rank's steps");
    }
  }

  void break_polls_of(int rank) {
    on_device(members_[rank].device,
              [&] { step::break_polls(windows_of(rank), members_[rank].attendant->get()); });
  }

  void stop() {
    stopping_ = true;
    for (size_t i = 1; i < members_.size(); ++i) {
      if (members_[i].stepping.joinable()) break_polls_of(static_cast<int>(i));
    }
    for (Member& member : members_) {
      if (member.stepping.joinable()) member.stepping.join();
    }
  }

  BenchModel model_;
  model::ModelConfig config_;
  step::WindowLayout layout_;
  int first_device_ = 0;
  std::vector<Member> members_;  // rank 0 first
  std::atomic<bool> stopping_ = true;
  mutable std::mutex mutex_;
  std::string failure_;
};

}  // namespace

std::unique_ptr<StepBench> make_step_team(const BenchModel& model, cudaStream_t stream) {
  return std::make_unique<StepTeam>(model, stream);
}

}  // namespace slipstream::bench
