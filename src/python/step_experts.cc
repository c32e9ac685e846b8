// The launches of a decode step's routed experts, for python/slipstream/_step.py.
// What the kernels do, step/kernels/set.h and the params.h of each folder say.
#include <tvm/ffi/tvm_ffi.h>

#include <string>

#include "python/export.h"
#include "python/step_call.h"
#include "step/kernels/support/code_units.h"

namespace slipstream::python {
namespace {

using tvm::ffi::TensorView;

// Groups of experts as DeepSeek's router has them: of `groups`, `kept_groups` are looked at. `codes`
// are rows of so many columns as step_code_units gives them.
void step_routed(const TensorView& logits, const TensorView& bias, int64_t groups,
                 int64_t kept_groups, double scaling, const TensorView& codes, int64_t columns,
                 const TensorView& tiles, const TensorView& scales, const TensorView& choices,
                 const TensorView& activated, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_routed");
    const Tensor router = call.tensor("logits", logits, DType::kFloat32, {kAny, kAny});
    const int tokens = call.tokens("logits", router);
    const int64_t experts = router.shape[1];
    const Tensor chosen = call.tensor("choices", choices, DType::kInt32, {tokens, kAny, 2});
    const Tensor out =
        call.tensor("activated", activated, DType::kBFloat16, {tokens, chosen.shape[1], kAny});
    if (experts > step::kernels::kMaxExperts || groups < 1 || groups > 32 ||
        experts % groups != 0) {
      reject("step_routed", "groups", "1 to 32, and share at most 512 experts evenly out",
             std::to_string(groups) + " for " + std::to_string(experts));
    }
    const auto gate_up = call.matrix("tiles", tiles, scales, out.shape[2], columns);
    const Tensor in = call.tensor("codes", codes, DType::kUInt8,
                                  {step::kernels::code_bytes(gate_up.groups() * tokens)});
    step::kernels::plain_set().routed(
        {.route = {.logits = produced<const float>(router),
                   .bias = constant<float>(call.tensor("bias", bias, DType::kFloat32, {experts})),
                   .experts = static_cast<int>(experts),
                   .choices = static_cast<int>(chosen.shape[1]),
                   .groups = static_cast<int>(groups),
                   .kept_groups = static_cast<int>(kept_groups),
                   .scaling = static_cast<float>(scaling)},
         .gate_up = gate_up,
         .codes = produced<const unsigned char>(in),
         .tokens = tokens,
         .choices = produced<step::kernels::ExpertChoice>(chosen),
         .activated = produced<__nv_bfloat16>(out)},
        call.options(pdl));
  });
}

void step_down(const TensorView& choices, int64_t experts, const TensorView& activated,
               const TensorView& tiles, const TensorView& shared_input,
               const TensorView& shared_tiles, const TensorView& output, bool ue8m0,
               const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_down");
    const Tensor chosen = call.tensor("choices", choices, DType::kInt32, {kAny, kAny, 2});
    const int tokens = call.tokens("choices", chosen);
    const Tensor in =
        call.tensor("activated", activated, DType::kBFloat16, {tokens, chosen.shape[1], kAny});
    const Tensor shared =
        call.tensor("shared_input", shared_input, DType::kBFloat16, {tokens, kAny});
    const Tensor out = call.tensor("output", output, DType::kBFloat16, {tokens, kAny});
    const int64_t hidden = out.shape[1];
    const int shared_width = static_cast<int>(shared.shape[1] / 2);
    step::kernels::plain_set().down(
        {.choices = produced<const step::kernels::ExpertChoice>(chosen),
         .choices_per_token = static_cast<int>(chosen.shape[1]),
         .experts = static_cast<int>(experts),
         .activated = produced<const __nv_bfloat16>(in),
         .down = call.bands("tiles", tiles, hidden, in.shape[2] / 2),
         .shared_input = {.rows = settled<__nv_bfloat16>(shared),
                          .stride = shared.shape[1],
                          .columns = shared_width},
         .shared_down = call.bands("shared_tiles", shared_tiles, hidden, shared_width),
         .tokens = tokens,
         .ue8m0 = ue8m0,
         .output = produced<__nv_bfloat16>(out)},
        call.options(pdl));
  });
}

}  // namespace

SLIPSTREAM_EXPORT(step_routed, step_routed)
SLIPSTREAM_EXPORT(step_down, step_down)

}  // namespace slipstream::python
