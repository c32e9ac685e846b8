// Every kernel of the engine.
#include <array>

#include "engine/kernels/attend/launch.h"
#include "engine/kernels/experts/launch.h"
#include "engine/kernels/latent/launch.h"
#include "engine/kernels/linear/launch.h"
#include "engine/kernels/sample/launch.h"
#include "engine/kernels/scores/launch.h"
#include "engine/kernels/select/launch.h"
#include "engine/kernels/values/launch.h"
#include "slipstream/engine.h"

namespace slipstream::engine {

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

}  // namespace slipstream::engine
