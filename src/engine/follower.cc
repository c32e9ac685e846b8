#include "engine/follower.h"

#include <fmt/core.h>

#include <cstring>
#include <memory>

#include "engine/ranks/command.h"
#include "engine/ranks/near_cpus.h"

namespace slipstream::engine {
namespace {

void require_same_tokens(const Command& command, const RankEngine& rank, const Meeting& meeting) {
  if (command.tokens_seen == rank.tokens_seen()) return;
  throw RankError(
      fmt::format("rank {} must choose the tokens that rank 0 chooses, does not", meeting.rank()));
}

std::vector<SequenceId> ids_of(const Command& command) {
  std::vector<SequenceId> result;
  for (const int64_t sequence : command.sequences) result.push_back(SequenceId{sequence});
  return result;
}

void obey(const Command& command, RankEngine& rank, Meeting& meeting) {
  const std::vector<SequenceId> sequences = ids_of(command);
  switch (command.kind) {
    case Command::Kind::kCreate:
      (void)rank.create_sequence(command.options);
      return;
    case Command::Kind::kFree:
      return rank.free(sequences.at(0));
    case Command::Kind::kPrefill:
      (void)rank.prefill(sequences.at(0), command.ids);
      return;
    case Command::Kind::kAppendPages:
      return rank.append_pages(sequences.at(0), command.ids);
    case Command::Kind::kEnqueue:
      (void)rank.enqueue(command.parts);
      return;
    case Command::Kind::kForce:
      return rank.force(sequences.at(0), command.ids.at(0));
    case Command::Kind::kBeginRun:
      return rank.begin_run(sequences, static_cast<int>(command.number));
    case Command::Kind::kStep:
      return rank.enqueue_step(rank.step_with(static_cast<int>(command.number)));
    case Command::Kind::kEndRun:
      return rank.end_run(static_cast<int>(command.number), command.ids.at(0));
    case Command::Kind::kLogits:
      (void)gather_logits(meeting, rank.logits(sequences.at(0)));
      return;
    case Command::Kind::kRunLayer:
      (void)rank.run_layer(static_cast<int>(command.number), command.hidden, command.lists);
      return;
    case Command::Kind::kStop:
      return;
  }
}

}  // namespace

void follow_rank_0(RankEngine& rank, Meeting& meeting) {
  try {
    while (true) {
      const Command command = decode_command(meeting.receive());
      if (command.kind == Command::Kind::kStop) return;
      rank.settle_until(command.settled_steps);
      // What rank 0 knew when it enqueued the step.
      if (command.kind == Command::Kind::kStep) rank.receive_until(command.ids.at(0));
      if (command.kind != Command::Kind::kEndRun) require_same_tokens(command, rank, meeting);
      try {
        obey(command, rank, meeting);
      } catch (const InvalidArgument&) {
        // Rank 0's call throws the same, and nothing has changed on any rank.
      }
    }
  } catch (const std::exception& error) {
    fail_for(meeting, error);
    throw RankError(meeting.failure());
  }
}

void run_follower(const std::string& directory, const LoadOptions& options,
                  Meeting& meeting) noexcept {
  try {
    check_cuda(cudaSetDevice(meeting.rank()), "cudaSetDevice");
    keep_thread_near_gpu();
    auto rank = std::make_unique<RankEngine>(directory, options, &meeting);
    try {
      follow_rank_0(*rank, meeting);
    } catch (const RankError&) {
      RankEngine::end(std::move(rank));
      throw;
    }
  } catch (const std::exception& error) {
    fail_for(meeting, error);
  }
}

std::vector<float> gather_logits(Meeting& meeting, const std::vector<float>& part) {
  const std::string mine(reinterpret_cast<const char*>(part.data()), part.size() * sizeof(float));
  std::string all;
  for (const std::string& bytes : meeting.gather(mine)) all += bytes;
  std::vector<float> result(all.size() / sizeof(float));
  std::memcpy(result.data(), all.data(), all.size());
  return result;
}

}  // namespace slipstream::engine
