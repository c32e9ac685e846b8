// Mistakes in the protocol, planted by an exchange that hands wrong rows to the right kernels: each
// must show as another token or logit, as rows left in a window, or as a poll that waits in vain.
// What hides in a few steps has tests of its own: the order of a sum in poll_test.cc, the border
// between two steps in agreement_test.cc.

#include <gtest/gtest.h>

#include <string>

#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test {
namespace {

constexpr uint64_t kLimit = 200'000'000;  // nanoseconds
constexpr int kExchanges = 4;             // of two layers

enum class Fault {
  kNone,
  kTwoBuffers,
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
    PartialRows result = good_->partial(place_of(exchange));
    if (fault_ == Fault::kPeerNotTold) --result.peers.ranks;
    return result;
  }

  [[nodiscard]] SummedRows summed(int exchange) const override {
    SummedRows result = good_->summed(place_of(exchange));
    kernels::PolledRows& polled = result.polled;
    polled.exchange = exchange;
    polled.emptied = exchange > 0 ? rows_at(place_of(exchange - 1)) : decltype(polled.emptied){};
    if (fault_ == Fault::kNothingEmptied) polled.emptied = {};
    if (fault_ == Fault::kEmptiedWhileRead) polled.emptied = rows_at(place_of(exchange));
    if (fault_ == Fault::kPeerNotHeard) --polled.ranks;
    return result;
  }

  [[nodiscard]] kernels::SharedVocabulary vocabulary() const override {
    kernels::SharedVocabulary result = good_->vocabulary();
    if (place_of(kExchanges - 1) != kExchanges - 1) {
      result.emptied = rows_at(place_of(kExchanges - 1));
    }
    return result;
  }

  [[nodiscard]] Buffer buffer(int exchange) const override { return good_->buffer(exchange); }

 private:
  // The exchange whose rows are taken.
  [[nodiscard]] int place_of(int exchange) const {
    return fault_ == Fault::kTwoBuffers ? exchange % 2 : exchange;
  }
  [[nodiscard]] pdl::Produced<uint32_t> rows_at(int exchange) const {
    if (exchange == kExchanges - 1) return good_->vocabulary().emptied;
    return good_->summed(exchange + 1).polled.emptied;
  }

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
  }

  static RankRuns make_runs(Fault fault) {
    static const std::string& directory =
        model::test::Shape{"PlantedFaults", "deepseek-v32-tiny",
                           R"({"num_hidden_layers": 2, "intermediate_size": 512,
                               "moe_intermediate_size": 512, "n_routed_experts": 8, "n_group": 2,
                               "topk_group": 1, "num_experts_per_tok": 2})"}
            .directory();
    return {directory, kRanks, [fault](const RankTeam& team, int rank) {
              return std::make_unique<FaultyExchange>(team.exchange(rank, kLimit), fault);
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
                         testing::Values(FaultCase{"TwoBuffers", Fault::kTwoBuffers},
                                         FaultCase{"NothingEmptied", Fault::kNothingEmptied},
                                         FaultCase{"EmptiedWhileRead", Fault::kEmptiedWhileRead},
                                         FaultCase{"PeerNotHeard", Fault::kPeerNotHeard},
                                         FaultCase{"PeerNotTold", Fault::kPeerNotTold}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
