// One fuzzer: FUZZ_TARGET is a function of the targets.h that is on the include path.
#include <targets.h>  // not the one next to this file: that of the target

#include <cstddef>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FUZZ_TARGET({data, size});
  return 0;
}
