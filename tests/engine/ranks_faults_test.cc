// What all ranks say when one of them falls silent, fails, or does not fit to the others. Each ends
// within seconds, and leaves no GPU busy.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include "engine/rank_engine.h"
#include "engine/ranks/thread_meeting.h"
#include "pdl/device.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/editable.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr double kForever = 600;  // of a poll
constexpr int kRanks = 2;

const std::string& ranks_checkpoint() {
  return model::test::Shape{"RanksFaults", "deepseek-v32-ranks-tiny",
                            R"({"index_topk": 8, "index_n_heads": 8, "intermediate_size": 256,
                                "moe_intermediate_size": 256})"}
      .directory();
}

LoadOptions options(double poll_limit = kForever) {
  return {.cache_tokens = 64, .max_sequences = 1, .poll_limit = poll_limit, .lora_norm_eps = {}};
}

class RanksFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (pdl::device_count() < kRanks) GTEST_SKIP() << "needs " << kRanks << " GPUs";
    (void)ranks_checkpoint();  // written by one thread
  }

  // Calls work(rank, meeting) on a thread of each rank, with its GPU current, and returns what each
  // throws.
  static std::vector<std::string> errors_of(const std::function<void(int, Meeting&)>& work) {
    std::vector<std::string> errors(kRanks);
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<Meeting>> meetings = make_thread_meetings(kRanks);
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          check_cuda(cudaSetDevice(rank), "cudaSetDevice");
          work(rank, *meetings[rank]);
        } catch (const std::exception& error) {
          errors[rank] = error.what();
        }
        check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize: the GPU is idle");
      });
    }
    for (std::thread& thread : threads) thread.join();
    return errors;
  }
};

TEST_F(RanksFaults, NamesARankThatFallsSilentAndWhere) {
  Clock::time_point begin;
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    RankEngine engine(ranks_checkpoint(), options(0.5), &meeting);
    const SequenceId sequence = engine.create_sequence({});
    if (rank == 1) {
      // As a process that was stopped: it has loaded, and does nothing any more.
      while (meeting.failure().empty()) std::this_thread::sleep_for(1ms);
      throw RankError(meeting.failure());
    }
    begin = Clock::now();
    (void)engine.prefill(sequence, some_ids(3));
  });
  // Which of the tokens' polls gives up first is chance.
  EXPECT_TRUE(
      errors.front().starts_with("rank 0 heard nothing from rank 1 for 0.5 s (step 0, "
                                 "exchange 0: after attention of layer 0, token "))
      << errors.front();
  EXPECT_EQ(errors, std::vector<std::string>(kRanks, errors.front()));
  EXPECT_LT(Clock::now() - begin, 5s);
}

TEST_F(RanksFaults, TellsWhoeverWaitsForAnEnqueuedStep) {
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    RankEngine engine(ranks_checkpoint(), options(0.5), &meeting);
    const std::array parts = {StepPart{.sequence = engine.create_sequence({}), .ids = some_ids(3)}};
    if (rank == 1) {
      while (meeting.failure().empty()) std::this_thread::sleep_for(1ms);
      throw RankError(meeting.failure());
    }
    const Ticket ticket = engine.enqueue(parts);
    (void)engine.wait(ticket);
  });
  EXPECT_TRUE(errors.front().starts_with("rank 0 heard nothing from rank 1 for 0.5 s (step 0, "))
      << errors.front();
  EXPECT_EQ(errors, std::vector<std::string>(kRanks, errors.front()));
}

TEST_F(RanksFaults, ReleasesRanksThatWaitForOneThatFails) {
  Clock::time_point begin;
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    RankEngine engine(ranks_checkpoint(), options(), &meeting);
    const SequenceId sequence = engine.create_sequence({});
    if (rank == 1) {
      std::this_thread::sleep_for(100ms);
      begin = Clock::now();
      fail_for(meeting, Error("out of paper"));
      return;
    }
    (void)engine.prefill(sequence, some_ids(3));
  });
  EXPECT_EQ(errors.front(), "rank 1: out of paper");
  EXPECT_LT(Clock::now() - begin, 5s);
}

TEST_F(RanksFaults, ThrowsOnAllRanksWhatOneFindsInItsFiles) {
  model::test::Editable broken("deepseek-v32-ranks-tiny");
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  broken.remove(name);
  const std::string directory = broken.write();
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    const RankEngine engine(rank == 1 ? directory : ranks_checkpoint(), options(), &meeting);
  });
  EXPECT_EQ(errors, std::vector<std::string>(
                        kRanks, "rank 1: " + directory + ": tensor " + name +
                                    " must be there with shape [256, 1024], is missing"));
}

TEST_F(RanksFaults, NamesTheRankWhoseGpuHasTooLittleMemory) {
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    LoadOptions large = options();
    if (rank == 1) large.cache_tokens = 2'000'000'000;
    const RankEngine engine(ranks_checkpoint(), large, &meeting);
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(error.starts_with("rank 1: weights (")) << error;
    EXPECT_NE(error.find("must fit into device memory: "), std::string::npos) << error;
  }
}

TEST_F(RanksFaults, ComparesCheckpointsBeforeAnythingIsTaken) {
  model::test::Editable other("deepseek-v32-ranks-tiny");
  other.replace_floats("model.layers.1.mlp.gate.e_score_correction_bias",
                       std::vector<float>(8, 0.25F));
  const std::string directory = other.write();
  const std::string& same = model::test::tiny_checkpoint("deepseek-v32-ranks-tiny");
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    const RankEngine engine(rank == 1 ? directory : same, options(), &meeting);
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(
        error.starts_with("the checkpoint (a checksum of config, tensors and norms) must be "
                          "the same on all ranks, is "))
        << error;
    EXPECT_TRUE(error.ends_with(" on rank 1")) << error;
  }
}

TEST_F(RanksFaults, ComparesOptions) {
  const std::vector<std::string> errors = errors_of([&](int rank, Meeting& meeting) {
    LoadOptions mine = options();
    if (rank == 1) mine.kv_format = KvFormat::kFp8;
    const RankEngine engine(ranks_checkpoint(), mine, &meeting);
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(error.starts_with("the load options must be the same on all ranks, is ")) << error;
  }
}

}  // namespace
}  // namespace slipstream::engine::test
