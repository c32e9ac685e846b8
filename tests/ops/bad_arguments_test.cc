// Every argument of every operator, spoiled in every way that all of them refuse: the error names
// the operator and the argument, and nothing is launched.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pdl/device_buffer.h"
#include "pdl/launch_observer.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops {
namespace {

enum class Use : uint8_t { kRead, kWritten };

struct Argument {
  std::string name;
  Tensor tensor;
  Use use = Use::kRead;
  bool any_stride = false;  // of the last axis
};

struct Operator {
  std::string name;
  std::vector<Argument> arguments;
  std::function<void(const std::vector<Argument>&, const LaunchOptions&)> call;
};

// Hands out device memory full of zeros, every piece in a page of its own.
class Arena {
 public:
  Arena() {
    check_cuda(cudaMemset(memory_.data(), 0, kBytes), "zeros");
    // The operators' streams are not ordered after the default stream.
    check_cuda(cudaDeviceSynchronize(), "zeros");
  }
  Tensor operator()(DType dtype, const std::vector<int64_t>& shape,
                    const std::vector<int64_t>& strides = {}) {
    next_ += kPage;
    EXPECT_LE(next_, kBytes);
    return test::make_tensor(static_cast<uint8_t*>(memory_.data()) + next_ - kPage, dtype, shape,
                             {0, strides});
  }
  // A different one for each token: two that write one slot race.
  Tensor slots() {
    const std::vector<int32_t> values = {0, 1, 2, 3};
    const Tensor tensor = (*this)(DType::kInt32, {std::ssize(values)});
    check_cuda(cudaMemcpy(tensor.data, values.data(), values.size() * sizeof(int32_t),
                          cudaMemcpyHostToDevice),
               "slots");
    return tensor;
  }

 private:
  static constexpr size_t kPage = 8192;
  static constexpr size_t kBytes = 100 * kPage;
  DeviceBuffer memory_{kBytes};
  size_t next_ = 0;
};

constexpr int64_t kTokens = 4;
constexpr DType kBf16 = DType::kBFloat16;
constexpr DType kE4M3 = DType::kFloat8E4M3;

using CacheWriter = std::function<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                       const SlotOptions&, const LaunchOptions&)>;

Operator cache_writer(Arena& memory, const char* name, const Tensor& kv_buffer, int64_t nope,
                      int64_t rope, const CacheWriter& writer) {
  return {name,
          {{"kv_buffer", kv_buffer, Use::kWritten},
           {"loc", memory(DType::kInt64, {kTokens}), Use::kRead, true},
           {"cache_k_nope", memory(kBf16, {kTokens, nope})},
           {"cache_k_rope", memory(kBf16, {kTokens, rope})},
           {"dropped", memory(DType::kInt32, {1}), Use::kWritten, true}},
          [writer](const std::vector<Argument>& a, const LaunchOptions& options) {
            writer(a[0].tensor, a[1].tensor, a[2].tensor, a[3].tensor, {.dropped = a[4].tensor},
                   options);
          }};
}

std::vector<Operator> cache_writers(Arena& memory) {
  return {
      cache_writer(memory, "set_mla_kv_buffer", memory(kBf16, {8, 24}), 16, 8, set_mla_kv_buffer),
      cache_writer(memory, "set_mla_kv_buffer_fp8", memory(kE4M3, {8, 24}), 16, 8,
                   set_mla_kv_buffer_fp8),
      cache_writer(memory, "set_mla_kv_buffer_fp8_656", memory(DType::kUInt8, {8, 656}), 512, 64,
                   [](const Tensor& kv_buffer, const Tensor& loc, const Tensor& nope,
                      const Tensor& rope, const SlotOptions& slots, const LaunchOptions& options) {
                     set_mla_kv_buffer_fp8_656(kv_buffer, loc, nope, rope, ScaleFormat::kFloat32,
                                               slots, options);
                   })};
}

Operator quantizing_rope(Arena& memory) {
  return {"mla_rope_quantize_fp8",
          {{"q_rope", memory(kBf16, {kTokens, 2, 8})},
           {"k_rope", memory(kBf16, {kTokens, 8})},
           {"q_nope", memory(kBf16, {kTokens, 2, 16})},
           {"k_nope", memory(kBf16, {kTokens, 16})},
           {"cos_sin_cache", memory(DType::kFloat32, {10, 8})},
           {"pos_ids", memory(DType::kInt32, {kTokens}), Use::kRead, true},
           {"q_rope_out", memory(kE4M3, {kTokens, 2, 8}), Use::kWritten},
           {"k_rope_out", memory(kE4M3, {kTokens, 8}), Use::kWritten},
           {"q_nope_out", memory(kE4M3, {kTokens, 2, 16}), Use::kWritten},
           {"k_nope_out", memory(kE4M3, {kTokens, 16}), Use::kWritten}},
          [](const std::vector<Argument>& a, const LaunchOptions& options) {
            mla_rope_quantize_fp8({.q_rope = a[0].tensor,
                                   .k_rope = a[1].tensor,
                                   .q_nope = a[2].tensor,
                                   .k_nope = a[3].tensor,
                                   .cos_sin_cache = a[4].tensor,
                                   .pos_ids = a[5].tensor,
                                   .q_rope_out = a[6].tensor,
                                   .k_rope_out = a[7].tensor,
                                   .q_nope_out = a[8].tensor,
                                   .k_nope_out = a[9].tensor},
                                  options);
          }};
}

