// The kernels of a step as host code reaches them: one table for each variant (pdl/variant.h).
#pragma once

#include "slipstream/launch.h"
#include "step/kernels/attend/params.h"
#include "step/kernels/experts/params.h"
#include "step/kernels/latent/params.h"
#include "step/kernels/linear/params.h"
#include "step/kernels/place/params.h"
#include "step/kernels/sample/params.h"
#include "step/kernels/scores/params.h"
#include "step/kernels/select/params.h"
#include "step/kernels/values/params.h"

namespace slipstream::step::kernels {

// What each does, launch.h in the folder of its name says.
struct Set {
  void (*norm_linear)(LinearLaunch<NormInput>, const pdl::LaunchOptions&);
  void (*joined_norm_linear)(LinearLaunch<JoinedNormInput>, const pdl::LaunchOptions&);
  void (*plain_linear)(LinearLaunch<PlainInput>, const pdl::LaunchOptions&);
  void (*silu_linear)(LinearLaunch<SiluInput>, const pdl::LaunchOptions&);
  void (*latent)(LatentLaunch, const pdl::LaunchOptions&);
  void (*scores)(ScoreLaunch, const pdl::LaunchOptions&);
  void (*select)(const SelectParams&, const pdl::LaunchOptions&);
  void (*attend)(const AttendParams&, const pdl::LaunchOptions&);
  void (*values)(const ValuesParams&, const pdl::LaunchOptions&);
  void (*routed)(RoutedLaunch, const pdl::LaunchOptions&);
  void (*down)(DownLaunch, const pdl::LaunchOptions&);
  void (*place)(const PlaceParams&, const pdl::LaunchOptions&);
  void (*sample)(const SampleParams&, const pdl::LaunchOptions&);
  void (*verify)(const DraftParams&, const pdl::LaunchOptions&);
  void (*draw)(const DraftParams&, const pdl::LaunchOptions&);
};

[[nodiscard]] const Set& plain_set();
// In the library slipstream_step_instrumented.
[[nodiscard]] const Set& instrumented_set();

// The set that engines loaded from now on take: the plain one, unless a test has switched.
[[nodiscard]] const Set& current_set();
void switch_set(const Set& kernels);

}  // namespace slipstream::step::kernels
