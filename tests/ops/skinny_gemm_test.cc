// dsv3_router_gemm and dsv3_fused_a_gemm against fp64 sums.
#include <cuda_bf16.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "ops/skinny_gemm/operators.h"
#include "ops/skinny_gemm/reference.h"
#include "slipstream/ops.h"
#include "support/compare.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::skinny_gemm_test {
namespace {

using test::Mirror;

enum class Product : uint8_t { kRouter, kFusedA };

struct Case {
  Product product = Product::kRouter;
  int64_t tokens = 1;
  int64_t rows = 256;
  int64_t columns = 1024;
  DType output_dtype = DType::kFloat32;
  int64_t activation_row = 0;  // elements from row to row; 0: contiguous
  int64_t weight_row = 0;
  int64_t output_row = 0;
  test::FloatFill fill = {.edges = false};
};

std::vector<float> as_floats(const std::vector<uint8_t>& bytes, DType dtype) {
  std::vector<float> values(bytes.size() / static_cast<size_t>(size_of(dtype)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kFloat32) {
      std::memcpy(&values[i], bytes.data() + i * sizeof(float), sizeof(float));
    } else {
      __nv_bfloat16 half;
      std::memcpy(&half, bytes.data() + i * sizeof(half), sizeof(half));
      values[i] = __bfloat162float(half);
    }
  }
  return values;
}

Tensor transposed(Tensor tensor) {
  std::swap(tensor.shape[0], tensor.shape[1]);
  std::swap(tensor.strides[0], tensor.strides[1]);
  return tensor;
}

void run_case(const Case& c) {
  test::Random random(31);
  const int64_t x_row = c.activation_row == 0 ? c.columns : c.activation_row;
  const int64_t w_row = c.weight_row == 0 ? c.columns : c.weight_row;
  const int64_t out_row = c.output_row == 0 ? c.rows : c.output_row;
  Mirror x("x", random_floats(random, DType::kBFloat16, c.tokens * x_row, c.fill));
  Mirror weights("weights", random_floats(random, DType::kBFloat16, c.rows * w_row, c.fill));
  weights.make_constant();
  Mirror output = Mirror::poisoned("output", c.tokens * out_row * size_of(c.output_dtype));

  struct Tensors {
    Tensor x, weights, output;
  };
  const auto tensors = [&](test::Side side) {
    return Tensors{side(x, DType::kBFloat16, {c.tokens, c.columns}, {0, {x_row, 1}}),
                   side(weights, DType::kBFloat16, {c.rows, c.columns}, {0, {w_row, 1}}),
                   side(output, c.output_dtype, {c.tokens, c.rows}, {0, {out_row, 1}})};
  };
  const Tensors host = tensors(test::on_host);
  const Arguments on_host("product", MemoryPlace::kHost);
  skinny_gemm_reference(
      c.product == Product::kRouter
          ? check_dsv3_router_gemm(on_host, host.x, host.weights, host.output)
          : check_dsv3_fused_a_gemm(on_host, host.x, transposed(host.weights), host.output));

  const Tensors device = tensors(test::on_device);
  const std::vector<Mirror*> mirrors{&x, &weights, &output};
  const auto results = test::run_in_all_modes(mirrors, [&](const LaunchOptions& options) {
    if (c.product == Product::kRouter) {
      dsv3_router_gemm(device.x, device.weights, device.output, options);
    } else {
      dsv3_fused_a_gemm(device.x, transposed(device.weights), device.output, options);
    }
  });
  const std::vector<uint8_t> expected(output.host().begin(), output.host().end());
  const double limit = c.output_dtype == DType::kFloat32 ? 1e-5 : 2e-3;
  for (const test::ModeResult& result : results) {
    EXPECT_TRUE(test::close_in_norm(as_floats(result.bytes[2], c.output_dtype),
                                    as_floats(expected, c.output_dtype), limit))
        << result.mode;
    EXPECT_TRUE(test::same_bytes(result.bytes[2], results.front().bytes[2])) << result.mode;
  }
}

TEST(RouterGemm, GivesTheScoresOfOneToken) { run_case({.columns = 7168}); }

TEST(RouterGemm, GivesTheScoresOfSixteenTokens) { run_case({.tokens = 16, .columns = 7168}); }

TEST(RouterGemm, TakesEveryNumberOfTokens) {
  for (int64_t tokens = 2; tokens < 16; ++tokens) {
    run_case({.tokens = tokens, .rows = 16, .columns = 256});
  }
}

TEST(RouterGemm, TakesGlmColumns) { run_case({.tokens = 3, .rows = 32, .columns = 6144}); }

TEST(RouterGemm, TakesRowsThatEndWithinATile) { run_case({.tokens = 9, .rows = 24}); }

TEST(RouterGemm, TakesTheFewestColumns) { run_case({.tokens = 4, .rows = 8, .columns = 128}); }

TEST(RouterGemm, StreamsMoreColumnsThanSharedMemoryHolds) {
  run_case({.tokens = 2, .rows = 40, .columns = 8320});
  run_case({.tokens = 8, .rows = 8, .columns = 15360});
  run_case({.tokens = 13, .rows = 24, .columns = 8320});
  run_case({.tokens = 9, .rows = 8, .columns = 15360});
}

TEST(RouterGemm, RoundsToBFloat16Once) {
  run_case({.tokens = 5, .rows = 64, .output_dtype = DType::kBFloat16});
}

TEST(RouterGemm, FollowsTheStridesOfEveryTensor) {
  run_case({.tokens = 7,
            .rows = 32,
            .columns = 512,
            .activation_row = 520,
            .weight_row = 1024,
            .output_row = 37});
}

TEST(RouterGemm, SpreadsAnInfinityToItsTokenOnly) {
  const int64_t columns = 256;
  std::vector<__nv_bfloat16> x(2 * columns, __float2bfloat16(1.0F));
  const std::vector<__nv_bfloat16> w(16 * columns, __float2bfloat16(0.5F));
  x[3] = __float2bfloat16(INFINITY);
  Mirror activations = Mirror::of("x", x);
  Mirror weights = Mirror::of("weights", w);
  weights.make_constant();
  Mirror output = Mirror::poisoned("output", 2 * 16 * 4);
  const Tensor device_x = activations.device_tensor(DType::kBFloat16, {2, columns});
  const Tensor device_w = weights.device_tensor(DType::kBFloat16, {16, columns});
  const Tensor device_out = output.device_tensor(DType::kFloat32, {2, 16});
  for (const auto& result :
       test::run_in_all_modes(std::vector<Mirror*>{&activations, &weights, &output},
                              [&](const LaunchOptions& options) {
                                dsv3_router_gemm(device_x, device_w, device_out, options);
                              })) {
    const std::vector<float> values = as_floats(result.bytes[2], DType::kFloat32);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], i < 16 ? INFINITY : 128.0F) << result.mode << ", output " << i;
    }
  }
}

