// The table of operators that `slipstream bench ops` times.
#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/operator_case.h"
#include "ops/apply_rope/launch.h"
#include "ops/apply_rope/reference.h"
#include "ops/mla_rope_quantize_fp8/launch.h"
#include "ops/mla_rope_quantize_fp8/reference.h"
#include "ops/per_token_group_quant/launch.h"
#include "ops/per_token_group_quant/reference.h"
#include "ops/q_scale/launch.h"
#include "ops/q_scale/reference.h"
#include "ops/set_mla_kv_buffer/launch.h"
#include "ops/set_mla_kv_buffer/reference.h"
#include "ops/set_mla_kv_buffer_fp8/launch.h"
#include "ops/set_mla_kv_buffer_fp8/reference.h"
#include "ops/skinny_gemm/launch.h"
#include "ops/skinny_gemm/reference.h"
#include "slipstream/ops.h"

namespace slipstream::bench {
namespace {

using ops::Arguments;
using ops::MemoryPlace;

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

// Weights and caches are cold in a decode step: enough copies that a launch finds nothing of its
// last turn in L2, and not more memory than that takes. Activations were written a moment before:
// one copy, which stays in L2.
enum class Memory : uint8_t { kCold, kWarm };

int copies_for(Memory memory, int64_t bytes) {
  constexpr int64_t kColdBytes = 200 << 20;
  constexpr int64_t kFewest = 8;
  constexpr int64_t kMost = 64;
  if (memory == Memory::kWarm) return 1;
  return static_cast<int>(std::clamp(kColdBytes / bytes, kFewest, kMost));
}

Arguments on_host(const char* name) { return Arguments(name, MemoryPlace::kHost); }

}  // namespace

class OperatorCases::Builder {
 public:
  Builder(OperatorCases& cases, int tokens) : cases_(cases), m_(tokens) {}

  void build() {
    add_group_quant();
    add_fused_a_gemm();
    add_rope();
    add_rope_quantize();
    add_set_mla_kv_buffer();
    add_set_mla_kv_buffer_fp8();
    add_set_mla_kv_buffer_fp8_656();
    add_q_scale();
    add_router_gemm();
  }

 private:
  RotatingArgument* own(std::vector<uint8_t> bytes, Memory memory = Memory::kWarm) {
    const int copies = copies_for(memory, static_cast<int64_t>(bytes.size()));
    cases_.arguments_.push_back(std::make_unique<RotatingArgument>(std::move(bytes), copies));
    return cases_.arguments_.back().get();
  }

  RotatingArgument* bfloat16(int64_t count, Memory memory = Memory::kWarm) {
    std::normal_distribution<float> normal;
    std::vector<uint8_t> bytes(static_cast<size_t>(count) * 2);
    for (int64_t i = 0; i < count; ++i) {
      const __nv_bfloat16 value = __float2bfloat16(normal(random_));
      std::memcpy(bytes.data() + i * 2, &value, 2);
    }
    return own(std::move(bytes), memory);
  }

  template <class T>
  RotatingArgument* of(const std::vector<T>& values) {
    std::vector<uint8_t> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return own(std::move(bytes));
  }

  RotatingArgument* float32(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(random_);
    return of(values);
  }

  RotatingArgument* poisoned(int64_t bytes, Memory memory = Memory::kWarm) {
    return own(std::vector<uint8_t>(static_cast<size_t>(bytes), 0xA5), memory);
  }

  // Different values below `limit`, as slots and positions are.
  RotatingArgument* indices(int64_t limit) {
    std::vector<int64_t> values;
    for (int64_t i = 0; i < m_; ++i) values.push_back(1 + i * 37 % (limit - 1));
    return of(values);
  }

  RotatingArgument* rope_table() {
    std::vector<float> table(static_cast<size_t>(kPositions * kRope));
    for (int64_t position = 0; position < kPositions; ++position) {
      for (int64_t i = 0; i < kRope / 2; ++i) {
        const double angle =
            static_cast<double>(position) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(kRope));
        table[static_cast<size_t>(position * kRope + i)] = static_cast<float>(std::cos(angle));
        table[static_cast<size_t>(position * kRope + kRope / 2 + i)] =
            static_cast<float>(std::sin(angle));
      }
    }
    return of(table);
  }

  // `tensors(place, launch)` gives an argument's tensor for the host or for a launch on the device.
  void add(OperatorCase operator_case) { cases_.cases_.push_back(std::move(operator_case)); }

