// The only way to start a kernel: launch() decides about programmatic dependent launch (PDL), uses a
// default stream only where it is told that this is meant, and never drops an error.
//
// The PDL attribute is set exactly if
//   1. the device supports it (compute capability 9.0 or later),
//   2. it is not switched off: per call, else per stream, else by set_enabled(), else by
//      SLIPSTREAM_PDL=0,
//   3. the kernel is declared to wait, and
//   4. the image that was really loaded for the kernel is sm_90 or later (code for older targets
//      has no wait in it).
// A kernel that does not wait is therefore never launched with the attribute.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <span>

#include "slipstream/error.h"
#include "slipstream/pdl.cuh"

namespace slipstream::pdl {

// True if `device` (default: the current one) runs dependent grids early: compute capability 9.0 or
// later. Cached per device. Throws CudaError if there is no such device.
[[nodiscard]] bool supports_pdl(int device);
[[nodiscard]] bool supports_pdl();

// The switch for the whole process. nullopt returns it to SLIPSTREAM_PDL (unset or 1: on; 0: off;
// anything else throws InvalidArgument at the first launch).
void set_enabled(std::optional<bool> enabled);
// The switch for one stream; nullopt removes it. Call it again when the stream is destroyed:
// handles are reused.
void set_stream_enabled(cudaStream_t stream, std::optional<bool> enabled);
// What a launch on `stream` would find, before the device and the kernel are asked.
[[nodiscard]] bool enabled(cudaStream_t stream);

// What a kernel promises. Declared once, next to the kernel; a test decodes the compiled images and
// fails where declaration and code differ.
struct KernelDeclaration {
  const char* name;               // for people: "dsv3_router_gemm"
  const char* symbol;             // qualified C++ name of the kernel function or function template
  bool waits;                     // every thread waits before it touches produced memory
  std::span<const Field> fields;  // the pointers in the kernel's parameter struct
};

// Where and how to launch. Streams are explicit: there is no default.
struct LaunchOptions {
  cudaStream_t stream;
  std::optional<bool> pdl =
      std::nullopt;  // this call only; overrides the stream's and the process's switch
  // A default stream is refused unless the caller says that it means one: it orders a launch after
  // work that nobody named, and it cannot be captured. PyTorch's normal stream is one.
  bool default_stream_allowed = false;
};

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t dynamic_shared_bytes = 0;
  dim3 cluster = {1, 1, 1};
  // Clusters go to the multiprocessors with the fewest CTAs, not to the same ones at every launch.
  bool balances_clusters = false;
};

// Starts `function` with one parameter of `parameter_bytes` bytes. Prefer the typed form below.
void launch_untyped(const KernelDeclaration& declaration, const void* function,
                    const LaunchShape& shape, const LaunchOptions& options, void* parameter);

// Starts `kernel`, a __global__ function that takes its parameter struct by value. Throws CudaError
// naming the kernel; an empty grid launches nothing.
template <class Params>
void launch(const KernelDeclaration& declaration, void (*kernel)(Params), const LaunchShape& shape,
            const LaunchOptions& options, const Params& params) {
  static_assert(std::is_trivially_copyable_v<Params>);
  Params copy = params;
  launch_untyped(declaration, reinterpret_cast<const void*>(kernel), shape, options, &copy);
}

}  // namespace slipstream::pdl
