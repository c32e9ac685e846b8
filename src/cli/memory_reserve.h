// Memory for the way out where the host has no more of it.
#pragma once

#include <new>

namespace slipstream::cli {

// While it lives, the first allocation that fails gives a reserve back before it throws: destructors that the exception
// runs may need memory, too (those of JSON values do), and one that gets none ends the process without a word.
class MemoryReserve {
 public:
  MemoryReserve();
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

 private:
  std::new_handler earlier_;
};

}  // namespace slipstream::cli
