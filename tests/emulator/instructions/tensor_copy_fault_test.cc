// Copies of boxes of tensors that the device refuses.
#include <gtest/gtest.h>

#include "tensor_checks.h"

namespace slipstream::emulator::tensor_copy_fault_test {
namespace {

Fault fault_of(const TensorCase& one, std::string_view body) {
  const TensorResult result = run_tensor_program(one, body, tensor_of(one), shared_bytes());
  EXPECT_TRUE(result.fault);
  return result.fault.value_or(Fault{});
}

TEST(TensorCopyFault, NamesABoxThatDoesNotStartAtAChunk) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {4, 0});
  const Fault fault = fault_of(one, load_box(one));
  EXPECT_EQ(fault.kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(fault.message.find("coordinate 0 is 4, so that the box does not start at a multiple of "
                               "16 bytes in its f16 tensor"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, WantsTheBoxAtAMultipleOf128) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  one.shared_offset = 64;
  EXPECT_EQ(fault_of(one, load_box(one)).kind, FaultKind::kMisaligned);
  EXPECT_EQ(fault_of(one, store_box(one)).kind, FaultKind::kMisaligned);
}

TEST(TensorCopyFault, NamesAMapThatWasNeverEncoded) {
  const TensorCase one = make_case(TensorType::kF16, {64}, {16}, {0});
  // The tensor itself is no map.
  const std::string body = "  ld.param.u64 %rd5, [out];\n" + load_box(one);
  const Fault fault = fault_of(one, body);
  EXPECT_EQ(fault.kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(fault.message.find("it was never encoded, or something wrote over it"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, NamesARankThatIsNotTheMaps) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  TensorCase flat = one;
  flat.map.rank = 1;
  const Fault fault = fault_of(one, load_box(flat));
  EXPECT_NE(fault.message.find("its tensor has rank 2, and the copy 1 coordinates"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, FindsATensorThatIsLongerThanItsMemory) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 6});
  const Bytes tensor = tensor_of(one);
  one.map.size[1] = 8;
  const TensorResult result = run_tensor_program(one, load_box(one), tensor, shared_bytes());
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kOutOfBounds);
}

TEST(TensorCopyFault, NamesABoxThatNoSharedMemoryHolds) {
  TensorCase one = make_case(TensorType::kU8, {16, 4, 4, 4}, {16, 2, 2, 2}, {0, 0, 0, 0});
  const std::string load = load_box(one);
  const Bytes tensor = tensor_of(one);
  one.map.box = {16, 256, 256, 256};
  const TensorResult result = run_tensor_program(one, load, tensor, shared_bytes());
  ASSERT_TRUE(result.fault);
  EXPECT_NE(result.fault->message.find("the box must fit into the 232448 bytes of shared memory of "
                                       "a CTA, it takes 268435456"),
            std::string::npos)
      << result.fault->message;
}

TEST(TensorCopyFault, NamesCopiesOfInterleavedTensorsThatAreNotThere) {
  const auto expect_named = [](auto change, std::string_view part) {
    TensorCase one = interleaved_case(TensorInterleave::k16Bytes, {0, 0, 0, 0});
    change(one);
    const std::string message = fault_of(one, load_box(one)).message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect_named([](TensorCase& one) { one.map.box[2] = 5; },
               "boxes of more than a slice of 16 bytes are not supported; boxDim[2] is 5");
  expect_named([](TensorCase& one) { one.map.step[0] = 2; },
               "steps in dimension 0 are not supported; elementStrides[0] is 2");
  expect_named([](TensorCase& one) { one.at[0] = 1; },
               "coordinate 0 must be a multiple of 4 where elements have 4 bytes");
  expect_named([](TensorCase& one) { one.map.swizzle = TensorSwizzle::k128Bytes; },
               "swizzled rows must be a multiple of the swizzle's 128 bytes");
}

TEST(TensorCopyFault, NamesModesThatAreNotThere) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4, 4}, {16, 2, 2}, {0, 0, 0});
  const std::string body =
      "  mov.b16 %h1, 0;\n  cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::"
      "complete_tx::bytes [%r1], [%rd5, {%r10, %r11, %r12}], [%r2], {%h1};\n";
  try {
    (void)run_tensor_program(one, body, tensor_of(one), shared_bytes());
    FAIL() << "an instruction that is not there was accepted";
  } catch (const LaunchError& error) {
    EXPECT_NE(std::string(error.what()).find("im2col"), std::string::npos) << error.what();
  }
}

// The last 64 bytes of the last of eight rows have no values; what they swizzle to are the first of that line.
TEST(TensorLoad, TakesBytesAlongThatNobodyWroteAndThatNobodyReads) {
  TensorCase one = make_case(TensorType::kF32, {32, 8}, {32, 8}, {0, 0});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  const auto reports = [&](std::string_view after) {
    size_t count = 0;
    Settings settings;
    settings.report_observation = [&](const Fault&) { ++count; };
    const TensorResult result =
        run_tensor_program(one, load_box(one) + std::string(after), tensor_of(one), shared_bytes(),
                           settings, {}, one.tensor_bytes() - 64);
    EXPECT_FALSE(result.fault);
    return count;
  };
  const auto overwrite = [](uint32_t from) {
    std::string text = "mov.u32 %r30, 0;\n";
    for (uint32_t at = 0; at < 64; at += 16) {
      text += fmt::format("st.shared.v4.u32 [%r1+{}], {{%r30, %r30, %r30, %r30}};\n", from + at);
    }
    return text;
  };
  EXPECT_EQ(reports(""), 1U);
  EXPECT_EQ(reports(overwrite(7 * 128 + 64)), 1U);
  EXPECT_EQ(reports(overwrite(7 * 128)), 0U);
}

TEST(TensorPrefetch, ChecksItsMap) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  const std::string prefetch =
      "  cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%rd5, {%r10, "
      "%r11}];\n  prefetch.tensormap [%rd5];\n";
  EXPECT_FALSE(run_tensor_program(one, prefetch, tensor_of(one), shared_bytes()).fault);
  EXPECT_TRUE(run_tensor_program(one, "  ld.param.u64 %rd5, [out];\n" + prefetch, tensor_of(one),
                                 shared_bytes())
                  .fault);
}

}  // namespace
}  // namespace slipstream::emulator::tensor_copy_fault_test
