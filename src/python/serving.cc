// slipstream/serving.h for Python: steps of mixed rows, enqueued ahead. python/slipstream/serving.py has the types; here a
// step is a few flat lists, since a server asks for one every few milliseconds.
#include <fmt/format.h>
#include <tvm/ffi/tvm_ffi.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "python/call.h"
#include "python/engine_handle.h"
#include "python/export.h"
#include "python/named_options.h"
#include "slipstream/engine.h"

namespace slipstream::python {
namespace {

using engine::Engine;
using engine::SequenceId;
using engine::StepPart;
using engine::StepToken;
using tvm::ffi::Any;
using tvm::ffi::TensorView;

// The rows of all masks of a step: int32 [rows, words].
class Masks {
 public:
  explicit Masks(const tvm::ffi::Optional<TensorView>& rows) {
    if (rows.has_value()) rows_ = rows.value();
    if (rows_ && rows_->ndim() != 2) throw InvalidArgument("enqueue: masks must be [rows, words]");
  }

  [[nodiscard]] std::vector<uint32_t> row(int64_t index) const {
    if (index < 0) return {};
    if (!rows_ || index >= rows_->size(0)) throw InvalidArgument("enqueue: a mask is missing");
    const auto words = static_cast<size_t>(rows_->size(1));
    const uint32_t* begin =
        static_cast<const uint32_t*>(rows_->data_ptr()) + static_cast<size_t>(index) * words;
    return {begin, begin + words};
  }

 private:
  std::optional<TensorView> rows_;
};

Any to_python(const std::optional<TokenLogprobs>& logprobs) {
  if (!logprobs) return nullptr;
  tvm::ffi::Array<int64_t> ids;
  tvm::ffi::Array<double> values;
  for (const int id : logprobs->ids) ids.push_back(id);
  for (const float value : logprobs->logprobs) values.push_back(value);
  return tvm::ffi::Array<Any>{logprobs->logprob, logprobs->rank, ids, values};
}

int64_t engine_cache_pages(const EngineHandle& handle) {
  return with_python_errors(
      [&] { return handle->use([](Engine& engine) { return engine.cache_pages(); }); });
}

void engine_append_pages(const EngineHandle& handle, int64_t sequence, const Integers& pages) {
  with_python_errors([&] {
    handle->use([&](Engine& engine) {
      engine.append_pages(SequenceId{sequence}, to_ints("append_pages: pages", pages));
    });
  });
}

// Part `i` has the next counts[i] of `ids`, and the row mask_rows[i] of `masks` (-1: none).
int64_t engine_enqueue(const EngineHandle& handle, const Integers& sequences,
                       const Integers& counts, const Integers& ids, const Integers& samples,
                       const Integers& mask_rows, const tvm::ffi::Optional<TensorView>& masks) {
  return with_python_errors([&] {
    const Masks all_masks(masks);
    const std::vector<int> all_ids = to_ints("enqueue: ids", ids);
    std::vector<StepPart> parts;
    auto next = all_ids.begin();
    for (int64_t index = 0; index < static_cast<int64_t>(sequences.size()); ++index) {
      const auto end = next + counts[index];
      parts.push_back({.sequence = SequenceId{sequences[index]},
                       .ids = {next, end},
                       .sample = samples[index] != 0,
                       .mask = all_masks.row(mask_rows[index])});
      next = end;
    }
    return handle->use([&](Engine& engine) { return static_cast<int64_t>(engine.enqueue(parts)); });
  });
}

// Of each part [sequence, token, is_stop, None or [logprob, rank, ids, logprobs]].
tvm::ffi::Array<Any> engine_wait(const EngineHandle& handle, int64_t ticket) {
  return with_python_errors([&] {
    const std::vector<StepToken> tokens =
        handle->use_meanwhile([&](Engine& engine) { return engine.wait(engine::Ticket{ticket}); });
    tvm::ffi::Array<Any> result;
    for (const StepToken& token : tokens) {
      result.push_back(tvm::ffi::Array<Any>{static_cast<int64_t>(token.sequence), token.token,
                                            token.is_stop, to_python(token.logprobs)});
    }
    return result;
  });
}

}  // namespace

SLIPSTREAM_EXPORT(engine_cache_pages, engine_cache_pages)
SLIPSTREAM_EXPORT(engine_append_pages, engine_append_pages)
SLIPSTREAM_EXPORT(engine_enqueue, engine_enqueue)
SLIPSTREAM_EXPORT(engine_wait, engine_wait)

}  // namespace slipstream::python
