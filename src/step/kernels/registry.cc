#include "step/kernels/registry.h"

#include <array>

#include "pdl/fields.h"
#include "step/kernels/attend/launch.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/place/launch.h"
#include "step/kernels/sample/launch.h"
#include "step/kernels/scores/launch.h"
#include "step/kernels/select/launch.h"
#include "step/kernels/values/launch.h"

namespace slipstream::step {
namespace {

// The checkers of compiled code know only the pointers that are listed.
template <class Params, size_t count>
constexpr bool lists_all(const std::array<pdl::Field, count>& /*fields*/) {
  return pdl::pointers_in<Params>() == count;
}
static_assert(lists_all<kernels::LinearLaunch<kernels::NormInput>>(kernels::kNormLinearFields));
static_assert(
    lists_all<kernels::LinearLaunch<kernels::JoinedNormInput>>(kernels::kJoinedNormLinearFields));
static_assert(lists_all<kernels::LinearLaunch<kernels::PlainInput>>(kernels::kPlainLinearFields));
static_assert(lists_all<kernels::LinearLaunch<kernels::SiluInput>>(kernels::kSiluLinearFields));
static_assert(
    lists_all<kernels::LinearLaunch<kernels::PreparedInput>>(kernels::kPreparedLinearFields));
static_assert(lists_all<kernels::PrepareLaunch<kernels::NormInput>>(kernels::kPrepareNormFields));
static_assert(lists_all<kernels::PrepareLaunch<kernels::PlainInput>>(kernels::kPreparePlainFields));
static_assert(lists_all<kernels::LatentLaunch>(kernels::kLatentFields));
static_assert(lists_all<kernels::PreparedLatentLaunch>(kernels::kPreparedLatentFields));
static_assert(lists_all<kernels::ScoreLaunch>(kernels::kScoreFields));
static_assert(lists_all<kernels::SelectParams>(kernels::kSelectFields));
static_assert(lists_all<kernels::AttendParams>(kernels::kAttendFields));
static_assert(lists_all<kernels::ValuesParams>(kernels::kValuesFields));
static_assert(lists_all<kernels::RoutedLaunch>(kernels::kRoutedFields));
static_assert(lists_all<kernels::DownLaunch>(kernels::kDownFields));
static_assert(lists_all<kernels::PlaceParams>(kernels::kPlaceFields));
static_assert(lists_all<kernels::SampleParams>(kernels::kSampleFields));
static_assert(lists_all<kernels::DraftParams>(kernels::kDraftFields));

}  // namespace

std::span<const pdl::KernelDeclaration* const> kernel_declarations() {
  static constexpr std::array kDeclarations{&kernels::kNormLinearDeclaration,
                                            &kernels::kPeerNormLinearDeclaration,
                                            &kernels::kJoinedNormLinearDeclaration,
                                            &kernels::kPlainLinearDeclaration,
                                            &kernels::kSiluLinearDeclaration,
                                            &kernels::kPreparedLinearDeclaration,
                                            &kernels::kPrepareNormDeclaration,
                                            &kernels::kPreparePeerNormDeclaration,
                                            &kernels::kPreparePlainDeclaration,
                                            &kernels::kLatentDeclaration,
                                            &kernels::kPreparedLatentDeclaration,
                                            &kernels::kScoreDeclaration,
                                            &kernels::kSelectDeclaration,
                                            &kernels::kAttendDeclaration,
                                            &kernels::kValuesDeclaration,
                                            &kernels::kRoutedDeclaration,
                                            &kernels::kDownDeclaration,
                                            &kernels::kBandedDownDeclaration,
                                            &kernels::kPlaceDeclaration,
                                            &kernels::kSampleDeclaration,
                                            &kernels::kVerifyDeclaration,
                                            &kernels::kDrawDeclaration};
  return kDeclarations;
}

}  // namespace slipstream::step
