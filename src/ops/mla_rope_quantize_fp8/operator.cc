#include "ops/mla_rope_quantize_fp8/operator.h"

#include <algorithm>
#include <array>

#include "ops/kernels.h"
#include "ops/support/limits.h"
#include "ops/support/views.h"

namespace slipstream::ops {
namespace {

// One input with its output, k as [tokens, 1, columns].
struct Part {
  const char* name;
  const char* output_name;
  Tensor input;
  Tensor output;
};

Part part(const Arguments& check, const char* name, const Tensor& input, const char* output_name,
          const Tensor& output) {
  return {name, output_name, with_head_axis(check, name, input),
          with_head_axis(check, output_name, output)};
}

struct PartShape {
  int64_t tokens, heads, columns;
};

void check_part(const Arguments& check, const Part& part, const PartShape& shape, DType input_dtype,
                DType output_dtype) {
  const auto check_tensor = [&](const char* name, const Tensor& tensor) {
    check.size(name, tensor, 0, {shape.tokens, "as q_rope has"});
    check.size(name, tensor, 1, {shape.heads, "(heads)"});
    check.size(name, tensor, 2, {shape.columns, ""});
    check.last_axis_contiguous(name, tensor);
    check.on_device(name, tensor);
  };
  check.dtype(part.name, part.input, {input_dtype});
  check.dtype(part.output_name, part.output, {output_dtype});
  check_tensor(part.name, part.input);
  check_tensor(part.output_name, part.output);
  check.no_self_overlap(part.output_name, part.output);
}

// No output may share memory with an input or with another output.
void check_apart(const Arguments& check, const std::array<Part, 4>& parts, const Tensor& pos_ids,
                 const Tensor& cos_sin_cache) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& writer = parts[i];
    for (const Part& reader : parts) {
      check.disjoint(writer.output_name, writer.output, reader.name, reader.input);
    }
    for (size_t j = i + 1; j < parts.size(); ++j) {
      check.disjoint(writer.output_name, writer.output, parts[j].output_name, parts[j].output);
    }
    check.disjoint(writer.output_name, writer.output, "pos_ids", pos_ids);
    check.disjoint(writer.output_name, writer.output, "cos_sin_cache", cos_sin_cache);
  }
}

// An absent nope part stands for one without columns.
Tensor or_empty(const Tensor& tensor, const Tensor& like, DType dtype) {
  if (!tensor.absent()) return tensor;
  return like.rank == 3 ? Tensor(nullptr, dtype, {like.shape[0], like.shape[1], 0})
                        : Tensor(nullptr, dtype, {like.shape[0], 0});
}

bool are_aligned(const MlaRopeQuantizeArguments& arguments) {
  const auto all = [](std::initializer_list<const Tensor*> tensors, int64_t bytes) {
    return std::all_of(tensors.begin(), tensors.end(),
                       [&](const Tensor* tensor) { return is_aligned(*tensor, bytes); });
  };
  return all({&arguments.q_rope, &arguments.k_rope, &arguments.q_nope, &arguments.k_nope,
              &arguments.cos_sin_cache},
             kPackedFloatBytes) &&
         all({&arguments.q_rope_out, &arguments.k_rope_out, &arguments.q_nope_out,
              &arguments.k_nope_out},
             kPackedCodeBytes);
}

}  // namespace

MlaRopeQuantizeFp8Params check_mla_rope_quantize_fp8(const Arguments& check,
                                                     const MlaRopeQuantizeArguments& arguments) {
  check.rank("q_rope", arguments.q_rope, {3});
  check.dtype("q_rope", arguments.q_rope, {DType::kBFloat16, DType::kFloat16});
  check.range("q_rope tokens", arguments.q_rope.shape[0], 0, int64_t{1} << 31);
  check.range("q_rope heads", arguments.q_rope.shape[1], 1, kMaxHeads);
  check.dtype("q_rope_out", arguments.q_rope_out, {DType::kFloat8E4M3, DType::kFloat8E5M2});
  const DType input = arguments.q_rope.dtype;
  const DType output = arguments.q_rope_out.dtype;
  const std::array<Part, 4> parts{
      part(check, "q_rope", arguments.q_rope, "q_rope_out", arguments.q_rope_out),
      part(check, "k_rope", arguments.k_rope, "k_rope_out", arguments.k_rope_out),
      part(check, "q_nope", or_empty(arguments.q_nope, arguments.q_rope, input), "q_nope_out",
           or_empty(arguments.q_nope_out, arguments.q_rope, output)),
      part(check, "k_nope", or_empty(arguments.k_nope, arguments.k_rope, input), "k_nope_out",
           or_empty(arguments.k_nope_out, arguments.k_rope, output))};
  const RopeTable table = rope_table(check, arguments.cos_sin_cache, arguments.layout);
  const int64_t tokens = parts[0].input.shape[0];
  const int64_t heads = parts[0].input.shape[1];
  const int64_t nope = parts[2].input.shape[2];
  check.range("q_nope columns", nope, 0, kMaxColumns);
  check_part(check, parts[0], {tokens, heads, table.rope}, input, output);
  check_part(check, parts[1], {tokens, 1, table.rope}, input, output);
  check_part(check, parts[2], {tokens, heads, nope}, input, output);
  check_part(check, parts[3], {tokens, 1, nope}, input, output);
  const IndexArray pos_ids = index_array(check, "pos_ids", arguments.pos_ids, tokens);
  check_apart(check, parts, arguments.pos_ids, arguments.cos_sin_cache);
  return {head_rows<const uint16_t>(parts[0].input),
          head_rows<const uint16_t>(parts[1].input),
          head_rows<const uint16_t>(parts[2].input),
          head_rows<const uint16_t>(parts[3].input),
          head_rows<uint8_t>(parts[0].output),
          head_rows<uint8_t>(parts[1].output),
          head_rows<uint8_t>(parts[2].output),
          head_rows<uint8_t>(parts[3].output),
          table,
          pos_ids,
          tokens,
          static_cast<int>(heads),
          static_cast<int>(nope),
          arguments.quant_scale_q,
          arguments.quant_scale_kv,
          input,
          output};
}

void mla_rope_quantize_fp8(const MlaRopeQuantizeArguments& arguments,
                           const LaunchOptions& options) {
  const MlaRopeQuantizeFp8Params params =
      check_mla_rope_quantize_fp8(Arguments("mla_rope_quantize_fp8"), arguments);
  current().mla_rope_quantize_fp8(params, are_aligned(arguments), options);
}

}  // namespace slipstream::ops