TEST(RouterGemm, LaunchesNothingForNoTokens) {
  Mirror weights = Mirror::poisoned("weights", 16 * 128 * 2);
  const Tensor w = weights.device_tensor(DType::kBFloat16, {16, 128});
  const pdl::Stream stream;
  EXPECT_NO_THROW(dsv3_router_gemm(Tensor(nullptr, DType::kBFloat16, {0, 128}), w,
                                   Tensor(nullptr, DType::kFloat32, {0, 16}),
                                   {.stream = stream.get()}));
}

TEST(FusedAGemm, ProjectsOneToken) {
  run_case({.product = Product::kFusedA,
            .rows = 192,
            .columns = 7168,
            .output_dtype = DType::kBFloat16});
}

TEST(FusedAGemm, ProjectsSixteenTokens) {
  run_case({.product = Product::kFusedA,
            .tokens = 16,
            .rows = 80,
            .columns = 7168,
            .output_dtype = DType::kBFloat16});
}

TEST(FusedAGemm, TakesEveryNumberOfTokens) {
  for (int64_t tokens = 2; tokens < 16; ++tokens) {
    run_case({.product = Product::kFusedA,
              .tokens = tokens,
              .rows = 16,
              .columns = 384,
              .output_dtype = DType::kBFloat16});
  }
}

TEST(FusedAGemm, FollowsTheStridesOfEveryTensor) {
  run_case({.product = Product::kFusedA,
            .tokens = 11,
            .rows = 48,
            .columns = 2048,
            .output_dtype = DType::kBFloat16,
            .activation_row = 2056,
            .weight_row = 2304,
            .output_row = 50});
}

}  // namespace
}  // namespace slipstream::ops::skinny_gemm_test
