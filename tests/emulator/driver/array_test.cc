// Arrays and objects made of them. programs/textures.cu has how they are sampled.
#include <cuda.h>

#include <array>
#include <cstdint>
#include <numeric>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

using Arrays = Driver;

constexpr size_t kWidth = 8;
constexpr size_t kHeight = 4;
using Halves = std::array<uint16_t, kWidth * kHeight>;

CUarray halves() {
  const CUDA_ARRAY_DESCRIPTOR description{kWidth, kHeight, CU_AD_FORMAT_UNSIGNED_INT16, 1};
  CUarray array = nullptr;
  EXPECT_EQ(cuArrayCreate(&array, &description), CUDA_SUCCESS);
  return array;
}

Halves counted() {
  Halves all{};
  std::iota(all.begin(), all.end(), uint16_t{0});
  return all;
}

// All of `host` to or from an array.
CUDA_MEMCPY2D whole_copy(Halves& host, CUarray array, bool to_array) {
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = to_array ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_ARRAY;
  copy.dstMemoryType = to_array ? CU_MEMORYTYPE_ARRAY : CU_MEMORYTYPE_HOST;
  copy.srcHost = copy.dstHost = host.data();
  copy.srcArray = copy.dstArray = array;
  copy.WidthInBytes = kWidth * sizeof(uint16_t);
  copy.Height = kHeight;
  return copy;
}

TEST_F(Arrays, AreWhatTheyWereMadeAs) {
  CUarray array = halves();
  CUDA_ARRAY_DESCRIPTOR flat{};
  ASSERT_EQ(cuArrayGetDescriptor(&flat, array), CUDA_SUCCESS);
  EXPECT_EQ(flat.Width, kWidth);
  EXPECT_EQ(flat.Height, kHeight);
  EXPECT_EQ(flat.Format, CU_AD_FORMAT_UNSIGNED_INT16);
  EXPECT_EQ(flat.NumChannels, 1U);
  EXPECT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
  const CUDA_ARRAY3D_DESCRIPTOR layers{4, 4, 3, CU_AD_FORMAT_HALF, 2, CUDA_ARRAY3D_LAYERED};
  ASSERT_EQ(cuArray3DCreate(&array, &layers), CUDA_SUCCESS);
  CUDA_ARRAY3D_DESCRIPTOR found{};
  ASSERT_EQ(cuArray3DGetDescriptor(&found, array), CUDA_SUCCESS);
  EXPECT_EQ(found.Depth, 3U);
  EXPECT_EQ(found.Format, CU_AD_FORMAT_HALF);
  EXPECT_EQ(found.NumChannels, 2U);
  EXPECT_EQ(found.Flags, static_cast<unsigned>(CUDA_ARRAY3D_LAYERED));
  EXPECT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
  EXPECT_NE(cuArrayGetDescriptor(&flat, array), CUDA_SUCCESS) << "it is gone";
}

TEST_F(Arrays, OfOtherFormatsAreRefusedByName) {
  const CUDA_ARRAY_DESCRIPTOR compressed{16, 16, CU_AD_FORMAT_BC1_UNORM, 4};
  CUarray array = nullptr;
  EXPECT_NE(errors_of([&] {
              EXPECT_EQ(cuArrayCreate(&array, &compressed), CUDA_ERROR_NOT_SUPPORTED);
            }).find("cuArray3DCreate: arrays of normalized, compressed"),
            std::string::npos);
}

