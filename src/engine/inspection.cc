#include "engine/inspection.h"

#include "engine/engine_impl.h"

namespace slipstream::engine {

Inspection::Inspection(const Engine& engine) : impl_(engine.impl()) {}

LayerResult Inspection::run_layer(int layer, std::span<const float> hidden,
                                  std::span<const IndexList> lists) {
  return impl_.run_layer(layer, hidden, lists);
}

int Inspection::launches_per_step(int sequences, int drafts) const {
  return impl_.rank().launches_per_step(sequences, drafts);
}

int Inspection::early_launches_per_step(int sequences, int drafts) const {
  return impl_.rank().early_launches_per_step(sequences, drafts);
}

void Inspection::set_draft_source(const DraftSource& source) {
  impl_.rank().set_draft_source(source);
}

std::vector<std::byte> Inspection::cache_rows(SequenceId sequence) const {
  return impl_.rank().cache_rows(sequence);
}

}  // namespace slipstream::engine
