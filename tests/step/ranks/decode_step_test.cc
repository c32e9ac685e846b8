// Whole decode steps of several ranks, a thread and a device each, against the reference and against
// themselves: nothing that differs between two runs may show in a bit.

#include "step/decode_step.h"

#include <gtest/gtest.h>

#include <barrier>
#include <optional>
#include <string>

#include "pdl/instrument/stamps.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/device_step.h"
#include "tests/step/support/rank_team.h"

namespace slipstream::step::test {
namespace {

using kernels::StepRow;
using model::reference::Matrix;
using model::reference::StepToken;

struct Case {
  int ranks;
  const char* name;
  const char* model;
  const char* changes;
};

// How a run is made; its results may not depend on it.
struct RunOptions {
  std::optional<bool> pdl;
  bool graph = false;
  bool delays = false;
};

// A graph of one step.
class Graph {
 public:
  Graph(const DeviceStep& step, int tokens) {
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamBeginCapture(step.stream(), cudaStreamCaptureModeThreadLocal), "capture");
    step.enqueue(tokens);
    check_cuda(cudaStreamEndCapture(step.stream(), &graph), "capture");
    check_cuda(cudaGraphInstantiate(&exec_, graph, 0), "cudaGraphInstantiate");
    check_cuda(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { (void)cudaGraphExecDestroy(exec_); }

  void launch(cudaStream_t stream) const { check_cuda(cudaGraphLaunch(exec_, stream), "launch"); }

 private:
  cudaGraphExec_t exec_ = nullptr;
};

// Delays in the instrumented kernels of several devices.
class DelaysOnDevices {
 public:
  explicit DelaysOnDevices(int devices) : delays_(devices) {
    on_each([](std::optional<instrument::Delays>& delays) { delays.emplace(); });
  }
  DelaysOnDevices(const DelaysOnDevices&) = delete;
  DelaysOnDevices& operator=(const DelaysOnDevices&) = delete;
  ~DelaysOnDevices() {
    on_each([](std::optional<instrument::Delays>& delays) { delays.reset(); });
  }

 private:
  template <class Change>
  void on_each(const Change& change) {
    for (size_t device = 0; device < delays_.size(); ++device) {
      (void)cudaSetDevice(static_cast<int>(device));
      change(delays_[device]);
    }
    (void)cudaSetDevice(0);
  }

  std::vector<std::optional<instrument::Delays>> delays_;
};

class RankSteps : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (RankTeam::devices() < c_.ranks) GTEST_SKIP() << "needs " << c_.ranks << " devices";
    directory_ = model::test::Shape{c_.name, c_.model, c_.changes}.directory();
    team_ = std::make_unique<RankTeam>(model::Checkpoint::open(directory_).config(), c_.ranks);
  }

  // A step of `rank`, by the thread that will run it.
  [[nodiscard]] std::unique_ptr<DeviceStep> make_step(int rank, bool delays = false) const {
    return std::make_unique<DeviceStep>(
        model::Checkpoint::open(directory_, {c_.ranks, rank}), team_->exchange(rank), false,
        delays ? kernels::instrumented_set() : kernels::plain_set());
  }

  void expect_empty_windows() const {
    for (int rank = 0; rank < c_.ranks; ++rank) {
      EXPECT_TRUE(team_->rows_are_empty(rank)) << "window of rank " << rank;
      EXPECT_EQ(team_->record(rank).happened, 0);
    }
  }

  // `steps` sampled steps of three sequences' tokens, none of which the host waits for; what each
  // rank chose, and its last logits' bits.
  struct Run {
    std::vector<std::vector<int>> tokens;
    std::vector<std::vector<float>> logits;
    bool operator==(const Run&) const = default;
  };
  [[nodiscard]] Run run_steps(int steps, const RunOptions& options) const {
    constexpr int kTokens = 2;
    Run run{std::vector<std::vector<int>>(c_.ranks), std::vector<std::vector<float>>(c_.ranks)};
    const std::vector<StepRow> rows{{17, 0, 0, 0.8F, 20, 0.9F, 5}, {300, 0, 1, 1.0F, 0, 1, 6}};
    const DelaysOnDevices delays(options.delays ? c_.ranks : 0);
    std::barrier loaded(c_.ranks);
    team_->run([&](int rank) {
      const auto step = make_step(rank, options.delays);
      step->set_rows(rows);
      const std::optional<Graph> graph =
          options.graph ? std::make_optional<Graph>(*step, kTokens) : std::nullopt;
      int* chosen = nullptr;
      check_cuda(cudaMallocHost(reinterpret_cast<void**>(&chosen), steps * kTokens * sizeof(int)),
                 "cudaMallocHost");
      // Nothing that would wait for a device may come between steps.
      loaded.arrive_and_wait();
      for (int i = 0; i < steps; ++i) {
        graph ? graph->launch(step->stream()) : step->enqueue(kTokens, {.pdl = options.pdl});
        step->copy_sampled(chosen + i * kTokens, kTokens);
      }
      step->synchronize();
      run.tokens[rank].assign(chosen, chosen + steps * kTokens);
      run.logits[rank] = step->logits(kTokens).values();
      (void)cudaFreeHost(chosen);
    });
    return run;
  }

