// Programmatic dependent launch (PDL) on the device: the only code in this project with
// `griddepcontrol`.
//
// A grid launched with the PDL attribute may start while the grids before it are still running.
// wait() blocks the calling thread until every grid it depends on has completed and its writes are
// visible; trigger() lets the next grid start early and publishes nothing. Two rules keep a chain
// of kernels right (docs/pdl.md explains why):
//
//   1. Before wait() a thread touches parameters and shared memory, and reads Constant and Settled
//      memory, and nothing else. Stores count too.
//   2. Produced memory is never read through the read-only path (ld.global.nc): the compilers move
//      such loads above the wait, whatever clobber it carries.
//
// The types say which memory is which: Constant<T> may be read at any time, Settled<T> in a chain of
// kernels that wait before they trigger, Produced<T> only after wait().
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__)
#define SLIPSTREAM_HOST_DEVICE __host__ __device__
#else
#define SLIPSTREAM_HOST_DEVICE
#endif

namespace slipstream::pdl {

// Memory that no kernel writes while any kernel that reads it may run: weights, cos/sin tables,
// norm gammas.
template <class T>
struct Constant {
  const T* pointer = nullptr;

  // The address: for host code, for address arithmetic and for bulk copies to shared memory.
  [[nodiscard]] SLIPSTREAM_HOST_DEVICE const T* get() const { return pointer; }
};

// Memory that the kernel right before this one does not write, but an earlier one may have written. A
// kernel whose threads all wait() before they trigger() lets the next one start when all kernels before
// itself have completed and flushed. So behind such a kernel this memory may be read before wait(), with
// plain loads. Nothing is written by way of it.
template <class T>
struct Settled {
  const T* pointer = nullptr;

  [[nodiscard]] SLIPSTREAM_HOST_DEVICE const T* get() const { return pointer; }
};

// Memory that an earlier kernel may have written, or that this one writes. Read and written after
// wait() only, with plain loads and stores. Never declare a pointer taken from it `const
// __restrict__`.
template <class T>
struct Produced {
  T* pointer = nullptr;

  [[nodiscard]] SLIPSTREAM_HOST_DEVICE T* get() const { return pointer; }
};

#if defined(__CUDACC__)

// Blocks the calling thread until all grids that this grid depends on have completed and flushed.
// Returns at once in a grid launched without the PDL attribute. Orders the calling thread only;
// others need a barrier after it.
__device__ __forceinline__ void wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next grid of the stream start once every CTA of this grid has called trigger() or
// exited. Publishes nothing.
__device__ __forceinline__ void trigger() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

#endif  // __CUDACC__

// What a field of a kernel's parameter struct points to.
enum class Role : uint8_t { kConstant, kSettled, kProduced };

// One pointer of a kernel's parameter struct, for the tests and checkers that look at compiled
// code.
struct Field {
  const char* name;
  size_t offset;
  Role role;
};

template <class Pointer>
inline constexpr Role kRoleOf = Role::kProduced;
template <class T>
inline constexpr Role kRoleOf<Constant<T>> = Role::kConstant;
template <class T>
inline constexpr Role kRoleOf<Settled<T>> = Role::kSettled;

// Describes a member of a parameter struct: field<decltype(Params::weights)>("weights",
// offsetof(Params, weights)). Member may be a reference: nvcc hands decltype(a.b) to the host's
// compiler as decltype((a.b)).
template <class Member>
constexpr Field field(const char* name, size_t offset) {
  return {name, offset, kRoleOf<std::remove_cvref_t<Member>>};
}

}  // namespace slipstream::pdl
