// Runs the reference on a tiny checkpoint.
#pragma once

#include <memory>
#include <string>

#include "model/reference/decode_step.h"
#include "tests/model/support/golden.h"

namespace slipstream::model::test {

// Numerics by name, so that tests read well.
enum class Mode { kExact, kBf16Cache, kFp8Cache };

// The model of a tiny checkpoint; exact mode takes transformers' epsilon for GLM's q_a and kv_a
// norms, which the goldens were made with.
[[nodiscard]] reference::Model load_reference(const std::string& directory, Mode mode,
                                              bool with_mtp = false);

// One sequence with caches of its own and room for `positions`.
class ReferenceRunner {
 public:
  ReferenceRunner(const reference::Model& model, int positions);

  reference::StepResult step(const std::vector<int>& ids, int first);
  // One layer alone on `hidden`, positions 0, 1, ..., in chunks of `chunk`; `lists` of a shared
  // layer are given.
  Matrix layer(int layer, const Matrix& hidden, int chunk, reference::IndexLists& lists);

 private:
  const reference::Model& model_;
  std::vector<reference::PageTable> pages_;
  std::vector<reference::LayerCache> caches_;
};

}  // namespace slipstream::model::test
