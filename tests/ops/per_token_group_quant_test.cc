#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ops/per_token_group_quant/operator.h"
#include "ops/per_token_group_quant/reference.h"
#include "slipstream/ops.h"
#include "support/compare.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::per_token_group_quant_test {
namespace {

using test::Mirror;

enum class ScaleLayout { kRows, kColumns, kTmaAligned };

struct Case {
  int64_t tokens = 3;
  int64_t columns = 256;
  int group_size = 128;
  DType input = DType::kBFloat16;
  DType output = DType::kFloat8E4M3;
  ScaleLayout layout = ScaleLayout::kRows;
  bool ue8m0 = false;
  bool silu = false;
  std::vector<int64_t> masked_m = {};  // empty: no experts
  bool int64_masked_m = false;
  int64_t row_padding = 0;  // elements after each row of the input
  test::FloatFill fill = {.largest = 100.0, .octaves = 16.0};
};

// The arguments and their tensors on one side.
struct Setup {
  explicit Setup(const Case& c)
      : c(c),
        experts(c.masked_m.empty() ? 1 : static_cast<int64_t>(c.masked_m.size())),
        width(c.columns * (c.silu ? 2 : 1)),
        random(29),
        input("input",
              random_floats(random, c.input, experts * c.tokens * (width + c.row_padding), c.fill)),
        codes(Mirror::poisoned("output_q", experts * c.tokens * c.columns)),
        scales(Mirror::poisoned("output_s", experts * scale_rows() * words() * 4)),
        masked_m(c.int64_masked_m
                     ? Mirror::of("masked_m", c.masked_m)
                     : Mirror::of("masked_m",
                                  std::vector<int32_t>(c.masked_m.begin(), c.masked_m.end()))) {}

  [[nodiscard]] int64_t words() const {
    const int64_t groups = c.columns / c.group_size;
    return c.ue8m0 ? (groups + 3) / 4 : groups;
  }
  // TMA wants columns of scales padded to 16 bytes.
  [[nodiscard]] int64_t scale_rows() const {
    return c.layout == ScaleLayout::kTmaAligned ? (c.tokens + 3) / 4 * 4 : c.tokens;
  }

  struct Tensors {
    Tensor input, codes, scales;
    PerTokenGroupQuantOptions options;
  };
  Tensors tensors(test::Side side) {
    const int64_t row = width + c.row_padding;
    const int64_t expert_words = scale_rows() * words();
    const bool by_rows = c.layout == ScaleLayout::kRows;
    std::vector<int64_t> scale_strides{expert_words, by_rows ? words() : 1,
                                       by_rows ? 1 : scale_rows()};
    const DType scale_dtype = c.ue8m0 ? DType::kInt32 : DType::kFloat32;
    Tensors result;
    result.options = {
        .group_size = c.group_size, .scale_ue8m0 = c.ue8m0, .fuse_silu_and_mul = c.silu};
    if (c.masked_m.empty()) {
      scale_strides.erase(scale_strides.begin());
      result.input = side(input, c.input, {c.tokens, width}, {0, {row, 1}});
      result.codes = side(codes, c.output, {c.tokens, c.columns}, {});
      result.scales = side(scales, scale_dtype, {c.tokens, words()}, {0, scale_strides});
      return result;
    }
    result.input = side(input, c.input, {experts, c.tokens, width}, {0, {c.tokens * row, row, 1}});
    result.codes = side(codes, c.output, {experts, c.tokens, c.columns}, {});
    result.scales = side(scales, scale_dtype, {experts, c.tokens, words()}, {0, scale_strides});
    result.options.masked_m =
        side(masked_m, c.int64_masked_m ? DType::kInt64 : DType::kInt32, {experts}, {});
    return result;
  }
  std::vector<Mirror*> mirrors() {
    std::vector<Mirror*> all{&input, &codes, &scales};
    if (!c.masked_m.empty()) all.push_back(&masked_m);
    return all;
  }

