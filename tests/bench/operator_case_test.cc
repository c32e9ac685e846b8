// What `slipstream bench ops` asks before it times anything.
#include "bench/operator_case.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "pdl/stream.h"

namespace slipstream::bench {
namespace {

std::vector<uint8_t> bytes_of(const std::vector<float>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// An operator that should have made `should` of its argument, and left it as it was.
class CheckAgainstReference : public testing::Test {
 protected:
  std::string check(const std::vector<float>& is, const std::vector<float>& should,
                    const Accuracy& accuracy) {
    RotatingArgument argument(bytes_of(is), 1);
    const OperatorCase operator_case{.name = "idle",
                                     .tokens = 3,
                                     .bytes = 1,
                                     .launch = [](int, const pdl::LaunchOptions&) {},
                                     .reference =
                                         [&] {
                                           std::memcpy(argument.host(DType::kUInt8, {1}).data,
                                                       should.data(),
                                                       should.size() * sizeof(float));
                                         },
                                     .written = {&argument},
                                     .accuracy = accuracy};
    return check_against_reference(operator_case, stream_.get());
  }

  pdl::Stream stream_;
  const Accuracy exact_ = {};
  const Accuracy within_a_thousandth_ = {.norm_error = 1e-3, .dtype = DType::kFloat32};
};

TEST_F(CheckAgainstReference, SaysNothingOfARightResult) {
  EXPECT_EQ(check({1, 2}, {1, 2}, exact_), "");
  EXPECT_EQ(check({1000, 2}, {1000.5F, 2}, within_a_thousandth_), "");
}

TEST_F(CheckAgainstReference, NamesTheFirstByteThatDiffers) {
  // 2.0F is 0x40000000, 3.0F is 0x40400000.
  EXPECT_EQ(check({1, 2}, {1, 3}, exact_),
            "idle at M=3: byte 6 of 8 is 0x00, the reference has 0x40");
}

TEST_F(CheckAgainstReference, SaysHowFarAResultIsBeyondItsTolerance) {
  EXPECT_EQ(check({1000, 0}, {1002, 0}, within_a_thousandth_),
            "idle at M=3: relative error 0.002 of the norm, at most 0.001 is allowed");
}

TEST_F(CheckAgainstReference, TakesNaNForAnError) {
  EXPECT_NE(check({NAN, 1}, {1, 1}, within_a_thousandth_), "");
}

}  // namespace
}  // namespace slipstream::bench
