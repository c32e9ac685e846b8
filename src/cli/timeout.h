// `--timeout` of commands that do their work in this process.
#pragma once

namespace slipstream::cli {

// After so many seconds the process ends with kTimedOut and a line that says so, whatever it is doing:
// also where a device does not answer. Files are written whole or not at all, so none is left half.
void end_process_after(double seconds);

}  // namespace slipstream::cli
