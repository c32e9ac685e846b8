// What the device's next step would process, and how it is changed: by one small launch in front of
// the step that carries all it writes, and only where the last step left other rows. Nothing waits
// for the device, and nothing of the host's is read later.
#pragma once

#include <cuda_runtime_api.h>

#include <span>
#include <vector>

#include "model/checkpoint.h"
#include "slipstream/engine.h"
#include "step/kernels/set.h"
#include "step/workspace.h"

namespace slipstream::engine {

struct InputRow {
  SequenceId sequence{};
  // Its token may be kSampledToken: the last one of the sequence that a step sampled.
  step::kernels::StepRow row = {};
  step::kernels::RowExtras extras = {};
  bool was_sampled = false;  // its token: counts as sampled, not as given
  bool is_sampled = false;   // a token is chosen after it
};

class DeviceRows {
 public:
  // All of them outlive this object; the workspace has its memory before anything is enqueued.
  DeviceRows(const step::Workspace& workspace, const model::Range& vocabulary, cudaStream_t stream)
      : workspace_(workspace), vocabulary_(vocabulary), stream_(stream) {}

  // Words of tables, written before the next rows are placed, or now by flush(). Tokens of other
  // ranks' parts of the vocabulary are left out.
  void set_page(int slot, size_t index, int page);
  void clear_history(int history);
  void add_to_history(int history, int token, int value);
  void set_bias(int history, int token, float bias);
  void flush();

  // Loads the launch, so that it holds up nobody later.
  void prepare() { launch({}); }
  // Makes `rows` the input of the next step, unless that is what the last step left.
  void place(const std::vector<InputRow>& rows);
  // A step of these rows has been enqueued: from now on the device has what comes after them.
  void advance();
  // The rows have been used for something else than a step.
  void forget();

 private:
  struct Edit {
    int index;
    int value;
  };

  [[nodiscard]] bool are_left(const std::vector<InputRow>& rows) const;
  void launch(const std::vector<InputRow>& rows);
  // Moves as many edits as fit into one launch.
  [[nodiscard]] step::kernels::TableEdits take_edits();
  [[nodiscard]] size_t edits() const { return pages_.size() + histories_.size() + biases_.size(); }
  [[nodiscard]] int index_of(int history, int token) const;

  const step::Workspace& workspace_;
  model::Range vocabulary_;
  cudaStream_t stream_;
  std::vector<InputRow> rows_;   // the last that were placed
  bool steps_followed_ = false;  // then the device has what the last of them left
  std::vector<Edit> pages_;
  std::vector<Edit> histories_;
  std::vector<Edit> biases_;
};

}  // namespace slipstream::engine
