// main() of every test that launches kernels: on the GPU, or on the emulated device where there is
// none.
#include <gtest/gtest.h>

#include "named_tests.h"
#include "pdl/device_fallback.h"

int main(int argc, char** argv) {
  slipstream::choose_device(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  slipstream::test::keep_tests_of_name(argv[0]);
  return RUN_ALL_TESTS();
}
