#include "tests/engine/support/engine_runner.h"

#include <algorithm>

namespace slipstream::engine::test {

EngineStream::EngineStream() {
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
}

EngineStream::~EngineStream() { (void)cudaStreamDestroy(stream_); }

EngineRunner::EngineRunner(const std::string& directory, KvFormat format, std::int64_t cache_tokens)
    : engine_(Engine::load(directory, {.stream = stream_.get(),
                                       .kv_format = format,
                                       .cache_tokens = cache_tokens,
                                       .lora_norm_eps = {}})) {}

Step EngineRunner::start_sequence() {
  if (has_sequence_) engine_.free(sequence_);
  sequence_ = engine_.create_sequence();
  has_sequence_ = true;
  return [this](const std::vector<int>& ids, int /*first*/) {
    (void)engine_.prefill(sequence_, ids);
    Matrix result(static_cast<int>(ids.size()), engine_.vocab_size());
    const std::vector<float> logits = engine_.logits(sequence_);
    std::copy(logits.begin(), logits.end(), result.row(result.rows() - 1).begin());
    return result;
  };
}

}  // namespace slipstream::engine::test
