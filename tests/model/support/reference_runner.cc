#include "tests/model/support/reference_runner.h"

#include <algorithm>

namespace slipstream::model::test {

using reference::IndexLists;
using reference::kPageSize;
using reference::LatentFormat;
using reference::Numerics;
using reference::StepToken;
using reference::TokenPlace;

reference::Model load_reference(const std::string& directory, Mode mode, bool with_mtp) {
  Checkpoint checkpoint = Checkpoint::open(directory);
  if (mode == Mode::kExact) {
    checkpoint.config().lora_norm_eps = 1e-6F;
    return load_model(checkpoint, Numerics::exact_mode(), with_mtp);
  }
  const auto latent = mode == Mode::kBf16Cache ? LatentFormat::kBf16 : LatentFormat::kFp8;
  return load_model(checkpoint, Numerics::engine(checkpoint.config(), latent), with_mtp);
}

ReferenceRunner::ReferenceRunner(const reference::Model& model, int positions) : model_(model) {
  const int count = (positions + kPageSize - 1) / kPageSize;
  // Pages out of order, and page 0 unused: a kernel or reference that ignores the table must not
  // get away with it.
  pages_.emplace_back();
  for (int page = count; page > 0; --page) pages_.back().pages.push_back(page);
  caches_ = make_caches(model, count + 1);
}

reference::StepResult ReferenceRunner::step(const std::vector<int>& ids, int first) {
  std::vector<StepToken> tokens;
  for (const int id : ids) tokens.push_back({id, {0, first++}});
  return decode_step(model_, tokens, pages_, caches_);
}

Matrix ReferenceRunner::layer(int layer, const Matrix& hidden, int chunk, IndexLists& lists) {
  const bool shared = model_.config.indexer_type(layer) == IndexerType::kShared;
  Matrix result(hidden.rows(), hidden.columns());
  IndexLists all;
  for (int first = 0; first < hidden.rows(); first += chunk) {
    const int count = std::min(chunk, hidden.rows() - first);
    Matrix part(count, hidden.columns());
    std::vector<TokenPlace> places;
    IndexLists part_lists;
    for (int i = 0; i < count; ++i) {
      std::copy_n(hidden.row(first + i).begin(), hidden.columns(), part.row(i).begin());
      places.push_back({0, first + i});
      if (shared) part_lists.push_back(lists[first + i]);
    }
    const Matrix out = run_layer(model_, layer, part, places, pages_, caches_[layer], part_lists);
    for (int i = 0; i < count; ++i) {
      std::copy_n(out.row(i).begin(), hidden.columns(), result.row(first + i).begin());
      all.push_back(part_lists[i]);
    }
  }
  lists = std::move(all);
  return result;
}

}  // namespace slipstream::model::test
