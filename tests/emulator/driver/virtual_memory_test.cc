// Addresses and memory apart: what is mapped is memory, wherever and however often it is mapped.
#include <unistd.h>

#include <cstring>
#include <optional>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

constexpr size_t kPiece = 2 << 20;

class VirtualMemory : public LoadedModule {
 protected:
  static CUmemAllocationProp on_device(int device) {
    CUmemAllocationProp properties{};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {device}};
    return properties;
  }
  static CUmemGenericAllocationHandle piece(size_t size = kPiece, int device = 0) {
    const CUmemAllocationProp properties = on_device(device);
    CUmemGenericAllocationHandle handle = 0;
    EXPECT_EQ(cuMemCreate(&handle, size, &properties, 0), CUDA_SUCCESS);
    return handle;
  }
  static CUdeviceptr addresses(size_t size) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cuMemAddressReserve(&address, size, 0, 0, 0), CUDA_SUCCESS);
    return address;
  }
  static CUresult allow(CUdeviceptr address, size_t size, int device = 0,
                        CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
    const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, {device}}, flags};
    return cuMemSetAccess(address, size, &access, 1);
  }
  static CUresult store(CUdeviceptr address, uint32_t value) {
    return cuMemcpyHtoD(address, &value, sizeof(value));
  }
  static std::optional<uint32_t> load(CUdeviceptr address) {
    uint32_t value = 0;
    if (cuMemcpyDtoH(&value, address, sizeof(value)) != CUDA_SUCCESS) return std::nullopt;
    return value;
  }
  static size_t free_bytes() {
    size_t free = 0;
    size_t total = 0;
    EXPECT_EQ(cuMemGetInfo(&free, &total), CUDA_SUCCESS);
    return free;
  }
  static void give_up(CUdeviceptr address, size_t size) {
    EXPECT_EQ(cuMemUnmap(address, size), CUDA_SUCCESS);
    EXPECT_EQ(cuMemAddressFree(address, size), CUDA_SUCCESS);
  }
};

TEST_F(VirtualMemory, IsOneWhereNeighborsMeet) {
  const CUdeviceptr start = addresses(2 * kPiece);
  for (int i = 0; i < 2; ++i) {
    const auto handle = piece(kPiece, /*device=*/i);
    ASSERT_EQ(cuMemMap(start + static_cast<size_t>(i) * kPiece, kPiece, 0, handle, 0),
              CUDA_SUCCESS);
    EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS) << "the mapping holds it";
  }
  ASSERT_EQ(allow(start, 2 * kPiece), CUDA_SUCCESS);
  const CUdeviceptr across = start + kPiece - kThreads * sizeof(uint32_t) / 2;
  ASSERT_EQ(cuMemsetD32(across, 5, kThreads), CUDA_SUCCESS);
  CUdeviceptr mine = values_;
  values_ = across;
  EXPECT_EQ(add(3), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(8));
  values_ = mine;
  give_up(start, 2 * kPiece);
}

