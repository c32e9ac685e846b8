// The table of operators that `slipstream bench ops` times.
#include <optional>
#include <tuple>
#include <utility>

#include "bench/operator_case_builder.h"
#include "ops/apply_rope/operator.h"
#include "ops/apply_rope/reference.h"
#include "ops/mla_rope_quantize_fp8/operator.h"
#include "ops/mla_rope_quantize_fp8/reference.h"
#include "ops/per_token_group_quant/operator.h"
#include "ops/per_token_group_quant/reference.h"
#include "ops/q_scale/operator.h"
#include "ops/q_scale/reference.h"
#include "ops/set_mla_kv_buffer/operator.h"
#include "ops/set_mla_kv_buffer/reference.h"
#include "ops/set_mla_kv_buffer_fp8/operator.h"
#include "ops/set_mla_kv_buffer_fp8/reference.h"
#include "ops/skinny_gemm/operators.h"
#include "ops/skinny_gemm/reference.h"
#include "slipstream/ops.h"

namespace slipstream::bench {
namespace {

using Builder = OperatorCaseBuilder;
using Memory = OperatorCaseBuilder::Memory;
using enum DType;

// DeepSeek-V3.2 on one of eight ranks.
constexpr int64_t kHidden = 7168;
constexpr int64_t kFusedRows = 2112;
constexpr int64_t kExperts = 256;
constexpr int64_t kHeads = 16;
constexpr int64_t kIndexHeads = 64;
constexpr int64_t kNope = 512;
constexpr int64_t kRope = 64;
constexpr int64_t kGroup = 128;
constexpr int64_t kRow656 = 656;
constexpr int64_t kSlots = 1024;
constexpr int64_t kPositions = 4096;
constexpr float kIndexerScale = 0.08838834764831845F;  // 128^-0.5

void add_group_quant(Builder& builder) {
  const int64_t m = builder.tokens();
  constexpr int64_t kGroups = kHidden / kGroup;
  const int64_t padded = (m + 3) / 4 * 4;  // scales are column-major, TMA-aligned
  RotatingArgument* input = builder.bfloat16(m * kHidden);
  RotatingArgument* codes = builder.poisoned(m * kHidden);
  RotatingArgument* scales = builder.poisoned(padded * kGroups * 4);
  builder.add(
      {.name = "per_token_group_quant_8bit",
       .bytes = m * (kHidden * 3 + kGroups * 4),
       .written = {codes, scales}},
      [=](const Copies& of) {
        Tensor column_major = of(scales, kFloat32, {m, kGroups});
        column_major.strides = {1, padded};
        return std::tuple(of(input, kBFloat16, {m, kHidden}), of(codes, kFloat8E4M3, {m, kHidden}),
                          column_major, ops::PerTokenGroupQuantOptions{});
      },
      ops::per_token_group_quant_8bit, ops::check_per_token_group_quant,
      ops::per_token_group_quant_reference);
}

void add_fused_a_gemm(Builder& builder) {
  const int64_t m = builder.tokens();
  RotatingArgument* x = builder.bfloat16(m * kHidden);
  RotatingArgument* weights = builder.bfloat16(kFusedRows * kHidden, Memory::kCold);
  RotatingArgument* output = builder.poisoned(m * kFusedRows * 2);
  builder.add(
      {.name = "dsv3_fused_a_gemm",
       .bytes = kFusedRows * kHidden * 2 + m * (kHidden + kFusedRows) * 2,
       .written = {output},
       .accuracy = {.norm_error = 2e-3, .dtype = kBFloat16}},
      [=](const Copies& of) {
        Tensor transposed = of(weights, kBFloat16, {kFusedRows, kHidden});
        std::swap(transposed.shape[0], transposed.shape[1]);
        std::swap(transposed.strides[0], transposed.strides[1]);
        return std::tuple(of(x, kBFloat16, {m, kHidden}), transposed,
                          of(output, kBFloat16, {m, kFusedRows}));
      },
      ops::dsv3_fused_a_gemm, ops::check_dsv3_fused_a_gemm, ops::skinny_gemm_reference);
}

void add_rope(Builder& builder) {
  const int64_t m = builder.tokens();
  RotatingArgument* query = builder.bfloat16(m * kHeads * kRope);
  RotatingArgument* key = builder.bfloat16(m * kRope);
  RotatingArgument* positions = builder.indices(kPositions);
  RotatingArgument* table = builder.rope_table(kPositions, kRope);
  builder.add(
      {.name = "apply_rope_with_cos_sin_cache_inplace",
       .bytes = m * ((kHeads + 1) * kRope * 4 + kRope * 4 + 8),
       .written = {query, key}},
      [=](const Copies& of) {
        return std::tuple(of(positions, kInt64, {m}), of(query, kBFloat16, {m, kHeads * kRope}),
                          of(key, kBFloat16, {m, kRope}), kRope,
                          of(table, kFloat32, {kPositions, kRope}), ops::RopeLayout::kInterleaved,
                          std::optional<ops::FusedSetKvBuffer>());
      },
      ops::apply_rope_with_cos_sin_cache_inplace, ops::check_apply_rope, ops::apply_rope_reference);
}

// `count` columns from `first` on, of one byte each.
Tensor columns(Tensor tensor, int64_t first, int64_t count) {
  tensor.data = static_cast<uint8_t*>(tensor.data) + first;
  tensor.shape[static_cast<size_t>(tensor.rank - 1)] = count;
  return tensor;
}

void add_rope_quantize(Builder& builder) {
  const int64_t m = builder.tokens();
  RotatingArgument* q_rope = builder.bfloat16(m * kHeads * kRope);
  RotatingArgument* q_nope = builder.bfloat16(m * kHeads * kNope);
  RotatingArgument* k_rope = builder.bfloat16(m * kRope);
  RotatingArgument* k_nope = builder.bfloat16(m * kNope);
  RotatingArgument* positions = builder.indices(kPositions);
  RotatingArgument* table = builder.rope_table(kPositions, kRope);
  RotatingArgument* q_out = builder.poisoned(m * kHeads * (kNope + kRope));
  RotatingArgument* k_out = builder.poisoned(m * (kNope + kRope));
  builder.add(
      {.name = "mla_rope_quantize_fp8",
       .bytes = m * ((kHeads + 1) * (kNope + kRope) * 3 + kRope * 4 + 8),
       .written = {q_out, k_out}},
      [=](const Copies& of) {
        // The outputs are slices of one array, [nope | rope], as attention reads them.
        const Tensor q = of(q_out, kFloat8E4M3, {m, kHeads, kNope + kRope});
        const Tensor k = of(k_out, kFloat8E4M3, {m, kNope + kRope});
        return std::tuple(ops::MlaRopeQuantizeArguments{
            .q_rope = of(q_rope, kBFloat16, {m, kHeads, kRope}),
            .k_rope = of(k_rope, kBFloat16, {m, kRope}),
            .q_nope = of(q_nope, kBFloat16, {m, kHeads, kNope}),
            .k_nope = of(k_nope, kBFloat16, {m, kNope}),
            .cos_sin_cache = of(table, kFloat32, {kPositions, kRope}),
            .pos_ids = of(positions, kInt64, {m}),
            .q_rope_out = columns(q, kNope, kRope),
            .k_rope_out = columns(k, kNope, kRope),
            .q_nope_out = columns(q, 0, kNope),
            .k_nope_out = columns(k, 0, kNope),
        });
      },
      ops::mla_rope_quantize_fp8, ops::check_mla_rope_quantize_fp8,
      ops::mla_rope_quantize_fp8_reference);
}

// The inputs of the three cache writers: `loc`, `cache_k_nope` and `cache_k_rope`.
struct CacheRows {
  explicit CacheRows(Builder& builder)
      : m(builder.tokens()),
        slots(builder.indices(kSlots)),
        nope(builder.bfloat16(m * kNope)),
        rope(builder.bfloat16(m * kRope)) {}