  Case c;
  int64_t experts;
  int64_t width;
  test::Random random;
  Mirror input, codes, scales, masked_m;
};

// Runs the reference on the host side and gives back the call for the device side.
test::Operator prepare(Setup& setup) {
  const Setup::Tensors host = setup.tensors(test::on_host);
  per_token_group_quant_reference(
      check_per_token_group_quant(Arguments("per_token_group_quant_8bit", MemoryPlace::kHost),
                                  host.input, host.codes, host.scales, host.options));
  const Setup::Tensors device = setup.tensors(test::on_device);
  return [device](const LaunchOptions& options) {
    per_token_group_quant_8bit(device.input, device.codes, device.scales, device.options, options);
  };
}

void run_case(const Case& c) {
  Setup setup(c);
  const test::Operator run = prepare(setup);
  test::expect_matches_host(setup.mirrors(), run);
}

TEST(PerTokenGroupQuant, QuantizesOneTokenOfTheModelsWidth) {
  run_case({.tokens = 1, .columns = 7168});
}

TEST(PerTokenGroupQuant, QuantisesSeventeenTokens) { run_case({.tokens = 17, .columns = 1536}); }

TEST(PerTokenGroupQuant, QuantisesEveryGroupSize) {
  for (const int group : {16, 32, 64, 128}) run_case({.columns = 384, .group_size = group});
}

TEST(PerTokenGroupQuant, QuantisesFloat16) { run_case({.input = DType::kFloat16}); }

TEST(PerTokenGroupQuant, QuantisesFloat32) { run_case({.input = DType::kFloat32}); }

TEST(PerTokenGroupQuant, QuantisesToInt8) {
  run_case({.output = DType::kInt8});
  run_case({.group_size = 32, .input = DType::kFloat32, .output = DType::kInt8});
}

TEST(PerTokenGroupQuant, WritesScalesByColumns) { run_case({.layout = ScaleLayout::kColumns}); }

TEST(PerTokenGroupQuant, LeavesThePaddingOfTmaAlignedScalesAlone) {
  run_case({.tokens = 5, .layout = ScaleLayout::kTmaAligned});
}

TEST(PerTokenGroupQuant, PacksUe8m0ScalesByRowsAndZeroesTheTail) {
  run_case({.columns = 640, .ue8m0 = true});
}

TEST(PerTokenGroupQuant, PacksUe8m0ScalesByTmaAlignedColumns) {
  run_case({.tokens = 5, .columns = 768, .layout = ScaleLayout::kTmaAligned, .ue8m0 = true});
}

TEST(PerTokenGroupQuant, QuantisesToInt8WithUe8m0Scales) {
  run_case({.group_size = 16, .output = DType::kInt8, .ue8m0 = true});
}

TEST(PerTokenGroupQuant, ReadsRowsOfAWiderArray) { run_case({.row_padding = 64}); }

TEST(PerTokenGroupQuant, QuantisesManyShortRows) { run_case({.tokens = 300, .columns = 128}); }

TEST(PerTokenGroupQuant, LeavesTokensBeyondMaskedMAlone) {
  run_case({.tokens = 6, .masked_m = {0, 6, 2, 9}});
  run_case(
      {.tokens = 6, .columns = 128, .ue8m0 = true, .masked_m = {3, 1}, .int64_masked_m = true});
}

TEST(PerTokenGroupQuant, LoopsOverTheTokensOfAnExpertWithMany) {
  run_case({.tokens = 70, .columns = 1024, .masked_m = {70}});
}

TEST(PerTokenGroupQuant, KeepsNanAndGivesAGroupWithAnInfinityAFiniteScale) {
  run_case({.group_size = 16, .fill = {.largest = 100.0, .nonfinite = true}});
  run_case(
      {.group_size = 16, .output = DType::kInt8, .fill = {.largest = 100.0, .nonfinite = true}});
  run_case({.group_size = 16, .ue8m0 = true, .fill = {.largest = 100.0, .nonfinite = true}});
}

TEST(PerTokenGroupQuant, QuantisesGroupsBelowEps) {
  run_case({.group_size = 16, .fill = {.largest = 1e-9, .octaves = 40.0}});
}

// What the codes of `setup` stand for, from the bytes of codes and row-major float32 scales.
std::vector<float> dequantize(const Setup& setup, std::span<const uint8_t> codes,
                              std::span<const uint8_t> scales) {
  std::vector<float> values;
  for (size_t i = 0; i < codes.size(); ++i) {
    float scale = 0.0F;
    std::memcpy(&scale, scales.data() + i / setup.c.group_size * 4, 4);
    const __nv_fp8_storage_t code = codes[i];
    const float value = __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3)));
    values.push_back(value * scale);
  }
  return values;
}

