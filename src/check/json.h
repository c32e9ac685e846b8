// The JSON library's two kinds of documents; one name for each, so that sources that need them may be
// compiled as one file.
#pragma once

#include <nlohmann/json.hpp>

namespace slipstream::check {

using Json = nlohmann::json;                 // members in the order of their names
using OrderedJson = nlohmann::ordered_json;  // in the order in which they were added

}  // namespace slipstream::check
