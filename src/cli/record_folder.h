// Where `slipstream record` and `slipstream emulate --record` leave what they noted.
#pragma once

#include <string>

namespace slipstream::cli {

// Makes it. Throws InvalidArgument if it is there and not empty: two recordings in one folder would be
// taken for one.
void make_record_folder(const std::string& folder);

}  // namespace slipstream::cli
