// Textures, arrays and surfaces: values against plain loops.
#include <cmath>

#include "program.h"

constexpr int kWidth = 8;
constexpr int kHeight = 6;
constexpr int kDepth = 3;

float value_at(int x, int y, int z) { return static_cast<float>(x + 10 * y + 100 * z); }

// One dimension's rules, for whole indices.
int clamped(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }
int wrapped(int i, int n) { return (i % n + n) % n; }
int mirrored(int i, int n) {
  const int in_pair = wrapped(i, 2 * n);
  return in_pair < n ? in_pair : 2 * n - 1 - in_pair;
}

__global__ void sample_2d(cudaTextureObject_t texture, const float2* at, float* out) {
  out[threadIdx.x] = tex2D<float>(texture, at[threadIdx.x].x, at[threadIdx.x].y);
}
__global__ void sample_others(cudaTextureObject_t volume, cudaTextureObject_t layers,
                              cudaTextureObject_t line, cudaTextureObject_t bytes, float* out) {
  out[0] = tex3D<float>(volume, 2.5F, 3.5F, 1.5F);
  out[1] = tex2DLayered<float>(layers, 4.5F, 1.5F, 2);
  out[2] = tex1Dfetch<float>(line, 5);
  out[3] = tex1Dfetch<float>(line, 1000);
  const uchar4 color = tex1Dfetch<uchar4>(bytes, 1);
  out[4] = static_cast<float>(color.x + color.w);
}
__global__ void gather_2d(cudaTextureObject_t texture, float4* out) {
  *out = tex2Dgather<float4>(texture, 3.0F, 2.0F, 0);
}
// The center of each element of each face of the second cube, from the direction of that element.
__global__ void sample_cubes(cudaTextureObject_t cubes, int side, float* out) {
  const int face = static_cast<int>(blockIdx.x);
  const int column = static_cast<int>(threadIdx.x);
  const int row = static_cast<int>(threadIdx.y);
  const float s = (2.0F * static_cast<float>(column) + 1) / static_cast<float>(side) - 1;
  const float t = (2.0F * static_cast<float>(row) + 1) / static_cast<float>(side) - 1;
  const float3 directions[] = {{1, -t, -s}, {-1, -t, s}, {s, 1, t},
                               {s, -1, -t}, {s, -t, 1},  {-s, -t, -1}};
  const float3 at = directions[face];
  out[(face * side + row) * side + column] =
      texCubemapLayered<float>(cubes, 3 * at.x, 3 * at.y, 3 * at.z, 1);
}
__global__ void add_to_surface(cudaSurfaceObject_t surface) {
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  float value = 0;
  surf2Dread(&value, surface, x * 4, y);
  surf2Dwrite(value + 1000, surface, x * 4, y);
  float outside = 1;
  surf2Dread(&outside, surface, -4, y, cudaBoundaryModeZero);
  surf2Dwrite(outside, surface, 4 * kWidth, y, cudaBoundaryModeZero);
}

cudaTextureObject_t texture_of(const cudaResourceDesc& resource, cudaTextureAddressMode mode,
                               bool linear, bool normalized) {
  cudaTextureDesc description{};
  for (auto& one : description.addressMode) one = mode;
  description.filterMode = linear ? cudaFilterModeLinear : cudaFilterModePoint;
  description.normalizedCoords = normalized ? 1 : 0;
  cudaTextureObject_t object = 0;
  check(cudaCreateTextureObject(&object, &resource, &description, nullptr), "texture object");
  return object;
}

cudaResourceDesc resource_of(cudaArray_t array) {
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  return resource;
}

std::vector<float> values(int planes) {
  std::vector<float> all;
  for (int z = 0; z < planes; ++z) {
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) all.push_back(value_at(x, y, z));
    }
  }
  return all;
}

