// The windows of several ranks on one device, so that a test can play the peers of the rank whose
// kernels it runs: the value is the flag, so what peers send can lie there before a launch.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "model/config.h"
#include "pdl/device_buffer.h"
#include "pdl/stream.h"
#include "step/exchange.h"
#include "step/pinned_record.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test {

inline constexpr uint16_t kMinusZero = 0x8000;

// All that a window depends on.
[[nodiscard]] inline model::ModelConfig window_config(int hidden, int layers) {
  model::ModelConfig config;
  config.hidden_size = hidden;
  config.num_hidden_layers = layers;
  return config;
}

class PlayedRanks {
 public:
  static constexpr uint64_t kForever = uint64_t{1} << 62;

  PlayedRanks(int hidden, int layers, int ranks)
      : config_(window_config(hidden, layers)), layout_(config_, ranks) {
    for (int rank = 0; rank < ranks; ++rank) buffers_.emplace_back(layout_.bytes());
    for (int rank = 0; rank < ranks; ++rank) clear_window(windows(rank), config_, stream_.get());
  }

  [[nodiscard]] const model::ModelConfig& config() const { return config_; }
  [[nodiscard]] const WindowLayout& layout() const { return layout_; }
  [[nodiscard]] int ranks() const { return layout_.ranks(); }
  [[nodiscard]] cudaStream_t stream() const { return stream_.get(); }
  [[nodiscard]] PollRecord record() const { return record_.read(); }
  void clear_record() const { record_.clear(); }

  [[nodiscard]] RankWindows windows(int rank) const {
    RankWindows result{.rank = rank, .ranks = ranks()};
    for (int i = 0; i < ranks(); ++i) result.bases.at(i) = base(i);
    return result;
  }
  [[nodiscard]] std::unique_ptr<PeerExchange> exchange(int rank, uint64_t limit = kForever) const {
    return std::make_unique<PeerExchange>(windows(rank), config_, record_.on_device(), limit);
  }

  // What `source` pushes to `target` in an exchange: the first tokens' rows.
  void send(int source, int target, int exchange, const std::vector<uint16_t>& rows) const {
    upload(base(target) + layout_.rows(exchange, source), rows.data(), rows.size() * 2);
  }
  // All rows, of all tokens, that lie at `target` from `source`.
  [[nodiscard]] std::vector<uint16_t> rows(int source, int target, int exchange) const {
    return download<uint16_t>(base(target) + layout_.rows(exchange, source),
                              layout_.source_bytes());
  }

  // The first row of what a rank has gathered, and all others after it.
  [[nodiscard]] std::vector<uint16_t> gathered(int target) const {
    return download<uint16_t>(base(target) + layout_.gathered(), layout_.source_bytes());
  }

  void tell(int source, int target, int round, int token, int index, uint32_t epoch,
            uint64_t value) const {
    const uint64_t words[] = {uint64_t{epoch} << 32 | (value & 0xffffffffU),
                              uint64_t{epoch} << 32 | value >> 32};
    upload(pick(source, target, round, token, index), words, sizeof words);
  }
  // The words that a rank has told, with their epochs.
  [[nodiscard]] std::vector<uint64_t> told(int source, int target, int round, int token,
                                           int index) const {
    return download<uint64_t>(pick(source, target, round, token, index), 16);
  }

  [[nodiscard]] kernels::WindowHead head(int rank) const {
    return download<kernels::WindowHead>(base(rank), sizeof(kernels::WindowHead)).front();
  }
  [[nodiscard]] std::vector<std::byte> whole_window(int rank) const {
    return download<std::byte>(base(rank), layout_.bytes());
  }
  void synchronize() const {
    check_cuda(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
  }

 private:
  [[nodiscard]] std::byte* base(int rank) const {
    return static_cast<std::byte*>(buffers_[rank].data());
  }
  [[nodiscard]] std::byte* pick(int source, int target, int round, int token, int index) const {
    const int64_t row = (int64_t{round} * ranks() + source) * kernels::kMaxRows + token;
    return base(target) + layout_.picks() + (row * kernels::kPicks + index) * 16;
  }
  static void upload(std::byte* target, const void* source, size_t bytes) {
    check_cuda(cudaMemcpy(target, source, bytes, cudaMemcpyHostToDevice), "copy to a window");
  }
  template <class T>
  static std::vector<T> download(const std::byte* source, int64_t bytes) {
    std::vector<T> result(bytes / sizeof(T));
    check_cuda(cudaMemcpy(result.data(), source, bytes, cudaMemcpyDeviceToHost),
               "copy from a window");
    return result;
  }

  pdl::Stream stream_;
  model::ModelConfig config_;
  WindowLayout layout_;
  std::vector<DeviceBuffer> buffers_;
  PinnedRecord record_;
};

}  // namespace slipstream::step::test
