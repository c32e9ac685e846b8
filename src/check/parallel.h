// Work on several threads, whose results come in order.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace slipstream::check {

// Calls work(0) to work(count - 1), each once, on up to `jobs` threads of which this is one. `work`
// must not throw.
template <class Work>
void for_each_index(size_t count, size_t jobs, const Work& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> helpers;
  for (size_t i = 1; i < std::min(jobs, count); ++i) helpers.emplace_back(run);
  run();
}

}  // namespace slipstream::check
