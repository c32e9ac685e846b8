// `slipstream info`: device, versions, whether PDL is on and why, and what this build holds.
#pragma once

namespace CLI {
class App;
}

namespace slipstream::cli {

void add_info_command(CLI::App& app);

}  // namespace slipstream::cli