// The kernel's exp differs from the reference's in the last bits of fp32, which can move a product
// by one bfloat16 step and a code by one step.
void run_silu(const Case& c) {
  Setup setup(c);
  const test::Operator run = prepare(setup);
  const std::vector<float> expected = dequantize(setup, setup.codes.host(), setup.scales.host());
  const std::vector<Mirror*> mirrors = setup.mirrors();
  for (const test::ModeResult& result : test::run_in_all_modes(mirrors, run)) {
    const std::vector<float> actual = dequantize(setup, result.bytes[1], result.bytes[2]);
    EXPECT_TRUE(test::close_in_norm(actual, expected, 2e-3)) << result.mode;
    EXPECT_TRUE(test::close_elementwise(actual, expected, {1e-6, 0.14})) << result.mode;
  }
}

constexpr test::FloatFill kActivations{.largest = 8.0, .octaves = 8.0, .edges = false};

TEST(PerTokenGroupQuant, MultipliesSiluByUpInBFloat16) {
  run_silu({.columns = 512, .silu = true, .fill = kActivations});
}

TEST(PerTokenGroupQuant, MultipliesSiluByUpInFloat16) {
  run_silu({.columns = 512,
            .group_size = 64,
            .input = DType::kFloat16,
            .silu = true,
            .fill = kActivations});
}

TEST(PerTokenGroupQuant, MultipliesSiluByUpInFloat32) {
  run_silu({.columns = 256, .input = DType::kFloat32, .silu = true, .fill = kActivations});
}

// Gates that silu leaves as they are (x > 20 in bfloat16) or turns to zero make the rest exact.
TEST(PerTokenGroupQuant, IsExactBehindSiluWithUe8m0AndMaskedTokens) {
  Case c{.tokens = 4,
         .columns = 256,
         .layout = ScaleLayout::kTmaAligned,
         .ue8m0 = true,
         .silu = true,
         .masked_m = {4, 1},
         .fill = {.largest = 1000.0, .octaves = 4.0, .edges = false}};
  run_case(c);
  c.output = DType::kInt8;
  run_case(c);
}

// Combination `number` of all options. Gates of 25 and more, or -25 and less, are exact behind
// silu.
Case combination(size_t number) {
  const auto choose = [&number](auto... options) {
    const std::array choices{options...};
    const auto chosen = choices[number % choices.size()];
    number /= choices.size();
    return chosen;
  };
  Case c;
  c.group_size = choose(16, 32, 64, 128);
  c.columns = 5L * c.group_size;
  c.input = choose(DType::kBFloat16, DType::kFloat16, DType::kFloat32);
  c.output = choose(DType::kFloat8E4M3, DType::kInt8);
  c.layout = choose(ScaleLayout::kRows, ScaleLayout::kColumns, ScaleLayout::kTmaAligned);
  c.ue8m0 = choose(false, true);
  c.silu = choose(false, true);
  if (choose(false, true)) c.masked_m = {2, 0, 3};
  c.fill = {.largest = 200.0, .octaves = 3.0, .edges = false};
  return c;
}

TEST(PerTokenGroupQuant, TakesEveryCombinationOfItsOptions) {
  constexpr size_t kCombinations = 4UL * 3 * 2 * 3 * 2 * 2 * 2;
  for (size_t number = 0; number < kCombinations; ++number) {
    run_case(combination(number));
    ASSERT_FALSE(HasFailure()) << "combination " << number;
  }
}

TEST(PerTokenGroupQuant, LaunchesNothingForNoTokens) {
  Mirror codes = Mirror::poisoned("output_q", 64);
  test::expect_matches_host({&codes}, [&](const LaunchOptions& options) {
    per_token_group_quant_8bit(Tensor(nullptr, DType::kBFloat16, {0, 128}),
                               Tensor(nullptr, DType::kInt8, {0, 128}),
                               Tensor(nullptr, DType::kFloat32, {0, 1}), {}, options);
  });
}

}  // namespace
}  // namespace slipstream::ops::per_token_group_quant_test
