#include "engine/device_rows.h"

#include <algorithm>
#include <bit>

namespace slipstream::engine {
namespace {

using step::kernels::kMaxTableEdits;
using step::kernels::kSampledToken;
using step::kernels::RowExtras;
using step::kernels::StepRow;
using step::kernels::TableEdits;

// But for the token.
bool same_row(const StepRow& a, const StepRow& b) {
  return a.position == b.position && a.sequence == b.sequence && a.temperature == b.temperature &&
         a.top_k == b.top_k && a.top_p == b.top_p && a.seed == b.seed && a.flags == b.flags &&
         a.next == b.next;
}

bool same_extras(const RowExtras& a, const RowExtras& b) {
  return a.min_p_distance == b.min_p_distance && a.repetition == b.repetition &&
         a.presence == b.presence && a.frequency == b.frequency && a.history == b.history &&
         a.logprobs == b.logprobs;
}

}  // namespace

int DeviceRows::index_of(int history, int token) const {
  return static_cast<int>(history * vocabulary_.size() + token - vocabulary_.begin);
}

void DeviceRows::set_page(int slot, size_t index, int page) {
  pages_.push_back({slot * workspace_.pages_per_sequence + static_cast<int>(index), page});
}

void DeviceRows::clear_history(int history) {
  const int64_t first = history * vocabulary_.size();
  const size_t bytes = vocabulary_.size() * sizeof(uint32_t);
  check_cuda(cudaMemsetAsync(workspace_.histories.data() + first, 0, bytes, stream_),
             "cudaMemset of a history");
  check_cuda(cudaMemsetAsync(workspace_.biases.data() + first, 0, bytes, stream_),
             "cudaMemset of biases");
}

void DeviceRows::add_to_history(int history, int token, int value) {
  if (token < vocabulary_.begin || token >= vocabulary_.end) return;
  histories_.push_back({index_of(history, token), value});
}

void DeviceRows::set_bias(int history, int token, float bias) {
  if (token < vocabulary_.begin || token >= vocabulary_.end) return;
  biases_.push_back({index_of(history, token), std::bit_cast<int>(bias)});
}

void DeviceRows::flush() {
  while (edits() > 0) launch({});
}

void DeviceRows::place(const std::vector<InputRow>& rows) {
  while (edits() > kMaxTableEdits) launch({});
  if (are_left(rows)) return flush();
  launch(rows);
  rows_ = rows;
  steps_followed_ = false;
}

bool DeviceRows::are_left(const std::vector<InputRow>& rows) const {
  return steps_followed_ && std::equal(rows.begin(), rows.end(), rows_.begin(), rows_.end(),
                                       [](const InputRow& wanted, const InputRow& left) {
                                         return left.is_sampled &&
                                                wanted.row.token == kSampledToken &&
                                                wanted.sequence == left.sequence &&
                                                wanted.is_sampled == left.is_sampled &&
                                                same_row(wanted.row, left.row) &&
                                                same_extras(wanted.extras, left.extras);
                                       });
}

void DeviceRows::advance() {
  steps_followed_ = true;
  for (InputRow& row : rows_) ++row.row.position;
}

void DeviceRows::forget() {
  rows_.clear();
  steps_followed_ = false;
}

void DeviceRows::launch(const std::vector<InputRow>& rows) {
  step::kernels::PlaceParams params{.rows = workspace_.rows.produced(),
                                    .extras = workspace_.extras.produced(),
                                    .last_tokens = workspace_.last_tokens.produced(),
                                    .pages = workspace_.pages.produced(),
                                    .histories = workspace_.histories_of(vocabulary_)};
  params.edits = take_edits();
  params.tokens = static_cast<int>(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    params.placed.rows[i] = rows[i].row;
    params.placed.extras[i] = rows[i].extras;
    if (rows[i].was_sampled) params.counted |= 1U << i;
  }
  // Only where new rows take their places.
  for (size_t i = 0; i < rows_.size() && steps_followed_ && !rows.empty(); ++i) {
    if (rows_[i].is_sampled) params.saved |= 1U << i;
  }
  step::kernels::current_set().place(params, {.stream = stream_});
}

TableEdits DeviceRows::take_edits() {
  TableEdits result;
  int count = 0;
  const auto take = [&](std::vector<Edit>& from, int& taken) {
    const auto most = static_cast<size_t>(kMaxTableEdits - count);
    taken = static_cast<int>(std::min(from.size(), most));
    for (int i = 0; i < taken; ++i) {
      result.index[count] = from[i].index;
      result.value[count++] = from[i].value;
    }
    from.erase(from.begin(), from.begin() + taken);
  };
  take(pages_, result.pages);
  take(histories_, result.histories);
  take(biases_, result.biases);
  return result;
}

}  // namespace slipstream::engine
