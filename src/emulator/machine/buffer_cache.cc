#include "emulator/machine/buffer_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace slipstream::emulator {

AlignedBuffer BufferCache::take(size_t bytes) {
  constexpr size_t kLeastBytes = 1024;
  if (bytes == 0) return {};
  // Few sizes, so that most buffers fit most takers: eight for each doubling.
  const size_t step = std::bit_floor(std::max(bytes, kLeastBytes)) / 8;
  const size_t size = (std::max(bytes, kLeastBytes) + step - 1) / step * step;
  {
    const std::lock_guard lock(mutex_);
    std::vector<AlignedBuffer>& fitting = free_[size];
    if (!fitting.empty()) {
      AlignedBuffer buffer = std::move(fitting.back());
      fitting.pop_back();
      bytes_ -= size;
      return buffer;
    }
  }
  return AlignedBuffer(size, value_);
}

void BufferCache::give_back(AlignedBuffer buffer) {
  const std::lock_guard lock(mutex_);
  const size_t size = buffer.size();
  if (size == 0 || bytes_ + size > max_bytes_) return;
  bytes_ += size;
  free_[size].push_back(std::move(buffer));
}

}  // namespace slipstream::emulator