  [[nodiscard]] std::tuple<Tensor, Tensor, Tensor> operator()(const Copies& of) const {
    return {of(slots, kInt64, {m}), of(nope, kBFloat16, {m, kNope}),
            of(rope, kBFloat16, {m, kRope})};
  }

  int64_t m;
  RotatingArgument* slots;
  RotatingArgument* nope;
  RotatingArgument* rope;
};

void add_set_mla_kv_buffer(Builder& builder) {
  RotatingArgument* cache = builder.poisoned(kSlots * (kNope + kRope) * 2, Memory::kCold);
  const CacheRows rows(builder);
  builder.add(
      {.name = "set_mla_kv_buffer",
       .bytes = rows.m * ((kNope + kRope) * 4 + 8),
       .written = {cache}},
      [=](const Copies& of) {
        return std::tuple_cat(std::tuple(of(cache, kBFloat16, {kSlots, kNope + kRope})), rows(of),
                              std::tuple(ops::SlotOptions{}));
      },
      ops::set_mla_kv_buffer, ops::check_set_mla_kv_buffer, ops::set_mla_kv_buffer_reference);
}

void add_set_mla_kv_buffer_fp8(Builder& builder) {
  RotatingArgument* cache = builder.poisoned(kSlots * (kNope + kRope), Memory::kCold);
  const CacheRows rows(builder);
  builder.add(
      {.name = "set_mla_kv_buffer_fp8",
       .bytes = rows.m * ((kNope + kRope) * 3 + 8),
       .written = {cache}},
      [=](const Copies& of) {
        return std::tuple_cat(std::tuple(of(cache, kFloat8E4M3, {kSlots, kNope + kRope})), rows(of),
                              std::tuple(ops::SlotOptions{}));
      },
      ops::set_mla_kv_buffer_fp8, ops::check_set_mla_kv_buffer_fp8,
      ops::set_mla_kv_buffer_fp8_reference);
}

void add_set_mla_kv_buffer_fp8_656(Builder& builder) {
  RotatingArgument* cache = builder.poisoned(kSlots * kRow656, Memory::kCold);
  const CacheRows rows(builder);
  builder.add(
      {.name = "set_mla_kv_buffer_fp8_656",
       .bytes = rows.m * ((kNope + kRope) * 2 + kRow656 + 8),
       .written = {cache}},
      [=](const Copies& of) {
        return std::tuple_cat(std::tuple(of(cache, kUInt8, {kSlots, kRow656})), rows(of),
                              std::tuple(ops::ScaleFormat::kFloat32, ops::SlotOptions{}));
      },
      ops::set_mla_kv_buffer_fp8_656, ops::check_set_mla_kv_buffer_fp8_656,
      ops::set_mla_kv_buffer_fp8_656_reference);
}

void add_q_scale(Builder& builder) {
  const int64_t m = builder.tokens();
  RotatingArgument* weights = builder.float32(m * kIndexHeads);
  RotatingArgument* q_scale = builder.float32(m * kIndexHeads);
  RotatingArgument* output = builder.poisoned(m * kIndexHeads * 4);
  builder.add(
      {.name = "apply_q_scale_and_softmax_scale",
       .bytes = m * kIndexHeads * 12,
       .written = {output}},
      [=](const Copies& of) {
        return std::tuple(of(weights, kFloat32, {m, kIndexHeads}),
                          of(q_scale, kFloat32, {m, kIndexHeads, 1}),
                          of(output, kFloat32, {m, kIndexHeads, 1}), kIndexerScale);
      },
      ops::apply_q_scale_and_softmax_scale, ops::check_q_scale, ops::q_scale_reference);
}

void add_router_gemm(Builder& builder) {
  const int64_t m = builder.tokens();
  RotatingArgument* x = builder.bfloat16(m * kHidden);
  RotatingArgument* weights = builder.bfloat16(kExperts * kHidden, Memory::kCold);
  RotatingArgument* output = builder.poisoned(m * kExperts * 4);
  builder.add(
      {.name = "dsv3_router_gemm",
       .bytes = kExperts * kHidden * 2 + m * (kHidden * 2 + kExperts * 4),
       .written = {output},
       .accuracy = {.norm_error = 1e-5, .dtype = kFloat32}},
      [=](const Copies& of) {
        return std::tuple(of(x, kBFloat16, {m, kHidden}),
                          of(weights, kBFloat16, {kExperts, kHidden}),
                          of(output, kFloat32, {m, kExperts}));
      },
      ops::dsv3_router_gemm, ops::check_dsv3_router_gemm, ops::skinny_gemm_reference);
}

}  // namespace

OperatorCases::OperatorCases(int tokens) {
  Builder builder(tokens, arguments_, cases_);
  add_group_quant(builder);
  add_fused_a_gemm(builder);
  add_rope(builder);
  add_rope_quantize(builder);
  add_set_mla_kv_buffer(builder);
  add_set_mla_kv_buffer_fp8(builder);
  add_set_mla_kv_buffer_fp8_656(builder);
  add_q_scale(builder);
  add_router_gemm(builder);
}
OperatorCases::~OperatorCases() = default;

}  // namespace slipstream::bench
