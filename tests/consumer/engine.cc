#include "engine.h"

#include <slipstream/engine.h>

#include <cstdio>

bool refuses_a_missing_model(cudaStream_t stream) {
  try {
    (void)slipstream::engine::Engine::load("no-such-model", {.stream = stream});
  } catch (const slipstream::InvalidArgument& error) {
    std::printf("%s\n", error.what());
    return true;
  }
  return false;
}
