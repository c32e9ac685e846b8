// Mistakes in the protocol, planted by an exchange that hands wrong rows to the right kernels: each
// must show as another token or logit, as rows left in a window, or as a poll that waits in vain.
// What shows only by luck has tests of its own, in which the test plays the peers: the order of a
// sum and the number of buffers in poll_test.cc, the border between two steps in agreement_test.cc.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test {
namespace {

constexpr uint64_t kLimit = 200'000'000;  // nanoseconds
constexpr int kExchanges = 4;             // of two layers

enum class Fault {
  kNone,
  kNothingEmptied,
  kEmptiedWhileRead,
  kPeerNotHeard,
  kPeerNotTold,
};

class FaultyExchange final : public Exchange {
 public:
  FaultyExchange(std::unique_ptr<PeerExchange> good, Fault fault)
      : good_(std::move(good)), fault_(fault) {}

  [[nodiscard]] PartialRows partial(int exchange) const override {
    PartialRows result = good_->partial(exchange);
    if (fault_ == Fault::kPeerNotTold) --result.peers.ranks;
    return result;
  }

  [[nodiscard]] SummedRows summed(int exchange) const override {
    SummedRows result = good_->summed(exchange);
    kernels::PolledRows& polled = result.polled;
    if (fault_ == Fault::kNothingEmptied) polled.emptied = {};
    if (fault_ == Fault::kEmptiedWhileRead) {
      polled.emptied = {const_cast<uint32_t*>(polled.pairs.get())};
    }
    if (fault_ == Fault::kPeerNotHeard) --polled.ranks;
    return result;
  }

  [[nodiscard]] kernels::SharedVocabulary vocabulary() const override {
    return good_->vocabulary();
  }

  [[nodiscard]] Buffer buffer(int exchange) const override { return good_->buffer(exchange); }

 private:
  std::unique_ptr<PeerExchange> good_;
  Fault fault_;
};

constexpr int kRanks = 2;

struct FaultCase {
  const char* name;
  Fault fault;
};

class PlantedFault : public testing::TestWithParam<FaultCase> {
 protected:
  void SetUp() override {
    if (RankTeam::devices() < kRanks) GTEST_SKIP() << "needs two devices";
    if (GetParam().fault == Fault::kEmptiedWhileRead && is_gpu()) {
      GTEST_SKIP() << "on GPUs it is chance who reads last";
    }
  }

  static bool is_gpu() {
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    return std::string_view(properties.name).find("emulated") == std::string_view::npos;
  }

  static RankRuns make_runs(Fault fault) {
    static const std::string& directory =
        model::test::Shape{"PlantedFaults", "deepseek-v32-tiny",
                           R"({"num_hidden_layers": 2, "intermediate_size": 512,
                               "moe_intermediate_size": 512, "n_routed_experts": 8, "n_group": 2,
                               "topk_group": 1, "num_experts_per_tok": 2})"}
            .directory();
    return {directory, kRanks, [fault](const RankTeam& team, int rank) {
              return std::make_unique<FaultyExchange>(
                  team.exchange(rank, fault == Fault::kNone ? RankTeam::kForever : kLimit), fault);
            }};
  }
};

TEST_P(PlantedFault, Shows) {
  constexpr int kSteps = 3;
  const RankRuns good = make_runs(Fault::kNone);
  const RankRuns::Run expected = good.run_steps(kSteps, {});
  ASSERT_EQ(good.trouble(), "");
  const RankRuns faulty = make_runs(GetParam().fault);
  const RankRuns::Run run = faulty.run_steps(kSteps, {});
  const std::string trouble = faulty.trouble();
  EXPECT_TRUE(run != expected || !trouble.empty());
  RecordProperty("found_by", trouble.empty() ? "other bits" : trouble);
}

INSTANTIATE_TEST_SUITE_P(Faults, PlantedFault,
                         testing::Values(FaultCase{"NothingEmptied", Fault::kNothingEmptied},
                                         FaultCase{"EmptiedWhileRead", Fault::kEmptiedWhileRead},
                                         FaultCase{"PeerNotHeard", Fault::kPeerNotHeard},
                                         FaultCase{"PeerNotTold", Fault::kPeerNotTold}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
