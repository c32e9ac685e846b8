#include "model/logit_adjustment.h"

#include <limits>

namespace slipstream::model {

bool has_adjustment(const SamplingOptions& options, std::span<const LogitBias> bias) {
  return options.repetition_penalty != 1 || options.presence_penalty != 0 ||
         options.frequency_penalty != 0 || !bias.empty();
}

std::vector<float> masked_logits(std::span<const float> logits, std::span<const uint32_t> mask) {
  std::vector<float> result(logits.begin(), logits.end());
  if (mask.empty()) return result;
  for (size_t token = 0; token < result.size(); ++token) {
    const bool allowed = (mask[token / 32] >> token % 32 & 1U) != 0;
    if (!allowed) result[token] = -std::numeric_limits<float>::infinity();
  }
  return result;
}

std::vector<float> adjusted_logits(std::span<const float> logits, const SamplingOptions& options,
                                   std::span<const LogitBias> bias, const TokenHistory& history) {
  std::vector<float> result(logits.begin(), logits.end());
  std::vector<bool> seen(logits.size());
  std::vector<int> sampled(logits.size());
  for (const int token : history.given) seen[token] = true;
  for (const int token : history.sampled) {
    seen[token] = true;
    ++sampled[token];
  }
  for (const LogitBias& entry : bias) result[entry.token] += entry.bias;
  for (size_t token = 0; token < result.size(); ++token) {
    float& logit = result[token];
    if (seen[token]) {
      logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    }
    if (sampled[token] == 0) continue;
    logit -= options.frequency_penalty * static_cast<float>(sampled[token]);
    logit -= options.presence_penalty;
  }
  return result;
}

}  // namespace slipstream::model
