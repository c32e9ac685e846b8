// Copies and fills: what the API's many forms have in common.
#pragma once

#include <driver_types.h>

#include <cstdint>

#include "emulator/runtime/operation.h"
#include "emulator/runtime/stream.h"

namespace slipstream::emulator::runtime {

// Copies or fills now. Runs in the order of the device's work.
void run_copy(const CopyOperation& operation);
void run_fill(const FillOperation& operation);

// A copy of `size` bytes between two flat ranges, or of rows. Throws ApiError where the kind, the
// pitches or the ranges are illegal.
CopyOperation flat_copy(void* destination, const void* source, uint64_t size, cudaMemcpyKind kind);
CopyOperation row_copy(void* destination, uint64_t destination_pitch, const void* source,
                       uint64_t source_pitch, uint64_t width, uint64_t height, cudaMemcpyKind kind);
CopyOperation volume_copy(const cudaMemcpy3DParms& parameters);
FillOperation row_fill(void* destination, uint64_t pitch, uint32_t value, uint32_t element_bytes,
                       uint64_t width, uint64_t height);
FillOperation volume_fill(const cudaPitchedPtr& destination, uint32_t value,
                          const cudaExtent& extent);

// Puts the copy into the stream. An asynchronous one returns early only where the API says so: with
// pageable memory as the source the bytes are taken at once, with pageable memory as the
// destination the call waits.
void enqueue_copy(Stream& stream, CopyOperation operation);
void enqueue_copy_and_wait(Stream& stream, CopyOperation operation);
void enqueue_fill(Stream& stream, FillOperation operation);

}  // namespace slipstream::emulator::runtime
