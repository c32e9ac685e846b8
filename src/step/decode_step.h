// One decode step: a loop over its list of launches. Enqueues and returns; nothing here touches the
// host's copy of anything.
#pragma once

#include <span>
#include <vector>

#include "step/launch_list.h"

namespace slipstream::step {

// How many rows a step has, and what it does besides choosing a token after each.
struct StepShape {
  int sequences = 1;
  // Of each sequence: its rows, drafts + 1 side by side, are its newest token and the drafts of those
  // that follow (token 0 where there is none yet), at positions one after the other.
  int drafts = 0;
  // The MTP layer's caches are filled for all rows, as those of a prompt must be, and of every step
  // of a sequence that drafts later. Of a step with drafts they are in any case.
  bool catches_up = false;

  [[nodiscard]] int rows() const { return sequences * (drafts + 1); }
  // Positions, from a sequence's first row on, that the step may write to: those of its rows, and if
  // all drafts are right those of the new drafts but the last.
  [[nodiscard]] int reach() const { return drafts == 0 ? 1 : 2 * drafts; }
};

// What a step leaves in the workspace, with m = drafts + 1 rows of each sequence s:
//   sampled[s m + i]   the token that the model chooses after row i
//   sampled[16 + s]    steps with drafts: how many of these the sequence has won, 1 to m
//   rows               the next step's, of the same shape: s m is the last token won, at the
//                      position after it, then the new drafts
//   logits, normed     of all rows of a step without drafts; of one with drafts, `logits` only
// Without drafts each row is its own, whatever its sequence. No cache is rolled back: what rejected
// drafts left is written again before it is read. The pages of a sequence must cover
// StepShape::reach() positions.
//
// In a step that catches up, StepRow::next says what follows a prompt's token; the last one of the
// prompt has kUnknownToken, and gets the token that is chosen after it.
//
// Flags of rows: steps with drafts take kMinP and kWantsLogprobs, with the same extras in all rows
// of a sequence. The others must not be set, since they would see drafts that are rejected.
class DecodeStep {
 public:
  // All of the parts, and the caches, outlive this object. With the weights of an MTP layer `caches`
  // has one entry more, that layer's.
  DecodeStep(const StepParts& parts, const std::vector<LayerCache>& caches);

  // Of a step without drafts that does not catch up.
  [[nodiscard]] std::span<const StepLaunch> launches() const { return launches_; }
  // What takes the place of the last of them, in a step that drafts or catches up.
  [[nodiscard]] std::span<const StepLaunch> draft_launches(int drafts) const {
    return drafts_.at(drafts);
  }

  // The step of the `tokens` tokens in workspace.rows.
  void enqueue(int tokens, const pdl::LaunchOptions& options) const;
  // A step of any shape. All but plain ones need the weights of an MTP layer.
  void enqueue(const StepShape& shape, const pdl::LaunchOptions& options) const;

 private:
  std::vector<StepLaunch> launches_;
  std::vector<std::vector<StepLaunch>> drafts_;  // by their number
};

}  // namespace slipstream::step
