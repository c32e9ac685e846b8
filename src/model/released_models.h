// The sizes of the released models, as their config.json files state them.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"

namespace slipstream::model {

// "deepseek-v3.2", "glm-5", "glm-5.2".
[[nodiscard]] std::vector<std::string> released_models();

// One of them by name, or what a config.json file says; its first `layers` layers, all if 0. Throws
// InvalidArgument if it is neither, or has fewer layers.
[[nodiscard]] ModelConfig model_shape(const std::string& name_or_file, int layers);

}  // namespace slipstream::model
