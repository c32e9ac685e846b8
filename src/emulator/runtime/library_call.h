// How a library that stands for one of NVIDIA's, as cuBLAS, puts its work into a stream: where it would launch kernels,
// one host operation that says which memory it reads and writes. So it is ordered, captured into graphs and checked as
// kernels are.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace slipstream::emulator::runtime {

// `height` rows of `width` bytes.
struct MemoryUse {
  std::string what;  // the argument, for messages
  uint64_t address = 0;
  uint64_t width = 0;
  uint64_t height = 1;
  uint64_t pitch = 0;  // bytes from row to row
  bool is_written = false;
};

struct LibraryCall {
  std::string function;
  std::vector<MemoryUse> uses;
  // What else it touches, which depends on what the memory above then holds; may be empty. Called right before `run`.
  std::function<std::vector<MemoryUse>()> further_uses;
  // Has values in no memory but what is said to be written.
  std::function<void()> run;
};

struct LibraryOperation;
// Throws where it touches what it may not; runs in the order of the device's work.
void run_library_call(const LibraryOperation& operation);
// Throws where that is known already.
void check_library_call(const LibraryOperation& operation);

}  // namespace slipstream::emulator::runtime

// Outside of graphs, `uses` are checked at once: cudaErrorInvalidValue, and a message, where they are no device memory of
// that size.
extern "C" cudaError_t slipstream_enqueue_library_call(
    cudaStream_t stream, slipstream::emulator::runtime::LibraryCall* call);
