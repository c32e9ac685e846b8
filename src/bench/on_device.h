// Work for another device than the current one.
#pragma once

#include <functional>

namespace slipstream::bench {

// Calls work() on a thread of its own, with `device` current, and throws what it throws.
void on_device(int device, const std::function<void()>& work);

// Makes `peer`'s memory addressable for the current device.
void reach_peer(int peer);

}  // namespace slipstream::bench
