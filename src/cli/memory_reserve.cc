#include "cli/memory_reserve.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace slipstream::cli {
namespace {

// Never touched: it costs addresses, no memory.
constexpr size_t kReservedBytes = 4 << 20;

std::atomic<void*> reserve{nullptr};

void give_back() { std::free(reserve.exchange(nullptr)); }

void give_back_and_throw() {
  give_back();
  throw std::bad_alloc();
}

}  // namespace

MemoryReserve::MemoryReserve() : earlier_(std::set_new_handler(&give_back_and_throw)) {
  reserve = std::malloc(kReservedBytes);
}

MemoryReserve::~MemoryReserve() {
  std::set_new_handler(earlier_);
  give_back();
}

}  // namespace slipstream::cli
