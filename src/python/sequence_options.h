// What a sequence is created with, from a dictionary of Python's.
#pragma once

#include <vector>

#include "python/named_options.h"
#include "slipstream/sampling.h"
#include "slipstream/serving.h"

namespace slipstream::python {

inline SamplingOptions sampling_of(NamedOptions& options) {
  SamplingOptions result;
  options.read("temperature", result.temperature);
  options.read("top_k", result.top_k);
  options.read("top_p", result.top_p);
  options.read("seed", result.seed);
  options.read("min_p", result.min_p);
  options.read("repetition_penalty", result.repetition_penalty);
  options.read("presence_penalty", result.presence_penalty);
  options.read("frequency_penalty", result.frequency_penalty);
  options.read("logprobs", result.logprobs);
  return result;
}

inline std::vector<LogitBias> logit_bias_of(NamedOptions& options) {
  std::vector<int> tokens;
  options.read("logit_bias_tokens", tokens);
  std::vector<LogitBias> result;
  const auto biases = options.find<tvm::ffi::Array<double>>("logit_biases", "a list of numbers");
  for (size_t index = 0; index < tokens.size(); ++index) {
    result.push_back({tokens[index], static_cast<float>((*biases)[static_cast<int64_t>(index)])});
  }
  return result;
}

inline engine::SequenceOptions sequence_options_of(const OptionMap& given) {
  NamedOptions options("create_sequence", given);
  engine::SequenceOptions result{.sampling = sampling_of(options),
                                 .logit_bias = logit_bias_of(options)};
  options.read("stop_token_ids", result.stop_token_ids);
  options.read("pages", result.pages);
  options.read("length", result.length);
  options.read("given_ids", result.given_ids);
  options.read("sampled_ids", result.sampled_ids);
  return result;
}

}  // namespace slipstream::python
