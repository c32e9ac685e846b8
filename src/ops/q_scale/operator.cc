#include "ops/q_scale/operator.h"

#include <limits>

#include "ops/kernels.h"
#include "ops/support/limits.h"

namespace slipstream::ops {
namespace {

constexpr int64_t kMaxScaledTokens = std::numeric_limits<int32_t>::max();

struct Shape {
  int64_t tokens, heads;
};

// [T, H] or [T, H, 1]
void check_tensor(const Arguments& arguments, const char* argument, const Tensor& tensor,
                  Shape shape) {
  arguments.dtype(argument, tensor, {DType::kFloat32});
  arguments.size(argument, tensor, 0, {shape.tokens, "as weights has"});
  arguments.size(argument, tensor, 1, {shape.heads, "as weights has"});
  if (tensor.rank == 3) arguments.size(argument, tensor, 2, {1, ""});
  arguments.on_device(argument, tensor);
}

template <class T>
TokenHeads<T> token_heads(const Tensor& tensor) {
  return {{static_cast<T*>(tensor.data)}, tensor.strides[0], tensor.strides[1]};
}

// Output may be the very tensor that an input is (each element is read before it is written), but
// must not overlap it otherwise.
void check_output_apart(const Arguments& arguments, const Tensor& output, const char* argument,
                        const Tensor& input) {
  const bool same = output.data == input.data && output.strides[0] == input.strides[0] &&
                    output.strides[1] == input.strides[1];
  if (!same) arguments.disjoint("output", output, argument, input);
}

}  // namespace

QScaleParams check_q_scale(const Arguments& arguments, const Tensor& weights, const Tensor& q_scale,
                           const Tensor& output, float softmax_scale) {
  arguments.rank("weights", weights, {2});
  arguments.rank("q_scale", q_scale, {2, 3});
  arguments.rank("output", output, {2, 3});
  const Shape shape{weights.shape[0], weights.shape[1]};
  arguments.range("weights tokens", shape.tokens, 0, kMaxScaledTokens);
  arguments.range("weights heads", shape.heads, 0, kMaxColumns);
  check_tensor(arguments, "weights", weights, shape);
  check_tensor(arguments, "q_scale", q_scale, shape);
  check_tensor(arguments, "output", output, shape);
  arguments.no_self_overlap("output", output);
  check_output_apart(arguments, output, "weights", weights);
  check_output_apart(arguments, output, "q_scale", q_scale);
  return {token_heads<const float>(weights), token_heads<const float>(q_scale),
          token_heads<float>(output),        shape.tokens,
          static_cast<int>(shape.heads),     softmax_scale};
}

void apply_q_scale_and_softmax_scale(const Tensor& weights, const Tensor& q_scale,
                                     const Tensor& output, float softmax_scale,
                                     const LaunchOptions& options) {
  const QScaleParams params = check_q_scale(Arguments("apply_q_scale_and_softmax_scale"), weights,
                                            q_scale, output, softmax_scale);
  if (params.heads == 0) return;
  current().q_scale(params, options);
}

}  // namespace slipstream::ops