cudaArray_t volume_array(unsigned int flags) {
  const auto host = values(kDepth);
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaArray_t array = nullptr;
  check(cudaMalloc3DArray(&array, &format, {kWidth, kHeight, kDepth}, flags), "3D array");
  cudaMemcpy3DParms copy{};
  copy.srcPtr =
      make_cudaPitchedPtr(const_cast<float*>(host.data()), kWidth * sizeof(float), kWidth, kHeight);
  copy.dstArray = array;
  copy.extent = {kWidth, kHeight, kDepth};
  copy.kind = cudaMemcpyHostToDevice;
  check(cudaMemcpy3D(&copy), "copy to a 3D array");
  return array;
}

// Every address mode with points in and around the image.
void check_address_modes(cudaArray_t array) {
  const std::vector<float2> points = {
      {0.5F, 0.5F}, {3.7F, 2.2F}, {-1.5F, 1.5F}, {9.5F, -2.5F}, {7.9F, 5.9F}};
  float* const out = device_array<float>(points.size());
  const auto sampled = [&](cudaTextureAddressMode mode, bool normalized) {
    auto at = points;
    if (normalized) {
      for (float2& point : at) point = {point.x / kWidth, point.y / kHeight};
    }
    const cudaTextureObject_t texture = texture_of(resource_of(array), mode, false, normalized);
    sample_2d<<<1, static_cast<unsigned>(points.size())>>>(texture, to_device(at), out);
    const auto found = to_host(out, points.size());
    check(cudaDestroyTextureObject(texture), "destroy");
    return found;
  };
  const auto clamp = sampled(cudaAddressModeClamp, false);
  const auto border = sampled(cudaAddressModeBorder, false);
  const auto wrap = sampled(cudaAddressModeWrap, true);
  const auto mirror = sampled(cudaAddressModeMirror, true);
  for (size_t i = 0; i < points.size(); ++i) {
    const int x = static_cast<int>(std::floor(points[i].x));
    const int y = static_cast<int>(std::floor(points[i].y));
    const bool inside = x >= 0 && x < kWidth && y >= 0 && y < kHeight;
    expect(clamp[i] == value_at(clamped(x, kWidth), clamped(y, kHeight), 0), "clamp");
    expect(border[i] == (inside ? value_at(x, y, 0) : 0), "border");
    expect(wrap[i] == value_at(wrapped(x, kWidth), wrapped(y, kHeight), 0), "wrap");
    expect(mirror[i] == value_at(mirrored(x, kWidth), mirrored(y, kHeight), 0), "mirror");
  }
}

void check_filter(cudaArray_t array) {
  // The image is linear in x and y, so between centers the filter gives the plane itself.
  const std::vector<float2> points = {{1.5F, 1.5F}, {2.0F, 1.5F}, {3.25F, 2.75F}, {0.0F, 3.0F}};
  const std::vector<float> expected = {11, 11.5F, 2.75F + 22.5F, 25};
  float* const out = device_array<float>(points.size());
  const cudaTextureObject_t texture =
      texture_of(resource_of(array), cudaAddressModeClamp, true, false);
  sample_2d<<<1, static_cast<unsigned>(points.size())>>>(texture, to_device(points), out);
  expect(to_host(out, points.size()) == expected, "linear filter");
  float4* const gathered = device_array<float4>(1);
  gather_2d<<<1, 1>>>(texture, gathered);
  const float4 four = to_host(gathered, 1)[0];
  expect(four.x == 22 && four.y == 23 && four.z == 13 && four.w == 12, "gather");
}

