#include "emulator/machine/worker.h"

#include <thread>

namespace slipstream::emulator {
namespace {

constexpr uint64_t kOrderedAccessCost = 512;
constexpr int kSpinsBeforeSleep = 200;

}  // namespace

void Worker::begin_turn(DeviceContext& device, TurnOrder* order, uint64_t turn) {
  const bool is_another = device_ != &device;
  device_ = &device;
  order_ = order;
  turn_ = turn;
  ordered_accesses_ = 0;
  extra_cost_ = 0;
  if (is_another || generation_ != device.memory->generation()) {
    generation_ = device.memory->generation();
    cache_.fill({});
  }
}

void Worker::wait_for_turn() {
  extra_cost_ += kOrderedAccessCost;
  if (order_ == nullptr) return;
  ++ordered_accesses_;
  for (int spins = 0;; ++spins) {
    const uint64_t committed = order_->committed.load(std::memory_order_acquire);
    if (order_->stopped.load(std::memory_order_acquire)) throw TurnAbandoned{};
    if (committed == turn_) return;
    if (spins > kSpinsBeforeSleep) {
      order_->committed.wait(committed, std::memory_order_acquire);
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace slipstream::emulator
