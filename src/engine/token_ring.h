// The tokens of the steps that are on their way to the host.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <span>

namespace slipstream::engine {

class TokenRing {
 public:
  static constexpr int kSlots = 8;  // steps on the way

  TokenRing();
  ~TokenRing();
  TokenRing(const TokenRing&) = delete;
  TokenRing& operator=(const TokenRing&) = delete;

  // Enqueues the copy of step `step`'s tokens. Step step - kSlots has been received.
  void send(int step, const int* device, int count, cudaStream_t stream);
  // Waits for the tokens of a step; valid until kSlots steps later are sent.
  [[nodiscard]] std::span<const int> receive(int step, int count) const;

 private:
  int* tokens_ = nullptr;  // pinned, [kSlots, 16]
  std::array<cudaEvent_t, kSlots> events_{};
};

}  // namespace slipstream::engine