Operator rope_in_place(Arena& memory) {
  constexpr int64_t kHeadSize = 8;
  return {"apply_rope_with_cos_sin_cache_inplace",
          {{"positions", memory(DType::kInt64, {kTokens}), Use::kRead, true},
           {"query", memory(kBf16, {kTokens, 2 * kHeadSize}), Use::kWritten},
           {"key", memory(kBf16, {kTokens, kHeadSize}), Use::kWritten},
           {"cos_sin_cache", memory(DType::kFloat32, {10, kHeadSize})},
           {"value", memory(kBf16, {kTokens, kHeadSize})},
           {"k_buffer", memory(kBf16, {6, kHeadSize}), Use::kWritten},
           {"v_buffer", memory(kBf16, {6, kHeadSize}), Use::kWritten},
           {"cache_loc", memory.slots(), Use::kRead, true},
           {"dropped", memory(DType::kInt32, {1}), Use::kWritten, true}},
          [](const std::vector<Argument>& a, const LaunchOptions& options) {
            apply_rope_with_cos_sin_cache_inplace(
                a[0].tensor, a[1].tensor, a[2].tensor, kHeadSize, a[3].tensor,
                RopeLayout::kInterleaved,
                FusedSetKvBuffer{a[4].tensor, a[5].tensor, a[6].tensor, a[7].tensor, a[8].tensor},
                options);
          }};
}

std::vector<Operator> matrix_products(Arena& memory) {
  return {{"dsv3_router_gemm",
           {{"hidden_states", memory(kBf16, {kTokens, 128})},
            {"router_weights", memory(kBf16, {16, 128})},
            {"output", memory(DType::kFloat32, {kTokens, 16}), Use::kWritten}},
           [](const std::vector<Argument>& a, const LaunchOptions& options) {
             dsv3_router_gemm(a[0].tensor, a[1].tensor, a[2].tensor, options);
           }},
          {"dsv3_fused_a_gemm",
           {{"mat_a", memory(kBf16, {kTokens, 128})},
            {"mat_b", memory(kBf16, {128, 16}, {1, 128})},
            {"output", memory(kBf16, {kTokens, 16}), Use::kWritten}},
           [](const std::vector<Argument>& a, const LaunchOptions& options) {
             dsv3_fused_a_gemm(a[0].tensor, a[1].tensor, a[2].tensor, options);
           }}};
}

Operator group_quantization(Arena& memory) {
  return {"per_token_group_quant_8bit",
          {{"input", memory(kBf16, {2, kTokens, 32})},
           {"output_q", memory(kE4M3, {2, kTokens, 32}), Use::kWritten},
           {"output_s", memory(DType::kFloat32, {2, kTokens, 2}), Use::kWritten, true},
           {"masked_m", memory(DType::kInt32, {2})}},
          [](const std::vector<Argument>& a, const LaunchOptions& options) {
            per_token_group_quant_8bit(a[0].tensor, a[1].tensor, a[2].tensor,
                                       {.group_size = 16, .masked_m = a[3].tensor}, options);
          }};
}

// Rows of the inputs are padded: an output that lies on an input of the same strides is allowed.
Operator head_gate(Arena& memory) {
  return {"apply_q_scale_and_softmax_scale",
          {{"weights", memory(DType::kFloat32, {kTokens, 8}, {12, 1}), Use::kRead, true},
           {"q_scale", memory(DType::kFloat32, {kTokens, 8}, {16, 1}), Use::kRead, true},
           {"output", memory(DType::kFloat32, {kTokens, 8}), Use::kWritten, true}},
          [](const std::vector<Argument>& a, const LaunchOptions& options) {
            apply_q_scale_and_softmax_scale(a[0].tensor, a[1].tensor, a[2].tensor, 0.5F, options);
          }};
}

class BadArguments : public testing::Test {
 protected:
  BadArguments() {
    for (auto&& several : {cache_writers(memory_), matrix_products(memory_)}) {
      operators_.insert(operators_.end(), several.begin(), several.end());
    }
    operators_.push_back(quantizing_rope(memory_));
    operators_.push_back(rope_in_place(memory_));
    operators_.push_back(group_quantization(memory_));
    operators_.push_back(head_gate(memory_));
  }

