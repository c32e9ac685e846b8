// Each layer of a golden alone, on an engine.
#pragma once

#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/golden.h"

namespace slipstream::engine::test {

// Runs every layer from its exact input, and EXPECTs the limits of its errors and index lists.
void expect_golden_layers(const model::test::Golden& golden, const Engine& engine);

}  // namespace slipstream::engine::test
