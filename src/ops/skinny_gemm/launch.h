// Starts the kernels of the skinny matrix product.
#pragma once

#include "ops/skinny_gemm/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kSkinnyGemmDeclaration;
extern const pdl::KernelDeclaration kSkinnyStreamDeclaration;
extern const pdl::KernelDeclaration kSkinnyGemvDeclaration;

// Few rows (a router). One or two tokens: two rows per CTA, weights in registers. More: eight CTAs
// share the columns of 16 rows, and hold all of them before the wait.
void launch_few_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);
// Many rows (a projection): 16 per CTA, streamed through all of a multiprocessor's shared memory.
void launch_many_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
