// Which Slipstream a program runs with.
#pragma once

namespace slipstream {

// "0.1.0", as semver.org has it: before 1.0 another minor version may have another interface.
[[nodiscard]] const char* version();

// The commit that it was built from, abbreviated, with "-dirty" where files differed from it;
// "unknown" where it was not built from a git checkout.
[[nodiscard]] const char* commit();

}  // namespace slipstream
