// The formats of arrays: the driver's and the runtime's ways to say them.
#pragma once

#include <cuda.h>
#include <driver_types.h>

namespace slipstream::emulator::driver {

// Throws ApiError cudaErrorNotSupported for formats that the runtime has no arrays of.
cudaChannelFormatDesc channels_of(CUarray_format format, unsigned channels);
CUarray_format format_of(const cudaChannelFormatDesc& channels);
unsigned count_of(const cudaChannelFormatDesc& channels);

// An array is the same object for both.
inline cudaArray_t same(CUarray array) { return reinterpret_cast<cudaArray_t>(array); }
inline CUarray same(cudaArray_t array) { return reinterpret_cast<CUarray>(array); }

}  // namespace slipstream::emulator::driver
