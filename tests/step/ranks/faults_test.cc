// Mistakes in the protocol, planted by an exchange that hands wrong rows to the right kernels: each
// must show as another token or logit, as rows left in a window, or as a poll that waits in vain.
// What shows only by luck has tests of its own, in which the test plays the peers: the order of a
// sum and the number of buffers in poll_test.cc, the border between two steps in agreement_test.cc.

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
  kNothingEmptied,
  kEmptiedWhileRead,
  kTwoBuffers,
  kBorderNotSkipped,
  kPolledBeforePushed,
  kAddedBackwards,
  kPeerNotHeard,
  kPeerNotTold,
};

class FaultyExchange final : public Exchange {
 public:
  FaultyExchange(std::unique_ptr<PeerExchange> good, Fault fault, int rank)
      : good_(std::move(good)), fault_(fault), rank_(rank) {}

  [[nodiscard]] PartialRows partial(int exchange) const override {
    PartialRows result = good_->partial(in_buffer_of(exchange));
    if (fault_ == Fault::kPeerNotTold) --result.peers.ranks;
    return result;
  }

  [[nodiscard]] SummedRows summed(int exchange) const override {
    SummedRows result = good_->summed(in_buffer_of(exchange));
    kernels::PolledRows& polled = result.polled;
    polled.exchange = exchange;
    polled.emptied = {exchange == 0 ? nullptr : pairs_of(exchange - 1)};
    if (fault_ == Fault::kNothingEmptied) polled.emptied = {};
    if (fault_ == Fault::kEmptiedWhileRead) polled.emptied = {pairs_of(exchange)};
    if (fault_ == Fault::kPolledBeforePushed)
      polled.pairs = {pairs_of((exchange + 1) % kExchanges)};
    if (fault_ == Fault::kAddedBackwards && rank_ == polled.ranks - 1) add_backwards(polled);
    if (fault_ == Fault::kPeerNotHeard) --polled.ranks;
    return result;
  }

  [[nodiscard]] kernels::SharedVocabulary vocabulary() const override {
    kernels::SharedVocabulary result = good_->vocabulary();
    result.emptied = {pairs_of(kExchanges - 1)};
    return result;
  }

  [[nodiscard]] Buffer buffer(int exchange) const override { return good_->buffer(exchange); }

 private:
  // An exchange whose buffer this one takes.
  [[nodiscard]] int in_buffer_of(int exchange) const {
    if (fault_ == Fault::kTwoBuffers) return exchange % 2;
    if (fault_ == Fault::kBorderNotSkipped) return exchange % 3;
    return exchange;
  }
  [[nodiscard]] uint32_t* pairs_of(int exchange) const {
    return const_cast<uint32_t*>(good_->summed(in_buffer_of(exchange)).polled.pairs.get());
  }
  // The own share, which is the last rank's, first.
  static void add_backwards(kernels::PolledRows& polled) {
    const int64_t last = (polled.ranks - 1) * polled.source_stride;
    polled.pairs = {polled.pairs.get() + last};
    if (polled.emptied.get() != nullptr) polled.emptied = {polled.emptied.get() + last};
    polled.source_stride = -polled.source_stride;
  }

  std::unique_ptr<PeerExchange> good_;
  Fault fault_;
  int rank_;
};

struct FaultCase {
  const char* name;
  Fault fault;
  int ranks = 2;
  // It takes a store that arrives late, or a rank that is: runs until one has.
  bool by_chance = false;
};

class PlantedFault : public testing::TestWithParam<FaultCase> {
 protected:
  void SetUp() override {
    if (RankTeam::devices() < c_.ranks) GTEST_SKIP() << "needs " << c_.ranks << " devices";
    if (!is_gpu()) return;
    if (c_.by_chance || c_.fault == Fault::kEmptiedWhileRead) {
      GTEST_SKIP() << "on GPUs it is chance who comes last";
    }
  }

  [[nodiscard]] RankRuns make_runs(Fault fault) const {
    static const std::string& directory =
        model::test::Shape{"PlantedFaults", "deepseek-v32-tiny",
                           R"({"num_hidden_layers": 2, "intermediate_size": 512,
                               "moe_intermediate_size": 512, "n_routed_experts": 8, "n_group": 2,
                               "topk_group": 1, "num_experts_per_tok": 2})"}
            .directory();
    return {directory, c_.ranks, [fault](const RankTeam& team, int rank) {
              return std::make_unique<FaultyExchange>(
                  team.exchange(rank, fault == Fault::kNone ? RankTeam::kForever : kLimit), fault,
                  rank);
            }};
  }

  FaultCase c_ = GetParam();
};

TEST_P(PlantedFault, Shows) {
  const int steps = 3;
  const int runs = c_.by_chance ? 20 : 1;
  const RankRuns good = make_runs(Fault::kNone);
  const RankRuns::Run expected = good.run_steps(steps, {});
  ASSERT_EQ(good.trouble(), "");
  for (int i = 1; i <= runs; ++i) {
    const RankRuns faulty = make_runs(c_.fault);
    const bool other_bits = faulty.run_steps(steps, {}) != expected;
    const std::string trouble = faulty.trouble();
    if (!other_bits && trouble.empty()) continue;
    RecordProperty("run", i);
    RecordProperty("found_by", trouble.empty() ? "other bits" : trouble);
    return;
  }
  FAIL() << "not found in " << runs << " runs";
}

INSTANTIATE_TEST_SUITE_P(Faults, PlantedFault,
                         testing::Values(FaultCase{"NothingEmptied", Fault::kNothingEmptied},
                                         FaultCase{"EmptiedWhileRead", Fault::kEmptiedWhileRead},
                                         FaultCase{"PolledBeforePushed",
                                                   Fault::kPolledBeforePushed},
                                         FaultCase{"OwnShareFirst", Fault::kAddedBackwards, 4},
                                         FaultCase{"PeerNotHeard", Fault::kPeerNotHeard},
                                         FaultCase{"PeerNotTold", Fault::kPeerNotTold}),
                         [](const auto& info) { return info.param.name; });

// Only where stores arrive late (the adversarial schedule).
INSTANTIATE_TEST_SUITE_P(ChanceFaults, PlantedFault,
                         testing::Values(FaultCase{"TwoBuffers", Fault::kTwoBuffers, 2, true},
                                         FaultCase{"BorderNotSkipped", Fault::kBorderNotSkipped, 2,
                                                   true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
