#include "step/windows.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/float_formats.h"
#include "slipstream/error.h"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/peers.h"

namespace slipstream::step {
namespace {

using kernels::kEmptyPair;
using kernels::kMaxRows;

constexpr int64_t kHeadBytes = 256;
static_assert(sizeof(kernels::WindowHead) <= kHeadBytes);
constexpr int64_t kPickBytes = kernels::kPickWords * sizeof(uint64_t);

void wait_for(cudaStream_t stream) {
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

template <class T>
std::vector<T> download(const std::byte* source, int64_t bytes, cudaStream_t stream) {
  std::vector<T> result(bytes / sizeof(T));
  check_cuda(cudaMemcpyAsync(result.data(), source, bytes, cudaMemcpyDeviceToHost, stream),
             "copy from a window");
  wait_for(stream);
  return result;
}

int64_t all_rows(const WindowLayout& layout) { return layout.picks() - kHeadBytes; }

}  // namespace

WindowLayout::WindowLayout(const model::ModelConfig& config, int ranks)
    : ranks_(ranks), hidden_(config.hidden_size), first_last_(2 * config.num_hidden_layers - 1) {
  if (ranks < 1 || ranks > kMaxRanks) {
    throw InvalidArgument(fmt::format("ranks must be from 1 to {}, are {}", kMaxRanks, ranks));
  }
  if (hidden_ > kernels::kMostPolledColumns) {
    throw InvalidArgument(
        fmt::format("hidden_size of a model on several ranks must be at most {}, is {}",
                    kernels::kMostPolledColumns, hidden_));
  }
}

int WindowLayout::buffer_of(int exchange) const {
  constexpr int kCycle = 3;
  const bool may_be_last = exchange >= first_last_ && (exchange - first_last_) % 2 == 0;
  return may_be_last && exchange % kCycle == 0 ? kCycle : exchange % kCycle;
}

int WindowLayout::buffers() const {
  int most = 3;
  for (int drafts = 0; drafts <= kernels::kMaxDrafts; ++drafts) {
    most = std::max(most, buffer_of(first_last_ + 2 * drafts) + 1);
  }
  return most;
}

int64_t WindowLayout::source_bytes() const { return int64_t{kMaxRows} * hidden_ * 2; }

int64_t WindowLayout::source_stride() {
  return kernels::kSourceStride * static_cast<int64_t>(sizeof(uint32_t));
}

int64_t WindowLayout::rows(int exchange, int source) const {
  return kHeadBytes + (int64_t{buffer_of(exchange)} * ranks_ + source) * source_stride();
}

int64_t WindowLayout::gathered() const {
  return kHeadBytes + int64_t{buffers()} * ranks_ * source_stride();
}

int64_t WindowLayout::picks() const { return gathered() + source_bytes(); }

int64_t WindowLayout::bytes() const {
  return picks() + int64_t{kernels::kPickRounds} * ranks_ * kMaxRows * kernels::kPicks * kPickBytes;
}

int64_t window_bytes(const model::ModelConfig& config, int ranks) {
  return WindowLayout(config, ranks).bytes();
}

void clear_window(const RankWindows& windows, const model::ModelConfig& config,
                  cudaStream_t stream) {
  const WindowLayout layout(config, windows.ranks);
  std::byte* const own = windows.bases.at(windows.rank);
  const std::vector<uint32_t> empty(all_rows(layout) / sizeof(uint32_t), kEmptyPair);
  check_cuda(cudaMemsetAsync(own, 0, kHeadBytes, stream), "cudaMemset of a window's head");
  check_cuda(cudaMemcpyAsync(own + kHeadBytes, empty.data(), all_rows(layout),
                             cudaMemcpyHostToDevice, stream),
             "copy to a window");
  check_cuda(cudaMemsetAsync(own + layout.picks(), 0, layout.bytes() - layout.picks(), stream),
             "cudaMemset of a window's picks");
  wait_for(stream);
}

void break_polls(const RankWindows& windows, cudaStream_t stream) {
  constexpr uint32_t kBroken = 1;
  check_cuda(cudaMemcpyAsync(windows.bases.at(windows.rank) + offsetof(kernels::WindowHead, broken),
                             &kBroken, sizeof kBroken, cudaMemcpyHostToDevice, stream),
             "copy to a window's head");
  wait_for(stream);
}

std::vector<float> download_sums(const RankWindows& windows, const model::ModelConfig& config,
                                 int exchange, int tokens, cudaStream_t stream) {
  const WindowLayout layout(config, windows.ranks);
  const int64_t bytes = int64_t{tokens} * layout.hidden() * 2;
  std::vector<float> sums;
  for (int source = 0; source < windows.ranks; ++source) {
    const auto part = download<uint16_t>(
        windows.bases.at(windows.rank) + layout.rows(exchange, source), bytes, stream);
    sums.resize(part.size());
    for (size_t i = 0; i < part.size(); ++i) {
      const float value = model::bf16_to_float(part[i]);
      sums[i] = source == 0 ? value : sums[i] + value;
    }
  }
  return sums;
}

bool rows_are_empty(const RankWindows& windows, const model::ModelConfig& config,
                    cudaStream_t stream) {
  const WindowLayout layout(config, windows.ranks);
  const auto pairs =
      download<uint32_t>(windows.bases.at(windows.rank) + kHeadBytes, all_rows(layout), stream);
  return std::all_of(pairs.begin(), pairs.end(), [](uint32_t pair) { return pair == kEmptyPair; });
}

}  // namespace slipstream::step
