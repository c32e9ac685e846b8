// The goldens stored with the tests: what the tiny checkpoints must answer, how an engine is run on
// them, and the limits that a right engine reaches. Nothing here knows which engine it judges: the
// reference and the GPU engine come as functions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/matrix.h"
#include "model/safetensors.h"

namespace slipstream::model::tiny {

struct GoldenPrompt {
  std::vector<int> ids;
  std::vector<int> continuation;
  double engine_cosine_mean = 0;
  double engine_argmax_agreement = 0;
  Matrix logits;  // [24, vocab], exact

  // What an engine processes to produce `logits`: the prompt and the continuation without its last
  // token.
  [[nodiscard]] std::vector<int> processed_ids() const;
};

// What a right engine reaches at least or at most; set from correct variants and planted bugs,
// never to be widened.
struct GoldenLimits {
  double cosine_drop = 0;      // pooled mean cosine below the simulated engine's
  double argmax_drop = 0.10;   // the same for argmax agreement
  double layer_error_p50 = 0;  // one layer alone, relative error per position
  double layer_error_p75 = 0;
  double overlap_layer_mean = 0;  // with the exact index lists, from exact layer inputs
  double overlap_worst_row = 0.92;
  double draft_cosine = 0;  // the worst prompt's mean cosine of drafts
};

class Golden {
 public:
  static constexpr int kIndexTopK = 64;

  // DIRECTORY/NAME.json and .safetensors. Throws InvalidArgument if they are not what they must be.
  Golden(const std::string& directory, const std::string& name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<GoldenPrompt>& prompts() const { return prompts_; }
  [[nodiscard]] GoldenLimits limits() const;

  // Prompts with layer inputs and index lists.
  [[nodiscard]] static std::vector<int> detailed_prompts() { return {1, 2}; }
  // Row `layer` of layers.exact: [positions, hidden]; after the last layer the final norm's
  // result.
  [[nodiscard]] Matrix layer_input(int prompt, int layer) const;
  [[nodiscard]] bool has_lists(int prompt, int layer) const;
  // Prompts with drafts.
  [[nodiscard]] static std::vector<int> drafted_prompts() { return {0, 1}; }
  // The MTP layer's logits at the positions of processed_ids(): row p is about the token of p + 2.
  [[nodiscard]] Matrix drafts(int prompt) const;
  // Lists of every position, ascending; those below index_topk are all positions up to their own.
  [[nodiscard]] std::vector<std::vector<int>> lists(int prompt, int layer) const;

 private:
  std::string name_;
  TensorStore store_;
  std::vector<GoldenPrompt> prompts_;
};

[[nodiscard]] std::vector<std::string> golden_names();
// Those of checkpoints that 2, 4 and 8 ranks can share. Limits are taken over from the others.
[[nodiscard]] std::vector<std::string> rank_golden_names();

// Processes `ids` at positions from `first` on as one step; returns the logits of each, [ids,
// vocab].
using Step = std::function<Matrix(const std::vector<int>& ids, int first)>;

// Prefills the prompt in chunks of `chunk` and then decodes token by token along the continuation:
// [24, vocab].
[[nodiscard]] Matrix teacher_forced_logits(const GoldenPrompt& prompt, int chunk, const Step& step);

// Mean over rows.
[[nodiscard]] double mean_cosine(const Matrix& a, const Matrix& b);
[[nodiscard]] double argmax_agreement(const Matrix& a, const Matrix& b);

}  // namespace slipstream::model::tiny
