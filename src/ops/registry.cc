// Every kernel of the operators.
#include <array>

#include "ops/apply_rope/launch.h"
#include "ops/mla_rope_quantize_fp8/launch.h"
#include "ops/per_token_group_quant/launch.h"
#include "ops/q_scale/launch.h"
#include "ops/set_mla_kv_buffer/launch.h"
#include "ops/set_mla_kv_buffer_fp8/launch.h"
#include "ops/skinny_gemm/launch.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

std::span<const pdl::KernelDeclaration* const> kernel_declarations() {
  static constexpr std::array kDeclarations{&kSetMlaKvBufferDeclaration,
                                            &kSetMlaKvBufferFp8Declaration,
                                            &kSetMlaKvBufferFp8Row656Declaration,
                                            &kMlaRopeQuantizeFp8Declaration,
                                            &kApplyRopeDeclaration,
                                            &kPerTokenGroupQuantDeclaration,
                                            &kQScaleDeclaration,
                                            &kSkinnyGemmDeclaration,
                                            &kSkinnyStreamDeclaration,
                                            &kSkinnyGemvDeclaration};
  return kDeclarations;
}

}  // namespace slipstream::ops
