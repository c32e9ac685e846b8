#include <atomic>

#include "step/kernels/set.h"

namespace slipstream::step::kernels {
namespace {

std::atomic<const Set*>& current() {
  static std::atomic<const Set*> instance = &plain_set();
  return instance;
}

}  // namespace

const Set& current_set() { return *current(); }
void switch_set(const Set& kernels) { current() = &kernels; }

}  // namespace slipstream::step::kernels