  void call(const Operator& op, const std::vector<Argument>& arguments) {
    op.call(arguments, {.stream = stream_.get()});
  }

  // Demands that the operator refuses the arguments with `text`, and launches nothing.
  void expect_refusal(const Operator& op, const std::vector<Argument>& arguments,
                      const std::string& text) {
    int launches = 0;
    const pdl::LaunchObserver observer([&](const auto&...) { ++launches; });
    test::expect_rejected(op.name + ": " + text, [&] { call(op, arguments); });
    EXPECT_EQ(launches, 0) << op.name << ": " << text;
  }

  // Spoils one argument after the other. `spoil` returns how the error begins that says what the
  // argument must be, or nullopt where it left the argument as it is.
  void expect_refusals(const std::function<std::optional<std::string>(Argument&)>& spoil) {
    for (const Operator& op : operators_) {
      for (size_t i = 0; i < op.arguments.size(); ++i) {
        std::vector<Argument> arguments = op.arguments;
        const std::optional<std::string> words = spoil(arguments[i]);
        if (words) expect_refusal(op, arguments, arguments[i].name + " must be " + *words);
      }
    }
  }

  pdl::Stream stream_;
  Arena memory_;
  std::vector<Operator> operators_;
};

TEST_F(BadArguments, AreNotAmongThoseThatTheOtherTestsSpoil) {
  for (const Operator& op : operators_) {
    int launches = 0;
    const pdl::LaunchObserver observer([&](const auto&...) { ++launches; });
    EXPECT_NO_THROW(call(op, op.arguments)) << op.name;
    EXPECT_EQ(launches, 1) << op.name;
  }
  EXPECT_NO_THROW(stream_.synchronize());
}

TEST_F(BadArguments, AreNullPointers) {
  expect_refusals([](Argument& argument) {
    argument.tensor.data = nullptr;
    return "device memory, is a null pointer";
  });
}

TEST_F(BadArguments, AreHostPointers) {
  alignas(16) static uint8_t host[8192];
  expect_refusals([](Argument& argument) {
    argument.tensor.data = host;
    return "device memory, is host memory at 0x";
  });
}

TEST_F(BadArguments, AreAddressesBetweenTwoElements) {
  expect_refusals([](Argument& argument) -> std::optional<std::string> {
    if (size_of(argument.tensor.dtype) == 1) return std::nullopt;
    argument.tensor.data = static_cast<uint8_t*>(argument.tensor.data) + 1;
    return "aligned to ";
  });
}

TEST_F(BadArguments, HaveDtypesOfAnotherKind) {
  expect_refusals([](Argument& argument) {
    DType& dtype = argument.tensor.dtype;
    const bool integers = dtype == DType::kInt32 || dtype == DType::kInt64;
    dtype = integers ? DType::kFloat32 : DType::kInt64;
    return "";  // what it must be differs
  });
}

TEST_F(BadArguments, HaveFourAxes) {
  expect_refusals([](Argument& argument) {
    Tensor& tensor = argument.tensor;
    for (; tensor.rank < kMaxRank; ++tensor.rank) {
      tensor.shape[tensor.rank] = tensor.strides[tensor.rank] = 1;
    }
    return "of rank ";
  });
}

TEST_F(BadArguments, HaveGapsBetweenTheirElements) {
  expect_refusals([](Argument& argument) -> std::optional<std::string> {
    if (argument.any_stride) return std::nullopt;
    Tensor& tensor = argument.tensor;
    for (int axis = 0; axis < tensor.rank; ++axis) tensor.strides[axis] *= 2;
    const bool column_major = tensor.strides[0] < tensor.strides[1];
    return column_major ? "column-major" : "contiguous";
  });
}

TEST_F(BadArguments, AreOutputsOnTopOfAnotherArgument) {
  for (const Operator& op : operators_) {
    for (size_t i = 0; i < op.arguments.size(); ++i) {
      if (op.arguments[i].use != Use::kWritten) continue;
      for (size_t j = 0; j < op.arguments.size(); ++j) {
        if (i == j) continue;
        std::vector<Argument> arguments = op.arguments;
        arguments[i].tensor.data = arguments[j].tensor.data;
        const bool both_written = arguments[j].use == Use::kWritten;
        const bool swapped = both_written && j < i;
        const Argument& first = arguments[swapped ? j : i];
        const Argument& second = arguments[swapped ? i : j];
        expect_refusal(op, arguments, first.name + " must be apart from " + second.name);
      }
    }
  }
}

}  // namespace
}  // namespace slipstream::ops
