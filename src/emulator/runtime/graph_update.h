// cudaGraphExecUpdate: gives an executable graph the parameters of another graph of the same shape.
#pragma once

#include <driver_types.h>

#include "emulator/runtime/graph.h"

namespace slipstream::emulator::runtime {

// Changes `exec` only if all of `graph` fits: the same nodes in the same order with the same types,
// the same edges with the same data. Otherwise says what differs, at which node.
cudaGraphExecUpdateResultInfo update_exec(GraphExec& exec, const Graph& graph);

}  // namespace slipstream::emulator::runtime
