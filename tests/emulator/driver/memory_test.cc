// Memory: copies of rows, fills, and what a pointer is.
#include <cuda.h>
#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <utility>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

using Memory = Driver;

TEST_F(Memory, IsCopiedByRows) {
  std::array<uint8_t, 64> host{};
  std::iota(host.begin(), host.end(), uint8_t{0});
  CUdeviceptr memory = 0;
  ASSERT_EQ(cuMemAlloc(&memory, 64), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD8(memory, 99, 64), CUDA_SUCCESS);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = host.data();
  copy.srcPitch = 16;
  copy.srcXInBytes = 2;
  copy.srcY = 1;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory;
  copy.dstPitch = 8;
  copy.dstY = 2;
  copy.WidthInBytes = 4;
  copy.Height = 2;
  ASSERT_EQ(cuMemcpy2D(&copy), CUDA_SUCCESS);
  std::array<uint8_t, 64> back{};
  ASSERT_EQ(cuMemcpyDtoH(back.data(), memory, 64), CUDA_SUCCESS);
  EXPECT_EQ(back[15], 99);
  EXPECT_EQ(back[16], 18);
  EXPECT_EQ(back[19], 21);
  EXPECT_EQ(back[20], 99);
  EXPECT_EQ(back[24], 34);
  EXPECT_EQ(cuMemFree(memory), CUDA_SUCCESS);
}

TEST_F(Memory, IsFilledWithHalvesAndWords) {
  CUdeviceptr memory = 0;
  ASSERT_EQ(cuMemAlloc(&memory, 16), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD16(memory, 0x1234, 4), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32(memory + 8, 0x89abcdef, 2), CUDA_SUCCESS);
  std::array<uint32_t, 4> back{};
  ASSERT_EQ(cuMemcpyDtoH(back.data(), memory, 16), CUDA_SUCCESS);
  EXPECT_EQ(back, (std::array<uint32_t, 4>{0x12341234, 0x12341234, 0x89abcdef, 0x89abcdef}));
  EXPECT_EQ(cuMemsetD32(memory + 2, 0, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemsetD32(memory + 8, 0, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree(memory), CUDA_SUCCESS);
}

TEST_F(Memory, HasAPoolForEachDevice) {
  CUmemLocation location{CU_MEM_LOCATION_TYPE_DEVICE, {1}};
  CUmemoryPool by_location = nullptr;
  CUmemoryPool by_device = nullptr;
  ASSERT_EQ(cuMemGetDefaultMemPool(&by_location, &location, CU_MEM_ALLOCATION_TYPE_PINNED),
            CUDA_SUCCESS);
  ASSERT_EQ(cuDeviceGetDefaultMemPool(&by_device, 1), CUDA_SUCCESS);
  EXPECT_EQ(by_location, by_device);
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = location;
  CUmemoryPool own = nullptr;
  ASSERT_EQ(cuMemPoolCreate(&own, &properties), CUDA_SUCCESS);
  ASSERT_EQ(cuMemSetMemPool(&location, CU_MEM_ALLOCATION_TYPE_PINNED, own), CUDA_SUCCESS);
  ASSERT_EQ(cuMemGetMemPool(&by_location, &location, CU_MEM_ALLOCATION_TYPE_PINNED), CUDA_SUCCESS);
  EXPECT_EQ(by_location, own);
  EXPECT_EQ(cuMemSetMemPool(&location, CU_MEM_ALLOCATION_TYPE_PINNED, by_device), CUDA_SUCCESS);
  EXPECT_EQ(cuMemPoolDestroy(own), CUDA_SUCCESS);
}

TEST_F(Memory, HasPoolsOfPinnedMemoryOnTheHostAndOfManagedMemory) {
  constexpr CUmemLocation kHost{CU_MEM_LOCATION_TYPE_HOST, {0}};
  constexpr CUmemLocation kSecondDevice{CU_MEM_LOCATION_TYPE_DEVICE, {1}};
  for (const auto& [location, type] : {std::pair(kHost, CU_MEM_ALLOCATION_TYPE_PINNED),
                                       std::pair(kSecondDevice, CU_MEM_ALLOCATION_TYPE_MANAGED)}) {
    CUmemPoolProps properties{};
    properties.allocType = type;
    properties.location = location;
    CUmemoryPool pool = nullptr;
    ASSERT_EQ(cuMemPoolCreate(&pool, &properties), CUDA_SUCCESS);
    CUdeviceptr memory = 0;
    ASSERT_EQ(cuMemAllocFromPoolAsync(&memory, sizeof(uint32_t), pool, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(cuMemsetD32(memory, 7, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    // The host may use it as it is.
    EXPECT_EQ(*reinterpret_cast<const uint32_t*>(memory), 7U);  // NOLINT(performance-no-int-to-ptr)
    unsigned is_managed = 0;
    EXPECT_EQ(cuPointerGetAttribute(&is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, memory),
              CUDA_SUCCESS);
    EXPECT_EQ(is_managed != 0, type == CU_MEM_ALLOCATION_TYPE_MANAGED);
    CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
    CUmemLocation first{CU_MEM_LOCATION_TYPE_DEVICE, {0}};
    EXPECT_EQ(cuMemPoolGetAccess(&flags, pool, &first), CUDA_SUCCESS);
    EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    EXPECT_EQ(cuMemFreeAsync(memory, nullptr), CUDA_SUCCESS);
    EXPECT_EQ(cuMemPoolDestroy(pool), CUDA_SUCCESS);
  }
}

TEST_F(Memory, OfTheRuntimeIsKnown) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 256), cudaSuccess);
  const auto address = reinterpret_cast<CUdeviceptr>(memory);
  CUdeviceptr base = 0;
  size_t size = 0;
  EXPECT_EQ(cuMemGetAddressRange(&base, &size, address + 100), CUDA_SUCCESS);
  EXPECT_EQ(base, address);
  EXPECT_EQ(size, 256U);
  unsigned type = 0;
  EXPECT_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address), CUDA_SUCCESS);
  EXPECT_EQ(type, CU_MEMORYTYPE_DEVICE);
  CUcontext context = nullptr;
  EXPECT_EQ(cuPointerGetAttribute(&context, CU_POINTER_ATTRIBUTE_CONTEXT, address), CUDA_SUCCESS);
  EXPECT_EQ(context, context_);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

// As a launcher finds out that a tensor is on the CPU. What fails leaves no error to the runtime.
TEST_F(Memory, OfTheHostIsNone) {
  int value = 0;
  CUdeviceptr address = 1;
  EXPECT_EQ(cuPointerGetAttribute(&address, CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
                                  reinterpret_cast<CUdeviceptr>(&value)),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  CUpointer_attribute attribute = CU_POINTER_ATTRIBUTE_DEVICE_POINTER;
  void* data = &address;
  EXPECT_EQ(cuPointerGetAttributes(1, &attribute, &data, reinterpret_cast<CUdeviceptr>(&value)),
            CUDA_SUCCESS);
  EXPECT_EQ(address, 0U);
}

}  // namespace
}  // namespace slipstream::driver_test
