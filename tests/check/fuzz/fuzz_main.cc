// One fuzzer: FUZZ_TARGET is a function of the targets.h that is on the include path.
#include <cstddef>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FUZZ_TARGET({data, size});
  return 0;
}
