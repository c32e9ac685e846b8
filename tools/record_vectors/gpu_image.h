// An image in a GPU's memory, and a texture or surface object of it.
#pragma once

#include <cuda_runtime_api.h>

#include "image_spec.h"

namespace slipstream::record_vectors {

// Throws std::runtime_error where the runtime returns an error.
class GpuImage {
 public:
  explicit GpuImage(const ImageSpec& image);
  ~GpuImage();
  GpuImage(const GpuImage&) = delete;
  GpuImage& operator=(const GpuImage&) = delete;

  uint64_t handle() const { return handle_; }

 private:
  void make_array(const ImageSpec& image, Bytes& bytes);
  void make_memory(const ImageSpec& image, const Bytes& bytes);
  void make_texture(const ImageSpec& image);

  cudaResourceDesc resource_{};
  bool is_surface_;
  unsigned long long handle_ = 0;
};

}  // namespace slipstream::record_vectors
