#include "ops/per_token_group_quant/operator.h"

#include <string>

#include "ops/kernels.h"
#include "ops/support/limits.h"
#include "ops/support/views.h"

namespace slipstream::ops {
namespace {

constexpr float kSmallestEps = 1e-30F;  // below it the reciprocal of a scale would not be finite
constexpr float kLargestEps = 1e30F;

// [tokens, columns] as [1, tokens, columns].
Tensor with_expert_axis(const Tensor& tensor) {
  if (tensor.rank == 3) return tensor;
  return {tensor.data,
          tensor.dtype,
          {1, tensor.shape[0], tensor.shape[1]},
          {tensor.shape[0] * tensor.strides[0], tensor.strides[0], tensor.strides[1]}};
}

void check_options(const Arguments& arguments, const PerTokenGroupQuantOptions& options) {
  const int group = options.group_size;
  if (group != 16 && group != 32 && group != 64 && group != 128) {
    arguments.reject("group_size", "16, 32, 64 or 128", std::to_string(group));
  }
  if (!(options.eps >= kSmallestEps && options.eps <= kLargestEps)) {
    arguments.reject("eps", "from 1e-30 to 1e30", std::to_string(options.eps));
  }
}

void check_input(const Arguments& arguments, const Tensor& input,
                 const PerTokenGroupQuantOptions& options) {
  arguments.rank("input", input, {options.masked_m.absent() ? 2 : 3});
  arguments.dtype("input", input, {DType::kBFloat16, DType::kFloat16, DType::kFloat32});
  arguments.last_axis_contiguous("input", input);
  arguments.aligned("input", input, kPackedFloatBytes);
  arguments.on_device("input", input);
  const int64_t width = input.shape[input.rank - 1];
  const int64_t factor = int64_t{options.group_size} * (options.fuse_silu_and_mul ? 2 : 1);
  if (width < 1 || width % factor != 0 || width > kMaxColumns) {
    arguments.reject("input",
                     "a positive multiple of " + std::to_string(factor) +
                         (options.fuse_silu_and_mul ? " (two groups)" : " (a group)") +
                         " wide, up to " + std::to_string(kMaxColumns),
                     input.describe());
  }
}

void check_masked(const Arguments& arguments, const Tensor& masked_m, int64_t experts) {
  if (masked_m.absent()) return;
  arguments.rank("masked_m", masked_m, {1});
  arguments.dtype("masked_m", masked_m, {DType::kInt32, DType::kInt64});
  arguments.size("masked_m", masked_m, 0, {experts, "(one per expert)"});
  arguments.contiguous("masked_m", masked_m);
  arguments.on_device("masked_m", masked_m);
}

void check_quantized_apart(const Arguments& arguments, const Tensor& input, const Tensor& output_q,
                           const Tensor& output_s, const Tensor& masked_m) {
  arguments.no_self_overlap("output_s", output_s);
  arguments.disjoint("output_q", output_q, "output_s", output_s);
  arguments.disjoint("output_q", output_q, "input", input);
  arguments.disjoint("output_s", output_s, "input", input);
  arguments.disjoint("output_q", output_q, "masked_m", masked_m);
  arguments.disjoint("output_s", output_s, "masked_m", masked_m);
}

}  // namespace

PerTokenGroupQuantParams check_per_token_group_quant(
    const Arguments& arguments, const Tensor& input, const Tensor& output_q, const Tensor& output_s,
    const PerTokenGroupQuantOptions& quant_options) {
  check_options(arguments, quant_options);
  check_input(arguments, input, quant_options);
  const Tensor in = with_expert_axis(input);
  const int64_t columns = in.shape[2] / (quant_options.fuse_silu_and_mul ? 2 : 1);
  const int64_t groups = columns / quant_options.group_size;
  const int64_t words = quant_options.scale_ue8m0 ? (groups + 3) / 4 : groups;
  arguments.range("input experts", in.shape[0], 0, kMaxGridZ);
  check_masked(arguments, quant_options.masked_m, in.shape[0]);

  arguments.rank("output_q", output_q, {input.rank});
  arguments.dtype("output_q", output_q, {DType::kFloat8E4M3, DType::kInt8});
  arguments.rank("output_s", output_s, {input.rank});
  arguments.dtype("output_s", output_s,
                  {quant_options.scale_ue8m0 ? DType::kInt32 : DType::kFloat32});
  for (int axis = 0; axis + 1 < input.rank; ++axis) {
    arguments.size("output_q", output_q, axis, {input.shape[axis], "as input has"});
    arguments.size("output_s", output_s, axis, {input.shape[axis], "as input has"});
  }
  arguments.size("output_q", output_q, input.rank - 1, {columns, ""});
  arguments.size("output_s", output_s, input.rank - 1,
                 {words, quant_options.scale_ue8m0 ? "(four groups each)" : "(one group each)"});
  arguments.contiguous("output_q", output_q);
  arguments.aligned("output_q", output_q, kPackedCodeBytes);
  arguments.aligned("output_s", output_s, 4);
  arguments.on_device("output_q", output_q);
  arguments.on_device("output_s", output_s);
  check_quantized_apart(arguments, input, output_q, output_s, quant_options.masked_m);

  const int64_t element = size_of(input.dtype);
  const Tensor scales = with_expert_axis(output_s);
  return {.input = {static_cast<const uint8_t*>(input.data)},
          .output_q = {static_cast<uint8_t*>(output_q.data)},
          .output_s = {static_cast<uint8_t*>(output_s.data)},
          .masked_m = {quant_options.masked_m.data},
          .input_expert_stride = in.strides[0] * element,
          .input_token_stride = in.strides[1] * element,
          .scale_expert_stride = scales.strides[0],
          .scale_token_stride = scales.strides[1],
          .scale_word_stride = scales.strides[2],
          .tokens = in.shape[1],
          .experts = static_cast<int>(in.shape[0]),
          .columns = static_cast<int>(columns),
          .group_size = quant_options.group_size,
          .eps = quant_options.eps,
          .input_dtype = input.dtype,
          .output_dtype = output_q.dtype,
          .scale_ue8m0 = quant_options.scale_ue8m0,
          .fuse_silu_and_mul = quant_options.fuse_silu_and_mul,
          .masked_m_is_int64 = quant_options.masked_m.dtype == DType::kInt64};
}

void per_token_group_quant_8bit(const Tensor& input, const Tensor& output_q, const Tensor& output_s,
                                const PerTokenGroupQuantOptions& quant_options,
                                const LaunchOptions& options) {
  const PerTokenGroupQuantParams params = check_per_token_group_quant(
      Arguments("per_token_group_quant_8bit"), input, output_q, output_s, quant_options);
  current().per_token_group_quant(params, options);
}

}  // namespace slipstream::ops