  Case c_ = GetParam();
  std::string directory_;
  std::unique_ptr<RankTeam> team_;
};

// Steps of several numbers of tokens in turn.
TEST_P(RankSteps, FollowTheReferenceAndLeaveEmptyWindows) {
  std::vector<model::reference::Model> models;
  for (int rank = 0; rank < c_.ranks; ++rank) {
    const model::Checkpoint part = model::Checkpoint::open(directory_, {c_.ranks, rank});
    models.push_back(load_model(part, model::reference::Numerics::engine(
                                          part.config(), model::reference::LatentFormat::kBf16)));
  }
  auto caches = make_caches(models.front(), kPages);
  std::vector<std::unique_ptr<DeviceStep>> steps(c_.ranks);
  team_->run([&](int rank) { steps[rank] = make_step(rank); });
  int position = 0;
  for (const int count : {1, 4, 2, 16, 1}) {
    std::vector<StepToken> tokens;
    for (int i = 0; i < count; ++i, ++position) {
      tokens.push_back({(position * 37 + 11) % 512, {0, position}});
    }
    const Matrix expected = decode_step(models, tokens, page_tables(), caches).logits;
    std::vector<Matrix> parts(c_.ranks);
    std::vector<std::vector<int>> chosen(c_.ranks);
    team_->run([&](int rank) {
      parts[rank] = steps[rank]->logits(tokens);
      chosen[rank] = steps[rank]->sampled(count);
    });
    for (int token = 0; token < count; ++token) {
      Matrix actual(1, expected.columns());
      auto next = actual.row(0).begin();
      for (const Matrix& part : parts) {
        next = std::copy(part.row(token).begin(), part.row(token).end(), next);
      }
      ASSERT_EQ(next, actual.row(0).end());
      Matrix wanted(1, expected.columns());
      std::ranges::copy(expected.row(token), wanted.row(0).begin());
      EXPECT_GT(model::test::mean_cosine(actual, wanted), 0.999) << "token " << token;
      const auto largest = std::ranges::max_element(actual.row(0)) - actual.row(0).begin();
      for (int rank = 0; rank < c_.ranks; ++rank) EXPECT_EQ(chosen[rank][token], largest) << rank;
    }
    expect_empty_windows();
  }
  team_->run([&](int rank) { steps[rank].reset(); });
}

TEST_P(RankSteps, GiveEqualTokensOnAllRanksInEveryRun) {
  constexpr int kSteps = 4;
  const Run plain = run_steps(kSteps, {});
  for (int rank = 1; rank < c_.ranks; ++rank) EXPECT_EQ(plain.tokens[rank], plain.tokens[0]);
  expect_empty_windows();
  EXPECT_EQ(run_steps(kSteps, {.pdl = false}), plain);
  EXPECT_EQ(run_steps(kSteps, {.graph = true}), plain);
  EXPECT_EQ(run_steps(kSteps, {.delays = true}), plain);
  expect_empty_windows();
}

// Four exchanges need the fourth buffer, six do not; widths of five and three groups; an odd
// vocabulary.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RankSteps,
    testing::Values(
        Case{1, "OneRank", "deepseek-v32-tiny", R"({"num_hidden_layers": 2, "vocab_size": 523})"},
        Case{2, "TwoRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 2, "intermediate_size": 640, "moe_intermediate_size": 384,
                 "vocab_size": 523})"},
        Case{4, "FourRanks", "glm-5-tiny",
             R"({"intermediate_size": 640, "moe_intermediate_size": 512, "n_routed_experts": 8,
                 "vocab_size": 517})"},
        Case{8, "EightRanks", "deepseek-v32-tiny",
             R"({"num_hidden_layers": 2, "intermediate_size": 1024, "moe_intermediate_size": 1024,
                 "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2,
                 "vocab_size": 523})"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