TEST_F(VirtualMemory, MayBeAtSeveralAddresses) {
  const auto handle = piece(2 * kPiece);
  const CUdeviceptr whole = addresses(2 * kPiece);
  const CUdeviceptr second = addresses(kPiece);
  ASSERT_EQ(cuMemMap(whole, 2 * kPiece, 0, handle, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemMap(second, kPiece, kPiece, handle, 0), CUDA_SUCCESS);
  ASSERT_EQ(allow(whole, 2 * kPiece), CUDA_SUCCESS);
  ASSERT_EQ(allow(second, kPiece), CUDA_SUCCESS);
  ASSERT_EQ(store(whole + kPiece + 8, 77), CUDA_SUCCESS);
  EXPECT_EQ(load(second + 8), 77U);
  give_up(whole, 2 * kPiece);
  EXPECT_EQ(load(second + 8), 77U);
  CUmemGenericAllocationHandle again = 0;
  ASSERT_EQ(cuMemRetainAllocationHandle(
                &again, reinterpret_cast<void*>(second)),  // NOLINT(performance-no-int-to-ptr)
            CUDA_SUCCESS);
  EXPECT_EQ(again, handle);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_EQ(cuMemRelease(handle), CUDA_ERROR_INVALID_VALUE);
  give_up(second, kPiece);
}

TEST_F(VirtualMemory, IsNoneBeforeAccessIsAllowedOrAfterItIsUnmapped) {
  const CUdeviceptr address = addresses(kPiece);
  const auto handle = piece();
  const auto is_none = [&] {
    return errors_of([&] {
             EXPECT_EQ(store(address, 1), CUDA_ERROR_INVALID_VALUE);
           }).find("must be device memory") != std::string::npos;
  };
  EXPECT_TRUE(is_none()) << "no memory";
  ASSERT_EQ(cuMemMap(address, kPiece, 0, handle, 0), CUDA_SUCCESS);
  EXPECT_TRUE(is_none()) << "nobody may use it";
  ASSERT_EQ(allow(address, kPiece), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree(address), CUDA_ERROR_INVALID_VALUE) << "it is unmapped, not freed";
  EXPECT_EQ(store(address, 1), CUDA_SUCCESS);
  const CUmemLocation first{CU_MEM_LOCATION_TYPE_DEVICE, {0}};
  const CUmemLocation second{CU_MEM_LOCATION_TYPE_DEVICE, {1}};
  unsigned long long flags = 0;
  EXPECT_EQ(cuMemGetAccess(&flags, &first, address + 5), CUDA_SUCCESS);
  EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  EXPECT_EQ(cuMemGetAccess(&flags, &second, address + 5), CUDA_SUCCESS);
  EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  ASSERT_EQ(cuMemUnmap(address, kPiece), CUDA_SUCCESS);
  EXPECT_TRUE(is_none());
  ASSERT_EQ(cuMemMap(address, kPiece, 0, handle, 0), CUDA_SUCCESS);
  ASSERT_EQ(allow(address, kPiece), CUDA_SUCCESS);
  EXPECT_EQ(load(address), 1U) << "memory outlives its addresses";
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  give_up(address, kPiece);
}

TEST_F(VirtualMemory, IsHandedOnAsAFileDescriptor) {
  const auto handle = piece();
  int file = -1;
  ASSERT_EQ(
      cuMemExportToShareableHandle(&file, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
      CUDA_SUCCESS);
  CUmemGenericAllocationHandle other = 0;
  ASSERT_EQ(
      cuMemImportFromShareableHandle(
          &other, reinterpret_cast<void*>(intptr_t{file}),  // NOLINT(performance-no-int-to-ptr)
          CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
      CUDA_SUCCESS);
  EXPECT_EQ(close(file), 0);
  const CUdeviceptr address = addresses(2 * kPiece);
  ASSERT_EQ(cuMemMap(address, kPiece, 0, handle, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemMap(address + kPiece, kPiece, 0, other, 0), CUDA_SUCCESS);
  ASSERT_EQ(allow(address, 2 * kPiece), CUDA_SUCCESS);
  ASSERT_EQ(store(address + 4, 9), CUDA_SUCCESS);
  EXPECT_EQ(load(address + kPiece + 4), 9U);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_EQ(cuMemRelease(other), CUDA_SUCCESS);
  give_up(address, 2 * kPiece);
}

TEST_F(VirtualMemory, CountsAsMemoryOfItsDeviceUntilNobodyHoldsIt) {
  const size_t before = free_bytes();
  const auto handle = piece(2 * kPiece);
  EXPECT_EQ(free_bytes(), before - 2 * kPiece);
  const CUdeviceptr address = addresses(2 * kPiece);
  ASSERT_EQ(cuMemMap(address, 2 * kPiece, 0, handle, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_EQ(free_bytes(), before - 2 * kPiece);
  ASSERT_EQ(cuCtxSetCurrent(nullptr), CUDA_SUCCESS);
  give_up(address, 2 * kPiece);  // needs no context
  ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  EXPECT_EQ(free_bytes(), before);
  const CUmemAllocationProp properties = on_device(0);
  CUmemGenericAllocationHandle too_large = 0;
  EXPECT_EQ(cuMemCreate(&too_large, (before / kPiece + 1) * kPiece, &properties, 0),
            CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(VirtualMemory, RefusesWhatIsNoWholeMapping) {
  const CUdeviceptr address = addresses(2 * kPiece);
  const auto handle = piece();
  EXPECT_EQ(cuMemMap(address, kPiece / 2, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemMap(address, 2 * kPiece, 0, handle, 0), CUDA_ERROR_INVALID_VALUE) << "too small";
  ASSERT_EQ(cuMemMap(address, kPiece, 0, handle, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemMap(address, kPiece, 0, handle, 0), CUDA_ERROR_INVALID_VALUE) << "taken";
  EXPECT_EQ(allow(address, 2 * kPiece), CUDA_ERROR_INVALID_VALUE) << "the second half has none";
  EXPECT_EQ(cuMemUnmap(address, 2 * kPiece), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemAddressFree(address, 2 * kPiece), CUDA_ERROR_INVALID_VALUE) << "still mapped";
  EXPECT_NE(errors_of([&] {
              EXPECT_EQ(allow(address, kPiece, 0, CU_MEM_ACCESS_FLAGS_PROT_READ),
                        CUDA_ERROR_NOT_SUPPORTED);
            }).find("cuMemSetAccess: memory cannot be mapped for reads alone"),
            std::string::npos);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_EQ(cuMemUnmap(address, kPiece), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAddressFree(address, 2 * kPiece), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
