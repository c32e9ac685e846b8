// Runs an operator the ways it is used, on arguments that an earlier kernel of the stream produces.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pdl/stream.h"
#include "slipstream/launch.h"
#include "support/mirror.h"

namespace slipstream::test {

using Operator = std::function<void(const pdl::LaunchOptions&)>;

// The bytes of every mirror on the device after `run`, without and with PDL and from the second
// replay of a captured graph. Each time the mirrors' initial bytes are put in place by kernels that
// trigger at once and write late, so an operator that touches an argument before its wait meets
// rubbish.
struct ModeResult {
  std::string mode;
  std::vector<std::vector<uint8_t>> bytes;  // one per mirror
};
[[nodiscard]] std::vector<ModeResult> run_in_all_modes(std::span<Mirror* const> mirrors,
                                                       const Operator& run);

// Demands that in every mode every mirror ends up with the bytes that its host() has: run the
// reference first.
void expect_matches_host(const std::vector<Mirror*>& mirrors, const Operator& run);

}  // namespace slipstream::test
