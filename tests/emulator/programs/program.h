// What the test programs share: they are plain CUDA programs that know nothing of the emulator,
// built by nvcc and linked with the shared runtime. They answer with their exit code.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

inline void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s (%s)\n", what, cudaGetErrorName(code), cudaGetErrorString(code));
  std::exit(1);
}

inline void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::exit(1);
}

// Device memory that the program holds until it ends.
template <class T>
T* device_array(size_t count) {
  void* pointer = nullptr;
  check(cudaMalloc(&pointer, count * sizeof(T)), "cudaMalloc");
  return static_cast<T*>(pointer);
}

template <class T>
T* to_device(const std::vector<T>& values) {
  T* pointer = device_array<T>(values.size());
  check(cudaMemcpy(pointer, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
        "copy to the device");
  return pointer;
}

template <class T>
std::vector<T> to_host(const T* pointer, size_t count) {
  std::vector<T> values(count);
  check(cudaMemcpy(values.data(), pointer, count * sizeof(T), cudaMemcpyDeviceToHost),
        "copy to the host");
  return values;
}

// Reproducible values that look like nothing in particular.
inline std::vector<unsigned> scrambled(size_t count) {
  std::vector<unsigned> values(count);
  unsigned state = 12345;
  for (unsigned& value : values) {
    state = state * 1664525U + 1013904223U;
    value = state ^ (state >> 13);
  }
  return values;
}