  void add_group_quant() {
    RotatingArgument* input = bfloat16(m_ * kHidden);
    RotatingArgument* codes = poisoned(m_ * kHidden);
    const int64_t groups = kHidden / kGroup;
    const int64_t padded = (int64_t{m_} + 3) / 4 * 4;  // column-major, TMA-aligned
    RotatingArgument* scales = poisoned(padded * groups * 4);
    const auto column_major = [=, m = m_](Tensor tensor) {
      tensor.shape = {m, groups};
      tensor.strides = {1, padded};
      return tensor;
    };
    add({.name = "per_token_group_quant_8bit",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * (kHidden * 3 + groups * 4)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::per_token_group_quant_8bit(
                   input->device(launch, DType::kBFloat16, {m, kHidden}),
                   codes->device(launch, DType::kFloat8E4M3, {m, kHidden}),
                   column_major(scales->device(launch, DType::kFloat32, {groups, padded})), {},
                   options);
             },
         .reference =
             [=, m = m_] {
               ops::per_token_group_quant_reference(ops::check_per_token_group_quant(
                   on_host("per_token_group_quant_8bit"),
                   input->host(DType::kBFloat16, {m, kHidden}),
                   codes->host(DType::kFloat8E4M3, {m, kHidden}),
                   column_major(scales->host(DType::kFloat32, {groups, padded})), {}));
             },
         .written = {codes, scales},
         .accuracy = {}});
  }

  void add_fused_a_gemm() {
    RotatingArgument* x = bfloat16(m_ * kHidden);
    RotatingArgument* weights = bfloat16(kFusedRows * kHidden, Memory::kCold);
    RotatingArgument* output = poisoned(m_ * kFusedRows * 2);
    const auto transposed = [](Tensor tensor) {
      std::swap(tensor.shape[0], tensor.shape[1]);
      std::swap(tensor.strides[0], tensor.strides[1]);
      return tensor;
    };
    add({.name = "dsv3_fused_a_gemm",
         .tokens = m_,
         .bytes = static_cast<double>(kFusedRows * kHidden * 2 + m_ * (kHidden + kFusedRows) * 2),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::dsv3_fused_a_gemm(
                   x->device(launch, DType::kBFloat16, {m, kHidden}),
                   transposed(weights->device(launch, DType::kBFloat16, {kFusedRows, kHidden})),
                   output->device(launch, DType::kBFloat16, {m, kFusedRows}), options);
             },
         .reference =
             [=, m = m_] {
               ops::skinny_gemm_reference(ops::check_dsv3_fused_a_gemm(
                   on_host("dsv3_fused_a_gemm"), x->host(DType::kBFloat16, {m, kHidden}),
                   transposed(weights->host(DType::kBFloat16, {kFusedRows, kHidden})),
                   output->host(DType::kBFloat16, {m, kFusedRows})));
             },
         .written = {output},
         .accuracy = {.norm_error = 2e-3, .dtype = DType::kBFloat16}});
  }

  void add_rope() {
    RotatingArgument* query = bfloat16(m_ * kHeads * kRope);
    RotatingArgument* key = bfloat16(m_ * kRope);
    RotatingArgument* positions = indices(kPositions);
    RotatingArgument* table = rope_table();
    add({.name = "apply_rope_with_cos_sin_cache_inplace",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * ((kHeads + 1) * kRope * 4 + kRope * 4 + 8)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::apply_rope_with_cos_sin_cache_inplace(
                   positions->device(launch, DType::kInt64, {m}),
                   query->device(launch, DType::kBFloat16, {m, kHeads * kRope}),
                   key->device(launch, DType::kBFloat16, {m, kRope}), kRope,
                   table->device(launch, DType::kFloat32, {kPositions, kRope}),
                   ops::RopeLayout::kInterleaved, std::nullopt, options);
             },
         .reference =
             [=, m = m_] {
               ops::apply_rope_reference(
                   ops::check_apply_rope(on_host("apply_rope_with_cos_sin_cache_inplace"),
                                         positions->host(DType::kInt64, {m}),
                                         query->host(DType::kBFloat16, {m, kHeads * kRope}),
                                         key->host(DType::kBFloat16, {m, kRope}), kRope,
                                         table->host(DType::kFloat32, {kPositions, kRope}),
                                         ops::RopeLayout::kInterleaved, std::nullopt));
             },
         .written = {query, key},
         .accuracy = {}});
  }

  void add_rope_quantize() {
    RotatingArgument* q_rope = bfloat16(m_ * kHeads * kRope);
    RotatingArgument* q_nope = bfloat16(m_ * kHeads * kNope);
    RotatingArgument* k_rope = bfloat16(m_ * kRope);
    RotatingArgument* k_nope = bfloat16(m_ * kNope);
    RotatingArgument* positions = indices(kPositions);
    RotatingArgument* table = rope_table();
    RotatingArgument* q_out = poisoned(m_ * kHeads * (kNope + kRope));
    RotatingArgument* k_out = poisoned(m_ * (kNope + kRope));
    // The outputs are slices of one array, [nope | rope], as attention reads them.
    const auto arguments = [=, m = m_](const auto& get) {
      const auto slice = [](Tensor tensor, int64_t first, int64_t count) {
        const int last = tensor.rank - 1;
        tensor.data = static_cast<uint8_t*>(tensor.data) + first;
        tensor.shape[static_cast<size_t>(last)] = count;
        return tensor;
      };
      const Tensor q = get(q_out, DType::kFloat8E4M3, {m, kHeads, kNope + kRope});
      const Tensor k = get(k_out, DType::kFloat8E4M3, {m, kNope + kRope});
      return ops::MlaRopeQuantizeArguments{
          .q_rope = get(q_rope, DType::kBFloat16, {m, kHeads, kRope}),
          .k_rope = get(k_rope, DType::kBFloat16, {m, kRope}),
          .q_nope = get(q_nope, DType::kBFloat16, {m, kHeads, kNope}),
          .k_nope = get(k_nope, DType::kBFloat16, {m, kNope}),
          .cos_sin_cache = get(table, DType::kFloat32, {kPositions, kRope}),
          .pos_ids = get(positions, DType::kInt64, {m}),
          .q_rope_out = slice(q, kNope, kRope),
          .k_rope_out = slice(k, kNope, kRope),
          .q_nope_out = slice(q, 0, kNope),
          .k_nope_out = slice(k, 0, kNope),
      };
    };
    using Shape = std::initializer_list<int64_t>;
    add({.name = "mla_rope_quantize_fp8",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * ((kHeads + 1) * (kNope + kRope) * 3 + kRope * 4 + 8)),
         .launch =
             [=](int launch, const pdl::LaunchOptions& options) {
               ops::mla_rope_quantize_fp8(
                   arguments([launch](RotatingArgument* argument, DType dtype, Shape shape) {
                     return argument->device(launch, dtype, shape);
                   }),
                   options);
             },
         .reference =
             [=] {
               ops::mla_rope_quantize_fp8_reference(ops::check_mla_rope_quantize_fp8(
                   on_host("mla_rope_quantize_fp8"),
                   arguments([](RotatingArgument* argument, DType dtype, Shape shape) {
                     return argument->host(dtype, shape);
                   })));
             },
         .written = {q_out, k_out},
         .accuracy = {}});
  }

  void add_set_mla_kv_buffer() {
    RotatingArgument* cache = poisoned(kSlots * (kNope + kRope) * 2, Memory::kCold);
    RotatingArgument* slots = indices(kSlots);
    RotatingArgument* nope = bfloat16(m_ * kNope);
    RotatingArgument* rope = bfloat16(m_ * kRope);
    add({.name = "set_mla_kv_buffer",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * ((kNope + kRope) * 4 + 8)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::set_mla_kv_buffer(
                   cache->device(launch, DType::kBFloat16, {kSlots, kNope + kRope}),
                   slots->device(launch, DType::kInt64, {m}),
                   nope->device(launch, DType::kBFloat16, {m, kNope}),
                   rope->device(launch, DType::kBFloat16, {m, kRope}), {}, options);
             },
         .reference =
             [=, m = m_] {
               ops::set_mla_kv_buffer_reference(ops::check_set_mla_kv_buffer(
                   on_host("set_mla_kv_buffer"),
                   cache->host(DType::kBFloat16, {kSlots, kNope + kRope}),
                   slots->host(DType::kInt64, {m}), nope->host(DType::kBFloat16, {m, kNope}),
                   rope->host(DType::kBFloat16, {m, kRope}), {}));
             },
         .written = {cache},
         .accuracy = {}});
  }

  void add_set_mla_kv_buffer_fp8() {
    RotatingArgument* cache = poisoned(kSlots * (kNope + kRope), Memory::kCold);
    RotatingArgument* slots = indices(kSlots);
    RotatingArgument* nope = bfloat16(m_ * kNope);
    RotatingArgument* rope = bfloat16(m_ * kRope);
    add({.name = "set_mla_kv_buffer_fp8",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * ((kNope + kRope) * 3 + 8)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::set_mla_kv_buffer_fp8(
                   cache->device(launch, DType::kFloat8E4M3, {kSlots, kNope + kRope}),
                   slots->device(launch, DType::kInt64, {m}),
                   nope->device(launch, DType::kBFloat16, {m, kNope}),
                   rope->device(launch, DType::kBFloat16, {m, kRope}), {}, options);
             },
         .reference =
             [=, m = m_] {
               ops::set_mla_kv_buffer_fp8_reference(ops::check_set_mla_kv_buffer_fp8(
                   on_host("set_mla_kv_buffer_fp8"),
                   cache->host(DType::kFloat8E4M3, {kSlots, kNope + kRope}),
                   slots->host(DType::kInt64, {m}), nope->host(DType::kBFloat16, {m, kNope}),
                   rope->host(DType::kBFloat16, {m, kRope}), {}));
             },
         .written = {cache},
         .accuracy = {}});
  }

  void add_set_mla_kv_buffer_fp8_656() {
    RotatingArgument* cache = poisoned(kSlots * kRow656, Memory::kCold);
    RotatingArgument* slots = indices(kSlots);
    RotatingArgument* nope = bfloat16(m_ * kNope);
    RotatingArgument* rope = bfloat16(m_ * kRope);
    constexpr auto kFormat = ops::ScaleFormat::kFloat32;
    add({.name = "set_mla_kv_buffer_fp8_656",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * ((kNope + kRope) * 2 + kRow656 + 8)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::set_mla_kv_buffer_fp8_656(
                   cache->device(launch, DType::kUInt8, {kSlots, kRow656}),
                   slots->device(launch, DType::kInt64, {m}),
                   nope->device(launch, DType::kBFloat16, {m, kNope}),
                   rope->device(launch, DType::kBFloat16, {m, kRope}), kFormat, {}, options);
             },
         .reference =
             [=, m = m_] {
               ops::set_mla_kv_buffer_fp8_656_reference(ops::check_set_mla_kv_buffer_fp8_656(
                   on_host("set_mla_kv_buffer_fp8_656"),
                   cache->host(DType::kUInt8, {kSlots, kRow656}), slots->host(DType::kInt64, {m}),
                   nope->host(DType::kBFloat16, {m, kNope}),
                   rope->host(DType::kBFloat16, {m, kRope}), kFormat, {}));
             },
         .written = {cache},
         .accuracy = {}});
  }

  void add_q_scale() {
    RotatingArgument* weights = float32(m_ * kIndexHeads);
    RotatingArgument* q_scale = float32(m_ * kIndexHeads);
    RotatingArgument* output = poisoned(m_ * kIndexHeads * 4);
    add({.name = "apply_q_scale_and_softmax_scale",
         .tokens = m_,
         .bytes = static_cast<double>(m_ * kIndexHeads * 12),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::apply_q_scale_and_softmax_scale(
                   weights->device(launch, DType::kFloat32, {m, kIndexHeads}),
                   q_scale->device(launch, DType::kFloat32, {m, kIndexHeads, 1}),
                   output->device(launch, DType::kFloat32, {m, kIndexHeads, 1}), kIndexerScale,
                   options);
             },
         .reference =
             [=, m = m_] {
               ops::q_scale_reference(ops::check_q_scale(
                   on_host("apply_q_scale_and_softmax_scale"),
                   weights->host(DType::kFloat32, {m, kIndexHeads}),
                   q_scale->host(DType::kFloat32, {m, kIndexHeads, 1}),
                   output->host(DType::kFloat32, {m, kIndexHeads, 1}), kIndexerScale));
             },
         .written = {output},
         .accuracy = {}});
  }

  void add_router_gemm() {
    RotatingArgument* x = bfloat16(m_ * kHidden);
    RotatingArgument* weights = bfloat16(kExperts * kHidden, Memory::kCold);
    RotatingArgument* output = poisoned(m_ * kExperts * 4);
    add({.name = "dsv3_router_gemm",
         .tokens = m_,
         .bytes = static_cast<double>(kExperts * kHidden * 2 + m_ * (kHidden * 2 + kExperts * 4)),
         .launch =
             [=, m = m_](int launch, const pdl::LaunchOptions& options) {
               ops::dsv3_router_gemm(x->device(launch, DType::kBFloat16, {m, kHidden}),
                                     weights->device(launch, DType::kBFloat16, {kExperts, kHidden}),
                                     output->device(launch, DType::kFloat32, {m, kExperts}),
                                     options);
             },
         .reference =
             [=, m = m_] {
               ops::skinny_gemm_reference(ops::check_dsv3_router_gemm(
                   on_host("dsv3_router_gemm"), x->host(DType::kBFloat16, {m, kHidden}),
                   weights->host(DType::kBFloat16, {kExperts, kHidden}),
                   output->host(DType::kFloat32, {m, kExperts})));
             },
         .written = {output},
         .accuracy = {.norm_error = 1e-5, .dtype = DType::kFloat32}});
  }

  OperatorCases& cases_;
  int m_;
  std::mt19937 random_{20261122};
};

OperatorCases::OperatorCases(int tokens) { Builder(*this, tokens).build(); }
OperatorCases::~OperatorCases() = default;

}  // namespace slipstream::bench