TEST_F(Arrays, AreCopiedInPartsWhosePositionsCountBytes) {
  CUarray array = halves();
  Halves host = counted();
  CUDA_MEMCPY2D copy = whole_copy(host, array, true);
  ASSERT_EQ(cuMemcpy2D(&copy), CUDA_SUCCESS);
  // Two elements from (3, 1) on to the start of memory.
  CUdeviceptr memory = 0;
  ASSERT_EQ(cuMemAlloc(&memory, 4), CUDA_SUCCESS);
  CUDA_MEMCPY3D part{};
  part.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  part.srcArray = array;
  part.srcXInBytes = 6;
  part.srcY = 1;
  part.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  part.dstDevice = memory;
  part.WidthInBytes = 4;
  part.Height = part.Depth = 1;
  ASSERT_EQ(cuMemcpy3D(&part), CUDA_SUCCESS);
  std::array<uint16_t, 2> two{};
  ASSERT_EQ(cuMemcpyDtoH(two.data(), memory, 4), CUDA_SUCCESS);
  EXPECT_EQ(two, (std::array<uint16_t, 2>{11, 12}));
  part.srcXInBytes = 7;
  EXPECT_EQ(cuMemcpy3D(&part), CUDA_ERROR_INVALID_VALUE) << "the middle of an element";
  part.srcXInBytes = 14;
  EXPECT_EQ(cuMemcpy3D(&part), CUDA_ERROR_INVALID_VALUE) << "beyond the row";
  EXPECT_EQ(cuMemFree(memory), CUDA_SUCCESS);
  EXPECT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
}

TEST_F(Arrays, OfOneDimensionAreCopiedByBytes) {
  const CUDA_ARRAY_DESCRIPTOR line{8, 0, CU_AD_FORMAT_UNSIGNED_INT8, 1};
  CUarray array = nullptr;
  ASSERT_EQ(cuArrayCreate(&array, &line), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyHtoA(array, 0, "abcdefgh", 8), CUDA_SUCCESS);
  CUdeviceptr memory = 0;
  ASSERT_EQ(cuMemAlloc(&memory, 4), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyAtoD(memory, array, 4, 4), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoA(array, 0, memory, 4), CUDA_SUCCESS);
  std::string text(8, ' ');
  ASSERT_EQ(cuMemcpyAtoH(text.data(), array, 0, 8), CUDA_SUCCESS);
  EXPECT_EQ(text, "efghefgh");
  EXPECT_EQ(cuMemFree(memory), CUDA_SUCCESS);
  EXPECT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
}

constexpr const char* kRead = R"(
.version 8.0
.target sm_90
.address_size 64
.visible .entry read(.param .u64 texture, .param .u64 out)
{
  .reg .u64 %rd<3>;
  .reg .f32 %f<6>;
  ld.param.u64 %rd1, [texture];
  ld.param.u64 %rd2, [out];
  mov.f32 %f1, 0f3F000000;
  tex.2d.v4.f32.f32 {%f2, %f3, %f4, %f5}, [%rd1, {%f1, %f1}];
  st.global.f32 [%rd2], %f2;
  ret;
}
)";

// What a kernel reads at (0.5, 0.5).
float read_texture(CUtexObject texture) {
  CUmodule module = nullptr;
  CUfunction read = nullptr;
  CUdeviceptr out = 0;
  float value = 0;
  EXPECT_EQ(cuModuleLoadData(&module, kRead), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleGetFunction(&read, module, "read"), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc(&out, sizeof(value)), CUDA_SUCCESS);
  void* parameters[] = {&texture, &out};
  EXPECT_EQ(cuLaunchKernel(read, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoH(&value, out, sizeof(value)), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree(out), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  return value;
}

TEST_F(Arrays, AreReadThroughTexturesAsFractionsUnlessTold) {
  CUarray array = halves();
  Halves host = counted();
  host[kWidth * (kHeight / 2) + kWidth / 2] = 0xffff;
  CUDA_MEMCPY2D copy = whole_copy(host, array, true);
  ASSERT_EQ(cuMemcpy2D(&copy), CUDA_SUCCESS);
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  resource.res.array.hArray = array;
  CUDA_TEXTURE_DESC description{};
  description.flags = CU_TRSF_NORMALIZED_COORDINATES;
  CUtexObject texture = 0;
  ASSERT_EQ(cuTexObjectCreate(&texture, &resource, &description, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(read_texture(texture), 1.0F);
  EXPECT_EQ(cuTexObjectDestroy(texture), CUDA_SUCCESS);
  CUsurfObject surface = 0;
  EXPECT_EQ(cuSurfObjectCreate(&surface, &resource), CUDA_ERROR_INVALID_VALUE)
      << "an array that is no surface";
  EXPECT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
