// Mistakes in the protocol, planted by an exchange that hands wrong rows to the right kernels: each
// must show as another token or logit, as rows left in a window, or as a poll that waits in vain.
// Of a whole step's bits the order of a sum shows by chance only: poll_test.cc has values that tell
// one from another. The border between two steps did not show in 20 runs: windows_test.cc and
// agreement_test.cc, in which the test plays the peers, know it.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "pdl/device.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/rank_drafts.h"

namespace slipstream::step::test {
namespace {

constexpr uint64_t kLimit = 200'000'000;  // nanoseconds
constexpr int kRanks = 2;
constexpr int kExchanges = 4;  // of two layers

enum class Fault {
  kNone,
  kNothingEmptied,
  kEmptiedWhileRead,
  kTwoBuffers,
  kPolledBeforePushed,
  kPeerNotHeard,
  kPeerNotTold,
  // What a draft starts from:
  kStartNotEmptied,
  kStartEmptiedWhileRead,
  kStartInAnothersColumns,
  kPeerNotToldTheStart,
};

class FaultyExchange final : public Exchange {
 public:
  FaultyExchange(std::unique_ptr<PeerExchange> good, Fault fault)
      : good_(std::move(good)), fault_(fault) {}

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
    if (fault_ == Fault::kPeerNotHeard) --polled.ranks;
    return result;
  }

  [[nodiscard]] std::optional<GatheredColumns> gathered(int first) const override {
    if (fault_ == Fault::kStartInAnothersColumns) first = 0;
    GatheredColumns result = good_->gathered(first).value();
    if (fault_ == Fault::kStartEmptiedWhileRead) result.all.polled.emptied = result.emptied.pairs;
    if (fault_ == Fault::kStartNotEmptied) result.emptied = {};
    if (fault_ == Fault::kPeerNotToldTheStart) --result.own.peers.ranks;
    return result;
  }

  [[nodiscard]] kernels::SharedVocabulary vocabulary(int last) const override {
    kernels::SharedVocabulary result = good_->vocabulary(last);
    result.emptied = {pairs_of(last)};
    return result;
  }

  [[nodiscard]] Buffer buffer(int exchange) const override { return good_->buffer(exchange); }

 private:
  // An exchange whose buffer this one takes.
  [[nodiscard]] int in_buffer_of(int exchange) const {
    return fault_ == Fault::kTwoBuffers ? exchange % 2 : exchange;
  }
  [[nodiscard]] uint32_t* pairs_of(int exchange) const {
    return const_cast<uint32_t*>(good_->summed(in_buffer_of(exchange)).polled.pairs.get());
  }

  std::unique_ptr<PeerExchange> good_;
  Fault fault_;
};

struct FaultCase {
  const char* name;
  Fault fault;
};

// What all ranks have chosen, with and without drafts, and the logits.
using Results = std::pair<RankRuns::Run, std::vector<std::vector<int>>>;

class PlantedFault : public testing::TestWithParam<FaultCase> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < kRanks) GTEST_SKIP() << "needs " << kRanks << " devices";
    if (!is_gpu()) return;
    if (c_.fault == Fault::kTwoBuffers || c_.fault == Fault::kEmptiedWhileRead ||
        c_.fault == Fault::kStartEmptiedWhileRead) {
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
    return {directory, kRanks, [fault](const RankTeam& team, int rank) {
              return std::make_unique<FaultyExchange>(
                  team.exchange(rank, fault == Fault::kNone ? RankTeam::kForever : kLimit), fault);
            }};
  }

  [[nodiscard]] Results run(const RankRuns& runs) const {
    if (c_.fault < Fault::kStartNotEmptied) return {runs.run_steps(3, {}), {}};
    Results results;
    for (Generated& of_rank : generate_on_all(runs, 2, 3)) {
      results.second.push_back(std::move(of_rank.tokens));
    }
    return results;
  }

  FaultCase c_ = GetParam();
};

TEST_P(PlantedFault, Shows) {
  const RankRuns good = make_runs(Fault::kNone);
  const Results expected = run(good);
  ASSERT_EQ(good.trouble(), "");
  const RankRuns faulty = make_runs(c_.fault);
  const bool other_bits = run(faulty) != expected;
  const std::string trouble = faulty.trouble();
  EXPECT_TRUE(other_bits || !trouble.empty());
  RecordProperty("found_by", trouble.empty() ? "other bits" : trouble);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, PlantedFault,
    testing::Values(FaultCase{"NothingEmptied", Fault::kNothingEmptied},
                    FaultCase{"EmptiedWhileRead", Fault::kEmptiedWhileRead},
                    FaultCase{"TwoBuffers", Fault::kTwoBuffers},
                    FaultCase{"PolledBeforePushed", Fault::kPolledBeforePushed},
                    FaultCase{"PeerNotHeard", Fault::kPeerNotHeard},
                    FaultCase{"PeerNotTold", Fault::kPeerNotTold},
                    FaultCase{"StartNotEmptied", Fault::kStartNotEmptied},
                    FaultCase{"StartEmptiedWhileRead", Fault::kStartEmptiedWhileRead},
                    FaultCase{"StartInAnothersColumns", Fault::kStartInAnothersColumns},
                    FaultCase{"PeerNotToldTheStart", Fault::kPeerNotToldTheStart}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
