// Every kernel of the engine.
#include "step/kernels/registry.h"

#include <array>

#include "step/kernels/attend/launch.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/sample/launch.h"
#include "step/kernels/scores/launch.h"
#include "step/kernels/select/launch.h"
#include "step/kernels/values/launch.h"

namespace slipstream::step {

std::span<const pdl::KernelDeclaration* const> kernel_declarations() {
  static constexpr std::array kDeclarations{
      &kernels::kNormLinearDeclaration, &kernels::kPlainLinearDeclaration,
      &kernels::kSiluLinearDeclaration, &kernels::kLatentDeclaration,
      &kernels::kScoreDeclaration,      &kernels::kSelectDeclaration,
      &kernels::kAttendDeclaration,     &kernels::kValuesDeclaration,
      &kernels::kRoutedDeclaration,     &kernels::kDownDeclaration,
      &kernels::kSampleDeclaration};
  return kDeclarations;
}

}  // namespace slipstream::step
