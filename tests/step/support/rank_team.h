// Several ranks as threads, each with a device of its own.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "pdl/device_buffer.h"
#include "pdl/stream.h"
#include "step/exchange.h"
#include "tests/step/support/played_ranks.h"

namespace slipstream::step::test {

class RankTeam {
 public:
  static constexpr uint64_t kForever = PlayedRanks::kForever;

  RankTeam(model::ModelConfig config, int ranks) : config_(std::move(config)), members_(ranks) {
    run([&](int rank) {
      for (int peer = 0; peer < ranks; ++peer) {
        if (peer != rank) enable_peer(peer);
      }
      members_[rank].window = DeviceBuffer(window_bytes(config_, ranks));
    });
    run([&](int rank) {
      const pdl::Stream stream;
      clear_window(windows(rank), config_, stream.get());
    });
  }
  RankTeam(const RankTeam&) = delete;
  RankTeam& operator=(const RankTeam&) = delete;

  [[nodiscard]] int ranks() const { return static_cast<int>(members_.size()); }
  [[nodiscard]] const model::ModelConfig& config() const { return config_; }
  [[nodiscard]] PollRecord record(int rank) const { return members_[rank].record.read(); }

  [[nodiscard]] RankWindows windows(int rank) const {
    RankWindows result{.rank = rank, .ranks = ranks()};
    for (int i = 0; i < ranks(); ++i) {
      result.bases.at(i) = static_cast<std::byte*>(members_[i].window.data());
    }
    return result;
  }
  [[nodiscard]] std::unique_ptr<PeerExchange> exchange(int rank, uint64_t limit = kForever) const {
    return std::make_unique<PeerExchange>(windows(rank), config_, members_[rank].record.on_device(),
                                          limit);
  }
  [[nodiscard]] bool rows_are_empty(int rank) const {
    const pdl::Stream stream;
    return step::rows_are_empty(windows(rank), config_, stream.get());
  }

  // Calls work(rank) in a thread of each rank, with its device current, and waits for all.
  void run(const std::function<void(int)>& work) const {
    std::vector<std::exception_ptr> errors(ranks());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks(); ++rank) {
      threads.emplace_back([&, rank] {
        try {
          check_cuda(cudaSetDevice(rank), "cudaSetDevice");
          work(rank);
        } catch (...) {
          errors[rank] = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

 private:
  struct Member {
    DeviceBuffer window;
    PinnedRecord record;
  };

  static void enable_peer(int peer) {
    const cudaError_t code = cudaDeviceEnablePeerAccess(peer, 0);
    if (code == cudaErrorPeerAccessAlreadyEnabled) {
      (void)cudaGetLastError();
      return;
    }
    check_cuda(code, "cudaDeviceEnablePeerAccess");
  }

  model::ModelConfig config_;
  std::vector<Member> members_;
};

}  // namespace slipstream::step::test
