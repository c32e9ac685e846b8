// Looks at the instructions that may follow one, along every way through the kernel. R8, R12 and
// R14 ask.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "check/analysis/kernel_code.h"

namespace slipstream::check {

class ForwardSearch {
 public:
  // `backward`: also over branches to code that stands further up, as loops have them.
  explicit ForwardSearch(const KernelCode& code, bool backward = true)
      : code_(code), backward_(backward), seen_(code.flow().blocks.size()) {}

  // Visits every instruction that may follow `from`, by its index. `found` ends the search, `stop`
  // the way that it is on.
  template <class Stop, class Found>
  bool run(uint32_t from, Stop stop, Found found) {
    work_ = {{from + 1, code_.flow().block_of[from]}};
    while (!work_.empty()) {
      const auto [first, block] = work_.back();
      work_.pop_back();
      if (scan(first, block, stop, found)) return true;
    }
    return false;
  }

 private:
  template <class Stop, class Found>
  bool scan(uint32_t first, uint32_t block, Stop stop, Found found) {
    const ControlFlow& flow = code_.flow();
    for (uint32_t i = first; i <= flow.blocks[block].last; ++i) {
      if (found(i)) return true;
      if (stop(i)) return false;
    }
    for (const uint32_t next : flow.successors(block)) {
      if (next <= block && !backward_) continue;
      if (!seen_[next]) work_.emplace_back(flow.blocks[next].first, next);
      seen_[next] = true;
    }
    return false;
  }

  const KernelCode& code_;
  bool backward_;
  std::vector<bool> seen_;
  std::vector<std::pair<uint32_t, uint32_t>> work_;  // first instruction to look at, and its block
};

}  // namespace slipstream::check
