#include "engine/inspection.h"

#include "engine/engine_impl.h"

namespace slipstream::engine {

Inspection::Inspection(const Engine& engine) : impl_(engine.impl()) {}

LayerResult Inspection::run_layer(int layer, std::span<const float> hidden,
                                  std::span<const IndexList> lists) {
  return impl_.run_layer(layer, hidden, lists);
}

int Inspection::launches_per_step(int tokens) const {
  return impl_.rank().launches_per_step(tokens);
}

int Inspection::early_launches_per_step(int tokens) const {
  return impl_.rank().early_launches_per_step(tokens);
}

}  // namespace slipstream::engine
