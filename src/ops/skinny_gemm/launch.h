// What the two operators built on the skinny matrix product share on the host.
#pragma once

#include "ops/skinny_gemm/params.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::ops {

extern const pdl::KernelDeclaration kSkinnyGemmDeclaration;

// The operator's arguments under the names that its caller knows. `weights` is [rows, columns].
struct SkinnyGemmArguments {
  const char* operator_name;
  const char* activations_name;
  const char* weights_name;
  Tensor activations;
  Tensor weights;
  Tensor output;
  int row_multiple;  // rows must be a multiple of it
};

// Checks everything, and returns the parameters. Throws InvalidArgument.
SkinnyGemmParams check_skinny_gemm(const SkinnyGemmArguments& arguments);

// Few rows (a router): eight CTAs share the columns of 16 rows, and hold all of them before the
// wait.
void launch_few_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);
// Many rows (a projection): two CTAs share the columns of 32 rows and stream them.
void launch_many_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::ops