void check_others() {
  const auto host = values(1);
  cudaResourceDesc line{};
  line.resType = cudaResourceTypeLinear;
  line.res.linear.devPtr = to_device(host);
  line.res.linear.desc = cudaCreateChannelDesc<float>();
  line.res.linear.sizeInBytes = host.size() * sizeof(float);
  cudaResourceDesc bytes = line;
  bytes.res.linear.devPtr = to_device(std::vector<uchar4>{{1, 2, 3, 4}, {50, 0, 0, 200}});
  bytes.res.linear.desc = cudaCreateChannelDesc<uchar4>();
  bytes.res.linear.sizeInBytes = 2 * sizeof(uchar4);
  float* const out = device_array<float>(5);
  sample_others<<<1, 1>>>(
      texture_of(resource_of(volume_array(cudaArrayDefault)), cudaAddressModeClamp, false, false),
      texture_of(resource_of(volume_array(cudaArrayLayered)), cudaAddressModeClamp, false, false),
      texture_of(line, cudaAddressModeClamp, false, false),
      texture_of(bytes, cudaAddressModeClamp, false, false), out);
  expect(to_host(out, 5) ==
             std::vector<float>{value_at(2, 3, 1), value_at(4, 1, 2), value_at(5, 0, 0), 0, 250},
         "volumes, layers and linear memory");
}

void check_cubes() {
  constexpr int kSide = 4;
  constexpr int kFaces = 6;
  std::vector<float> host(2 * kFaces * kSide * kSide);
  for (size_t i = 0; i < host.size(); ++i) host[i] = static_cast<float>(i);
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaArray_t array = nullptr;
  constexpr unsigned int kCubes = cudaArrayCubemap | cudaArrayLayered;
  expect(cudaMalloc3DArray(&array, &format, {kSide, kSide, kFaces + 1}, kCubes) ==
             cudaErrorInvalidValue,
         "seven faces");
  check(cudaMalloc3DArray(&array, &format, {kSide, kSide, 2 * kFaces}, kCubes), "cubes");
  cudaMemcpy3DParms copy{};
  copy.srcPtr = make_cudaPitchedPtr(host.data(), kSide * sizeof(float), kSide, kSide);
  copy.dstArray = array;
  copy.extent = {kSide, kSide, 2 * kFaces};
  copy.kind = cudaMemcpyHostToDevice;
  check(cudaMemcpy3D(&copy), "copy to cubes");
  float* const out = device_array<float>(host.size() / 2);
  sample_cubes<<<kFaces, dim3(kSide, kSide)>>>(
      texture_of(resource_of(array), cudaAddressModeWrap, true, true), kSide, out);
  expect(to_host(out, host.size() / 2) ==
             std::vector<float>(host.begin() + static_cast<int>(host.size() / 2), host.end()),
         "cubes");
}

void check_surface() {
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaArray_t array = nullptr;
  check(cudaMallocArray(&array, &format, kWidth, kHeight, cudaArraySurfaceLoadStore), "array");
  auto host = values(1);
  constexpr size_t kPitch = kWidth * sizeof(float);
  check(cudaMemcpy2DToArray(array, 0, 0, host.data(), kPitch, kPitch, kHeight,
                            cudaMemcpyHostToDevice),
        "to array");
  cudaSurfaceObject_t surface = 0;
  const cudaResourceDesc resource = resource_of(array);
  check(cudaCreateSurfaceObject(&surface, &resource), "surface object");
  add_to_surface<<<1, dim3(kWidth, kHeight)>>>(surface);
  check(cudaMemcpy2DFromArray(host.data(), kPitch, array, 0, 0, kPitch, kHeight,
                              cudaMemcpyDeviceToHost),
        "from array");
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x)
      expect(host[y * kWidth + x] == value_at(x, y, 0) + 1000, "surface");
  }
  check(cudaDestroySurfaceObject(surface), "destroy");
  check(cudaFreeArray(array), "free");
}

int main() {
  const auto host = values(1);
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaArray_t array = nullptr;
  check(cudaMallocArray(&array, &format, kWidth, kHeight, cudaArrayTextureGather), "array");
  check(cudaMemcpy2DToArray(array, 0, 0, host.data(), kWidth * sizeof(float),
                            kWidth * sizeof(float), kHeight, cudaMemcpyHostToDevice),
        "to array");
  check_address_modes(array);
  check_filter(array);
  check_others();
  check_cubes();
  check_surface();
  return 0;
}
