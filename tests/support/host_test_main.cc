// main() of tests that launch no kernels and share a program.
#include <gtest/gtest.h>

#include "named_tests.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  slipstream::test::keep_tests_of_name(argv[0]);
  return RUN_ALL_TESTS();
}
