// One fuzzer: FUZZ_TARGET is a function of targets.h.
#include <cstddef>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  slipstream::check::fuzz::FUZZ_TARGET({data, size});
  return 0;
}
