// What rank 0 has the other ranks do, so that all of them keep the same books and enqueue the same
// steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "slipstream/serving.h"

namespace slipstream::engine {

struct Command {
  enum class Kind : uint8_t {
    kCreate,       // options
    kFree,         // sequences[0]
    kPrefill,      // sequences[0], ids
    kForce,        // sequences[0], ids[0]
    kAppendPages,  // sequences[0], ids: pages
    kEnqueue,      // parts
    kBeginRun,     // sequences, number: tokens of each
    kStep,      // the next one of the run; number: drafts; ids[0]: steps that rank 0 has received
    kEndRun,    // number: tokens of each sequence that count; ids[0] as above
    kLogits,    // sequences[0]
    kRunLayer,  // number: layer; hidden, lists
    kStop,
  };

  Kind kind = Kind::kStop;
  // Of all tokens that rank 0 has seen before: the others have seen the same, or something is wrong.
  uint64_t tokens_seen = 0;
  int64_t settled_steps = 0;  // of enqueued ones: those are the tokens that rank 0 has seen of them
  int64_t number = 0;
  SequenceOptions options{};
  std::vector<StepPart> parts;
  std::vector<int64_t> sequences;
  std::vector<int> ids;
  std::vector<float> hidden;
  std::vector<std::vector<int>> lists;
};

[[nodiscard]] std::string encode(const Command& command);
// Throws RankError if it is none.
[[nodiscard]] Command decode_command(const std::string& bytes);

}  // namespace slipstream::engine
