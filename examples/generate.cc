// Tokens from a checkpoint with the C++ engine: token ids in, token ids out.
//
//   build/bin/make_tiny_checkpoint checkpoints deepseek-v32-tiny
//   build/bin/slipstream emulate -- build/bin/generate checkpoints/deepseek-v32-tiny 409 191 80 91 337
//
// On a GPU without `slipstream emulate --`. A checkpoint of a full-size model needs several ranks,
// and ranks do not talk to each other yet.
#include <cuda_runtime_api.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "slipstream/engine.h"
#include "slipstream/error.h"

namespace {

constexpr int kTokens = 4;

void generate(const char* checkpoint, const std::vector<int>& prompt) {
  cudaStream_t stream = nullptr;
  slipstream::check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
  // [generate.begin]
  using slipstream::engine::Engine;
  Engine engine = Engine::load(checkpoint, {.stream = stream, .cache_tokens = 1024});
  const auto sequence = engine.create_sequence({.temperature = 0});
  int token = engine.prefill(sequence, prompt);
  for (int i = 0; i < kTokens; ++i) {
    std::printf("%d\n", token);
    token = engine.step(std::array{sequence}).front();
  }
  engine.free(sequence);
  // [generate.end]
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: generate CHECKPOINT TOKEN_ID...\n");
    return 2;
  }
  std::vector<int> prompt;
  for (int i = 2; i < argc; ++i) prompt.push_back(std::atoi(argv[i]));
  try {
    generate(argv[1], prompt);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generate: %s\n", error.what());
    return 1;
  }
  return 0;
}
