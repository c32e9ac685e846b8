// Kernels for tests of several devices: each is launched into a stream by one function.
#pragma once

#include <cuda_runtime.h>

namespace slipstream::devices_test {

// Words that devices exchange are read and written relaxed, at system scope.
void launch_store(cudaStream_t stream, unsigned* word, unsigned value);
// Waits until the word is at least `least`, and writes what it is then to `seen`.
void launch_wait(cudaStream_t stream, const unsigned* word, unsigned least, unsigned* seen);
// The same, but only for so many nanoseconds: then `seen` is all ones.
void launch_wait_at_most(cudaStream_t stream, const unsigned* word, unsigned least, unsigned* seen,
                         unsigned long long nanoseconds);
// One thread polls, the others of the block wait for it at a barrier in every round.
void launch_wait_together(cudaStream_t stream, const unsigned* word, unsigned least,
                          unsigned* seen);
// One warp polls. The other looks at a second word a few times, whatever it finds, and then waits for
// the first at a barrier.
void launch_wait_and_glance(cudaStream_t stream, const unsigned* word, unsigned least,
                            const unsigned* glanced_at, unsigned* seen);
// Counts up in turns with another kernel: answers every value of `mine` by the next one in `theirs`.
void launch_ping_pong(cudaStream_t stream, unsigned* mine, unsigned* theirs, unsigned rounds,
                      bool begins);
// One lane of a warp waits for what another writes.
void launch_lanes_in_one_warp(cudaStream_t stream, unsigned* word, unsigned* seen);
// A lock that both take by compare-and-swap, `rounds` times, to count.
void launch_locked_count(cudaStream_t stream, unsigned* lock, unsigned* count, unsigned rounds);
// Adds to a variable of the module.
void launch_add_to_variable(cudaStream_t stream, int value);
int variable_on_current_device();

const void* kernel_with_dynamic_shared_memory();
cudaError_t launch_with_dynamic_shared_memory(cudaStream_t stream, int bytes);

}  // namespace slipstream::devices_test
