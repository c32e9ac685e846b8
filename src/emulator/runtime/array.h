// CUDA arrays, and the texture and surface objects through which kernels see them. An array's elements lie row by row,
// without gaps.
#pragma once

#include <driver_types.h>
#include <texture_types.h>

#include <cstdint>
#include <map>
#include <memory>

#include "emulator/machine/image.h"

namespace slipstream::emulator::runtime {

struct Array {
  cudaChannelFormatDesc format{};
  cudaExtent extent{};  // as given: zero where it has no such dimension
  unsigned int flags = 0;
  uint64_t address = 0;
  uint32_t element_bytes = 0;

  [[nodiscard]] uint64_t rows() const { return extent.height == 0 ? 1 : extent.height; }
  [[nodiscard]] uint64_t planes() const { return extent.depth == 0 ? 1 : extent.depth; }
  [[nodiscard]] uint64_t pitch() const { return extent.width * element_bytes; }
  [[nodiscard]] uint64_t plane() const { return pitch() * rows(); }
  // The address of a byte of a row. Throws ApiError cudaErrorInvalidValue outside.
  [[nodiscard]] uint64_t at(uint64_t byte, uint64_t row, uint64_t plane_index) const;
};

class Arrays {
 public:
  cudaArray_t create(const cudaChannelFormatDesc& format, const cudaExtent& extent,
                     unsigned int flags);
  // Throws ApiError cudaErrorInvalidResourceHandle where there is no such array.
  const Array& resolve(cudaArray_const_t handle) const;
  void destroy(cudaArray_t handle);

 private:
  std::map<cudaArray_const_t, std::unique_ptr<Array>> arrays_;
};

Arrays& arrays();

// What a kernel needs to know of the object. Throws ApiError where the description is malformed, or asks for what is not
// supported.
Image texture_image(const cudaResourceDesc& resource, const cudaTextureDesc& texture);
Image surface_image(const cudaResourceDesc& resource);

}  // namespace slipstream::emulator::runtime
