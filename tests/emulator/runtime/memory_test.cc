// Memory and copies of the CUDA runtime. Everything here holds on a GPU as well.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace {

std::vector<uint8_t> counting(size_t count) {
  std::vector<uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  return bytes;
}

class Memory : public testing::Test {
 protected:
  static constexpr size_t kBytes = 200;

  void SetUp() override { ASSERT_EQ(cudaMalloc(&device_, kBytes), cudaSuccess); }
  void TearDown() override {
    EXPECT_EQ(cudaFree(device_), cudaSuccess);
    cudaGetLastError();
  }

  std::vector<uint8_t> contents() {
    std::vector<uint8_t> bytes(kBytes);
    EXPECT_EQ(cudaMemcpy(bytes.data(), device_, kBytes, cudaMemcpyDeviceToHost), cudaSuccess);
    return bytes;
  }

  uint8_t* device() { return static_cast<uint8_t*>(device_); }

 private:
  void* device_ = nullptr;
};

TEST_F(Memory, KeepsWhatIsCopiedIn) {
  const std::vector<uint8_t> bytes = counting(kBytes);
  ASSERT_EQ(cudaMemcpy(device(), bytes.data(), kBytes, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(contents(), bytes);
}

TEST_F(Memory, FindsTheDirectionByTheAddresses) {
  const std::vector<uint8_t> bytes = counting(kBytes);
  std::vector<uint8_t> back(kBytes);
  ASSERT_EQ(cudaMemcpy(device(), bytes.data(), kBytes, cudaMemcpyDefault), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(back.data(), device(), kBytes, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(back, bytes);
}

TEST_F(Memory, FillsBytes) {
  ASSERT_EQ(cudaMemset(device(), 0x1a5, kBytes), cudaSuccess);
  EXPECT_EQ(contents(), std::vector<uint8_t>(kBytes, 0xa5));
}

TEST_F(Memory, CopiesRowsBetweenPitches) {
  const std::vector<uint8_t> bytes = counting(60);
  ASSERT_EQ(cudaMemset(device(), 0, kBytes), cudaSuccess);
  ASSERT_EQ(cudaMemcpy2D(device(), 20, bytes.data(), 12, 10, 5, cudaMemcpyHostToDevice),
            cudaSuccess);
  const std::vector<uint8_t> now = contents();
  for (size_t row = 0; row < 5; ++row) {
    for (size_t column = 0; column < 20; ++column) {
      EXPECT_EQ(now[row * 20 + column], column < 10 ? bytes[row * 12 + column] : 0);
    }
  }
}

TEST_F(Memory, FillsRows) {
  ASSERT_EQ(cudaMemset(device(), 1, kBytes), cudaSuccess);
  ASSERT_EQ(cudaMemset2D(device(), 50, 9, 3, 4), cudaSuccess);
  const std::vector<uint8_t> now = contents();
  for (size_t i = 0; i < kBytes; ++i) EXPECT_EQ(now[i], i % 50 < 3 ? 9 : 1);
}

TEST_F(Memory, CopiesBoxes) {
  const std::vector<uint8_t> bytes = counting(4 * 3 * 2);
  ASSERT_EQ(cudaMemset(device(), 0, kBytes), cudaSuccess);
  cudaMemcpy3DParms parameters{};
  parameters.srcPtr = {const_cast<uint8_t*>(bytes.data()), 4, 4, 3};
  parameters.dstPtr = {device(), 10, 10, 5};
  parameters.dstPos = {1, 2, 1};
  parameters.extent = {4, 3, 2};
  parameters.kind = cudaMemcpyHostToDevice;
  ASSERT_EQ(cudaMemcpy3D(&parameters), cudaSuccess);
  const std::vector<uint8_t> now = contents();
  for (size_t z = 0; z < 2; ++z) {
    for (size_t y = 0; y < 3; ++y) {
      for (size_t x = 0; x < 4; ++x) {
        EXPECT_EQ(now[(z + 1) * 50 + (y + 2) * 10 + x + 1], bytes[z * 12 + y * 4 + x]);
      }
    }
  }
}

TEST_F(Memory, TakesPageableBytesBeforeAnAsynchronousCopyReturns) {
  std::vector<uint8_t> bytes = counting(kBytes);
  const std::vector<uint8_t> before = bytes;
  ASSERT_EQ(cudaMemcpyAsync(device(), bytes.data(), kBytes, cudaMemcpyHostToDevice, nullptr),
            cudaSuccess);
  std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  EXPECT_EQ(contents(), before);
}

TEST_F(Memory, CopiesNothingWhereTheSizeIsZero) {
  EXPECT_EQ(cudaMemcpy(device(), nullptr, 0, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(cudaMemset(device(), 0, 0), cudaSuccess);
}

TEST_F(Memory, RefusesAnUnknownKind) {
  uint8_t byte = 0;
  EXPECT_EQ(cudaMemcpy(device(), &byte, 1, static_cast<cudaMemcpyKind>(77)),
            cudaErrorInvalidMemcpyDirection);
}

TEST_F(Memory, RefusesARowLongerThanThePitch) {
  std::vector<uint8_t> bytes(kBytes);
  EXPECT_EQ(cudaMemcpy2D(device(), 4, bytes.data(), 10, 10, 2, cudaMemcpyHostToDevice),
            cudaErrorInvalidPitchValue);
}

TEST_F(Memory, RefusesToCopyBehindTheEnd) {
  std::vector<uint8_t> bytes(1 << 20);
  EXPECT_EQ(cudaMemcpy(bytes.data(), device() + kBytes, bytes.size() << 20, cudaMemcpyDeviceToHost),
            cudaErrorInvalidValue);
}

TEST_F(Memory, KeepsTheErrorUntilItIsAskedFor) {
  uint8_t byte = 0;
  ASSERT_NE(cudaMemcpy(device(), &byte, 1, static_cast<cudaMemcpyKind>(77)), cudaSuccess);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidMemcpyDirection);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidMemcpyDirection);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(Memory, TellsDeviceMemoryFromTheHosts) {
  cudaPointerAttributes attributes{};
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, device() + 5), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.devicePointer, device() + 5);
  int local = 0;
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, &local), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
}

TEST(PinnedMemory, IsSharedWithTheHost) {
  void* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, 64, cudaHostAllocMapped), cudaSuccess);
  cudaPointerAttributes attributes{};
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, pinned), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  ASSERT_EQ(cudaMemset(attributes.devicePointer, 3, 64), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(static_cast<uint8_t*>(pinned)[63], 3);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(RegisteredMemory, IsTheProgramsOwn) {
  std::vector<uint8_t> bytes(1 << 16, 1);
  ASSERT_EQ(cudaHostRegister(bytes.data(), bytes.size(), cudaHostRegisterMapped), cudaSuccess);
  EXPECT_EQ(cudaHostRegister(bytes.data(), bytes.size(), cudaHostRegisterMapped),
            cudaErrorHostMemoryAlreadyRegistered);
  EXPECT_EQ(cudaHostUnregister(bytes.data()), cudaSuccess);
  EXPECT_EQ(cudaHostUnregister(bytes.data()), cudaErrorHostMemoryNotRegistered);
  cudaGetLastError();
}

TEST(ManagedMemory, IsReadByTheHostAfterASynchronization) {
  void* managed = nullptr;
  ASSERT_EQ(cudaMallocManaged(&managed, 100, cudaMemAttachGlobal), cudaSuccess);
  ASSERT_EQ(cudaMemset(managed, 8, 100), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(static_cast<uint8_t*>(managed)[99], 8);
  EXPECT_EQ(cudaFree(managed), cudaSuccess);
}

TEST(Allocation, OfNothingIsANullPointer) {
  void* pointer = &pointer;
  EXPECT_EQ(cudaMalloc(&pointer, 0), cudaSuccess);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST(Allocation, BeyondTheDeviceFails) {
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, size_t{1} << 50), cudaErrorMemoryAllocation);
  cudaGetLastError();
}

TEST(Allocation, CannotBeFreedTwice) {
  void* pointer = nullptr;
  ASSERT_EQ(cudaMalloc(&pointer, 100), cudaSuccess);
  EXPECT_EQ(cudaFree(pointer), cudaSuccess);
  EXPECT_EQ(cudaFree(pointer), cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST(Allocation, HasRowsOfAnAlignedPitch) {
  void* pointer = nullptr;
  size_t pitch = 0;
  ASSERT_EQ(cudaMallocPitch(&pointer, &pitch, 100, 7), cudaSuccess);
  EXPECT_GE(pitch, 100U);
  EXPECT_EQ(pitch % 32, 0U);
  EXPECT_EQ(cudaMemset2D(pointer, pitch, 1, 100, 7), cudaSuccess);
  EXPECT_EQ(cudaFree(pointer), cudaSuccess);
}

TEST(StreamOrderedMemory, CountsInItsPool) {
  cudaMemPool_t pool = nullptr;
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location = {cudaMemLocationTypeDevice, {0}};
  ASSERT_EQ(cudaMemPoolCreate(&pool, &properties), cudaSuccess);
  void* pointer = nullptr;
  ASSERT_EQ(cudaMallocFromPoolAsync(&pointer, 1000, pool, nullptr), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(pointer, 0, 1000, nullptr), cudaSuccess);
  uint64_t used = 0;
  ASSERT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), cudaSuccess);
  EXPECT_GE(used, 1000U);
  ASSERT_EQ(cudaFreeAsync(pointer, nullptr), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
  ASSERT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), cudaSuccess);
  EXPECT_EQ(used, 0U);
  EXPECT_EQ(cudaMemPoolDestroy(pool), cudaSuccess);
}

}  // namespace
