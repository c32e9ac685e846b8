// What tests and tools look at: one layer alone, and rows of the caches.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/rank_engine.h"
#include "model/float_formats.h"

namespace slipstream::engine {
namespace {

using step::kernels::kFp8RowBytes;
using step::kernels::kIndexPageBytes;
using step::kernels::kIndexWidth;
using step::kernels::kLatentRow;
using step::kernels::kPageSize;

std::vector<float> download_bf16(const __nv_bfloat16* source, size_t count, cudaStream_t stream) {
  std::vector<uint16_t> bits(count);
  check_cuda(cudaMemcpyAsync(bits.data(), source, count * sizeof(uint16_t), cudaMemcpyDeviceToHost,
                             stream),
             "copy of hidden states");
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  std::vector<float> values(count);
  std::transform(bits.begin(), bits.end(), values.begin(), model::bf16_to_float);
  return values;
}

template <class T>
void upload(T* target, const std::vector<T>& values, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(target, values.data(), values.size() * sizeof(T),
                             cudaMemcpyHostToDevice, stream),
             "copy of a layer's input");
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace

LayerResult RankEngine::run_layer(int layer, std::span<const float> hidden,
                                  std::span<const IndexList> lists) {
  require_idle();
  if (layer < 0 || layer >= config().num_hidden_layers) {
    throw InvalidArgument(
        fmt::format("layer must be from 0 to {}, is {}", config().num_hidden_layers - 1, layer));
  }
  const int width = config().hidden_size;
  const size_t rows_given = hidden.size() / width;
  if (rows_given == 0 || hidden.size() % width != 0 ||
      rows_given > static_cast<size_t>(positions_)) {
    throw InvalidArgument(
        fmt::format("hidden must have 1 to {} rows of hidden_size = {}, has {} values", positions_,
                    width, hidden.size()));
  }
  const int tokens = static_cast<int>(rows_given);
  const model::IndexerType type = config().indexer_type(layer);
  const bool shared = type == model::IndexerType::kShared;
  if (lists.size() != (shared ? static_cast<size_t>(tokens) : 0)) {
    throw InvalidArgument(fmt::format("lists of layer {} must be {}, are {}", layer,
                                      shared ? tokens : 0, lists.size()));
  }

  const int pages = (tokens + kPageSize - 1) / kPageSize;
  const step::LayerCache cache = step::make_layer_cache(
      {pages, options_.kv_format == KvFormat::kFp8}, type == model::IndexerType::kFull);
  const std::vector<step::StepLaunch> launches =
      step::list_layer(parts(), layer, cache, step::Stream::kResidual);
  Sequence alone;
  alone.slot = options_.max_sequences;
  // Slots are positions, so that lists of slots are lists of positions.
  for (int page = 0; page < pages; ++page) alone.pages.push_back(page);
  rows_of_logits_.clear();

  // All ranks have taken what they need before one waits for another.
  if (member_ != nullptr) member_->meet();
  LayerResult result;
  for (int first = 0; first < tokens; first += kMaxStepTokens) {
    const int count = std::min(kMaxStepTokens, tokens - first);
    std::vector<InputRow> rows(count);
    for (int i = 0; i < count; ++i) {
      rows[i].row.position = first + i;
      rows[i].row.sequence = alone.slot;
    }
    place(std::array{&alone}, rows);
    copy_layer_input(hidden, first, count);
    if (shared) copy_lists(lists, first, count);
    for (const step::StepLaunch& launch : launches) {
      launch.enqueue(count, {.stream = options_.stream});
    }
    read_layer_output(layer, count, result.hidden);
    read_lists(first, count, result.lists);
  }
  rows_.forget();
  return result;
}

std::vector<std::byte> RankEngine::cache_rows(SequenceId id) {
  require_idle();
  const Sequence& sequence = sequences_.at(id);
  synchronize();
  std::vector<std::byte> result;
  const auto append = [&](const std::byte* source, size_t bytes) {
    const size_t size = result.size();
    result.resize(size + bytes);
    check_cuda(cudaMemcpy(result.data() + size, source, bytes, cudaMemcpyDeviceToHost),
               "copy of cache rows");
  };
  const size_t row_bytes =
      options_.kv_format == KvFormat::kFp8 ? kFp8RowBytes : kLatentRow * sizeof(__nv_bfloat16);
  for (const step::LayerCache& cache : caches_) {
    for (int64_t position = 0; position < sequence.length; ++position) {
      const int64_t page = sequence.pages[position / kPageSize];
      const int64_t row = position % kPageSize;
      append(cache.latent.data() + (page * kPageSize + row) * row_bytes, row_bytes);
      if (cache.index_keys.bytes() == 0) continue;
      const std::byte* keys = cache.index_keys.data() + page * kIndexPageBytes;
      append(keys + row * kIndexWidth, kIndexWidth);
      append(keys + int64_t{kPageSize} * kIndexWidth + row * sizeof(float), sizeof(float));
    }
  }
  return result;
}

void RankEngine::copy_layer_input(std::span<const float> hidden, int first, int count) {
  const size_t width = config().hidden_size;
  std::vector<uint16_t> bits(count * width);
  const std::span<const float> rows = hidden.subspan(first * width, bits.size());
  std::transform(rows.begin(), rows.end(), bits.begin(), model::float_to_bf16);
  upload(reinterpret_cast<uint16_t*>(workspace_.residual.data()), bits, options_.stream);
}

void RankEngine::copy_lists(std::span<const IndexList> lists, int first, int count) {
  const int topk = config().index_topk;
  std::vector<int> flat(static_cast<size_t>(count) * topk);
  for (int i = 0; i < count; ++i) {
    const int position = first + i;
    if (position < topk) continue;  // every position, whatever the list says
    const IndexList& list = lists[position];
    const bool inside = std::all_of(list.begin(), list.end(),
                                    [&](int other) { return other >= 0 && other <= position; });
    if (list.size() != static_cast<size_t>(topk) || !inside) {
      throw InvalidArgument(
          fmt::format("list of position {} must be index_topk = {} positions up to it, is another",
                      position, topk));
    }
    std::copy(list.begin(), list.end(), flat.begin() + static_cast<ptrdiff_t>(i) * topk);
  }
  upload(workspace_.lists.data(), flat, options_.stream);
}

void RankEngine::read_layer_output(int layer, int count, std::vector<float>& hidden) {
  const size_t size = static_cast<size_t>(count) * config().hidden_size;
  const bool is_last = layer + 1 == config().num_hidden_layers;
  if (is_last) step::list_head(parts()).enqueue(count, {.stream = options_.stream});
  synchronize();
  if (is_last) {
    const auto normed = download_bf16(workspace_.normed.data(), size, options_.stream);
    hidden.insert(hidden.end(), normed.begin(), normed.end());
  } else {
    const auto residual = download_bf16(workspace_.residual.data(), size, options_.stream);
    const std::vector<float> delta = read_sums(layer, count);
    for (size_t i = 0; i < size; ++i) hidden.push_back(residual[i] + delta[i]);
  }
  if (member_ != nullptr) {
    member_->meet();
    member_->clear();
  }
}

std::vector<float> RankEngine::read_sums(int layer, int count) {
  if (member_ == nullptr) {
    return download_bf16(workspace_.delta.data(), static_cast<size_t>(count) * config().hidden_size,
                         options_.stream);
  }
  member_->meet();
  return step::download_sums(member_->windows(), config(), step::mlp_exchange(layer), count,
                             options_.stream);
}

void RankEngine::read_lists(int first, int count, std::vector<IndexList>& lists) {
  // A model without an indexer keeps no lists: its tokens take every position.
  const int topk = config().index_topk;
  std::vector<int> flat(static_cast<size_t>(count) * topk);
  check_cuda(cudaMemcpyAsync(flat.data(), workspace_.lists.data(), flat.size() * sizeof(int),
                             cudaMemcpyDeviceToHost, options_.stream),
             "copy of the index lists");
  synchronize();
  for (int i = 0; i < count; ++i) {
    const int keys = first + i + 1;
    const auto kept = flat.begin() + static_cast<ptrdiff_t>(i) * topk;
    IndexList& list = lists.emplace_back(kept, kept + (keys > topk ? topk : 0));
    if (list.empty()) {
      list.resize(keys);
      std::iota(list.begin(), list.end(), 0);
    }
  }
}

}  // namespace slipstream::engine
