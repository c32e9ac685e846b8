// The launches of a decode step's attention, for python/slipstream/_step.py.
// What the kernels do, step/kernels/set.h and the params.h of each folder say.
#include <tvm/ffi/tvm_ffi.h>

#include <cmath>
#include <numbers>
#include <string>

#include "python/export.h"
#include "python/step_call.h"
#include "step/kernels/attend/plan.h"

namespace slipstream::python {
namespace {

using step::kernels::kGroup;
using step::kernels::kIndexPageBytes;
using step::kernels::kIndexWidth;
using step::kernels::kLatent;
using step::kernels::kRope;
using tvm::ffi::TensorView;

int64_t step_attention_splits(int64_t tokens, int64_t heads, int64_t keys) {
  return step::kernels::attention_splits(static_cast<int>(tokens), static_cast<int>(heads),
                                         static_cast<int>(keys));
}

void step_scores(const TensorView& queries, const TensorView& head_weights, const TensorView& rope,
                 bool interleaved, int64_t index_topk, const TensorView& rows,
                 const TensorView& pages, const TensorView& index_cache, const TensorView& scores,
                 const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_scores");
    const Tensor q = call.tensor("queries", queries, DType::kBFloat16, {kAny, kAny, kIndexWidth});
    const int tokens = call.tokens("queries", q);
    const int64_t heads = q.shape[1];
    const auto places = call.places(rows, pages, tokens);
    const int64_t stride = int64_t{places.pages_per_sequence} * step::kernels::kPageSize;
    step::kernels::ScoreLaunch launch{.tokens = tokens};
    launch.score = {
        .queries = produced<const __nv_bfloat16>(q),
        .head_weights = produced<const float>(
            call.tensor("head_weights", head_weights, DType::kFloat32, {tokens, heads})),
        .heads = static_cast<int>(heads),
        .constant = static_cast<float>(1 / std::sqrt(static_cast<double>(heads * kIndexWidth))),
        .rope = constant<float>(call.tensor("rope", rope, DType::kFloat32, {kAny, kRope})),
        .interleaved = interleaved,
        .index_topk = static_cast<int>(index_topk),
        .places = places,
        .index_cache = produced<const std::byte>(
            call.tensor("index_cache", index_cache, DType::kUInt8, {kAny, kIndexPageBytes})),
        .scores = produced<float>(call.tensor("scores", scores, DType::kFloat32, {tokens, stride})),
        .score_stride = stride};
    step::kernels::plain_set().scores(launch, call.options(pdl));
  });
}

void step_select(const TensorView& scores, const TensorView& rows, const TensorView& pages,
                 const TensorView& lists, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_select");
    const Tensor in = call.tensor("scores", scores, DType::kFloat32, {kAny, kAny});
    const int tokens = call.tokens("scores", in);
    const Tensor out = call.tensor("lists", lists, DType::kInt32, {tokens, kAny});
    step::kernels::plain_set().select({.scores = produced<const float>(in),
                                       .score_stride = in.shape[1],
                                       .lists = produced<int>(out),
                                       .tokens = tokens,
                                       .index_topk = static_cast<int>(out.shape[1]),
                                       .places = call.places(rows, pages, tokens)},
                                      call.options(pdl));
  });
}

// Rows of the cache are 1152 bytes, or 656 of fp8.
void step_attend(const TensorView& absorbed, const TensorView& queries, const TensorView& rope,
                 const TensorView& lists, const TensorView& rows, const TensorView& pages,
                 const TensorView& cache, double scale, const TensorView& partials,
                 const TensorView& weights, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_attend");
    const Tensor latent =
        call.tensor("absorbed", absorbed, DType::kBFloat16, {kAny, kAny, kLatent});
    const int tokens = call.tokens("absorbed", latent);
    const int64_t heads = latent.shape[1];
    const Tensor q = call.tensor("queries", queries, DType::kBFloat16, {tokens, heads, kAny});
    const Tensor list = call.tensor("lists", lists, DType::kInt32, {tokens, kAny});
    const Tensor slots = call.tensor("cache", cache, DType::kUInt8, {kAny, kAny});
    const bool fp8_rows = slots.shape[1] == step::kernels::kFp8RowBytes;
    if (!fp8_rows && slots.shape[1] != int64_t{2} * step::kernels::kLatentRow) {
      reject("step_attend", "cache", "of rows of 1152 or 656 bytes", slots.describe());
    }
    const int64_t splits = step_attention_splits(tokens, heads, list.shape[1]);
    step::kernels::plain_set().attend(
        {.absorbed = produced<const __nv_bfloat16>(latent),
         .queries = settled<__nv_bfloat16>(q),
         .rope = constant<float>(call.tensor("rope", rope, DType::kFloat32, {kAny, kRope})),
         .lists = produced<const int>(list),
         .cache = settled<std::byte>(slots),
         .partials = produced<float>(
             call.tensor("partials", partials, DType::kFloat32, {tokens, heads, splits, kLatent})),
         .weights = produced<float2>(
             call.tensor("weights", weights, DType::kFloat32, {tokens, heads, splits, 2})),
         .heads = static_cast<int>(heads),
         .head_dim = static_cast<int>(q.shape[2]),
         .index_topk = static_cast<int>(list.shape[1]),
         .scale = static_cast<float>(scale * std::numbers::log2e),
         .splits = static_cast<int>(splits),
         .places = call.places(rows, pages, tokens),
         .tokens = tokens,
         .most_keys = static_cast<int>(list.shape[1]),
         .fp8_rows = fp8_rows},
        call.options(pdl));
  });
}

void step_values(const TensorView& tiles, int64_t rows, const TensorView& partials,
                 const TensorView& weights, const TensorView& output, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_values");
    const Tensor in =
        call.tensor("partials", partials, DType::kFloat32, {kAny, kAny, kAny, kLatent});
    const int tokens = call.tokens("partials", in);
    const int64_t heads = in.shape[1];
    const int64_t splits = in.shape[2];
    if (heads < 1 || rows % (heads * kGroup) != 0) {
      reject("step_values", "rows", "a multiple of 128 for each head", std::to_string(rows));
    }
    if (splits != step_attention_splits(tokens, heads, splits * step::kernels::kManyKeys) &&
        splits != step_attention_splits(tokens, heads, splits * step::kernels::kFewKeys)) {
      reject("step_values", "partials", "of as many splits as step_attend makes", in.describe());
    }
    step::kernels::plain_set().values(
        {.w_uv = call.matrix("tiles", tiles, {}, rows, kLatent),
         .partials = produced<const float>(in),
         .weights = produced<const float2>(
             call.tensor("weights", weights, DType::kFloat32, {tokens, heads, splits, 2})),
         .output = produced<__nv_bfloat16>(
             call.tensor("output", output, DType::kBFloat16, {tokens, rows})),
         .tokens = tokens,
         .heads = static_cast<int>(heads),
         .splits = static_cast<int>(splits)},
        call.options(pdl));
  });
}

}  // namespace

SLIPSTREAM_EXPORT(step_attention_splits, step_attention_splits)
SLIPSTREAM_EXPORT(step_scores, step_scores)
SLIPSTREAM_EXPORT(step_select, step_select)
SLIPSTREAM_EXPORT(step_attend, step_attend)
SLIPSTREAM_EXPORT(step_values, step_values)

}  // namespace slipstream::python
