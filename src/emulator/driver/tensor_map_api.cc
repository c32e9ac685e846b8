// The driver's functions that make tensor maps.
#include <cuda.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <optional>

#include "emulator/device/tensor_map_encoding.h"

using namespace slipstream::emulator;

namespace {

CUresult refuse(const char* function, const char* why, CUresult result) {
  std::fputs(fmt::format("slipstream emulator: {}: {}\n", function, why).c_str(), stderr);
  return result;
}

// `make` gives the map that is stored, or throws.
template <class Make>
CUresult store_map(const char* function, CUtensorMap* target, Make make) noexcept {
  try {
    if (target == nullptr) throw TensorMapError("tensorMap must not be null");
    if (reinterpret_cast<uintptr_t>(target) % kTensorMapAlignment != 0) {
      throw TensorMapError(fmt::format("tensorMap must be a multiple of {}, it is {}",
                                       kTensorMapAlignment, static_cast<const void*>(target)));
    }
    const auto bytes = pack(make());
    static_assert(sizeof(*target) == sizeof(bytes));
    std::memcpy(target, bytes.data(), sizeof(bytes));
    return CUDA_SUCCESS;
  } catch (const std::exception& error) {
    return refuse(function, error.what(), CUDA_ERROR_INVALID_VALUE);
  }
}

TensorMap read_map(const CUtensorMap& source) {
  std::array<std::byte, kTensorMapBytes> bytes;
  std::memcpy(bytes.data(), &source, sizeof(bytes));
  const std::optional<TensorMap> map = unpack(bytes);
  if (!map) throw TensorMapError("tensorMap must be a map that was encoded");
  return *map;
}

}  // namespace

extern "C" {

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                                void* address, const cuuint64_t* size, const cuuint64_t* strides,
                                const cuuint32_t* box, const cuuint32_t* step,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  return store_map("cuTensorMapEncodeTiled", map, [&] {
    return encode_tensor_map({.type = static_cast<uint32_t>(type),
                              .rank = rank,
                              .address = reinterpret_cast<uint64_t>(address),
                              .size = size,
                              .strides = strides,
                              .box = box,
                              .step = step,
                              .interleave = static_cast<uint32_t>(interleave),
                              .swizzle = static_cast<uint32_t>(swizzle),
                              .promotion = static_cast<uint32_t>(promotion),
                              .fill = static_cast<uint32_t>(fill)});
  });
}

CUresult cuTensorMapReplaceAddress(CUtensorMap* map, void* address) {
  return store_map("cuTensorMapReplaceAddress", map, [&] {
    return move_tensor_map(read_map(*map), reinterpret_cast<uint64_t>(address));
  });
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap* /*map*/, CUtensorMapDataType /*type*/,
                                 cuuint32_t /*rank*/, void* /*address*/, const cuuint64_t* /*size*/,
                                 const cuuint64_t* /*strides*/, const int* /*lower_corner*/,
                                 const int* /*upper_corner*/, cuuint32_t /*channels*/,
                                 cuuint32_t /*pixels*/, const cuuint32_t* /*step*/,
                                 CUtensorMapInterleave /*interleave*/,
                                 CUtensorMapSwizzle /*swizzle*/,
                                 CUtensorMapL2promotion /*promotion*/,
                                 CUtensorMapFloatOOBfill /*fill*/) {
  return refuse("cuTensorMapEncodeIm2col", "not supported by the emulated device",
                CUDA_ERROR_NOT_SUPPORTED);
}

CUresult cuTensorMapEncodeIm2colWide(
    CUtensorMap* /*map*/, CUtensorMapDataType /*type*/, cuuint32_t /*rank*/, void* /*address*/,
    const cuuint64_t* /*size*/, const cuuint64_t* /*strides*/, int /*lower_corner*/,
    int /*upper_corner*/, cuuint32_t /*channels*/, cuuint32_t /*pixels*/,
    const cuuint32_t* /*step*/, CUtensorMapInterleave /*interleave*/,
    CUtensorMapIm2ColWideMode /*mode*/, CUtensorMapSwizzle /*swizzle*/,
    CUtensorMapL2promotion /*promotion*/, CUtensorMapFloatOOBfill /*fill*/) {
  return refuse("cuTensorMapEncodeIm2colWide", "not supported by the emulated device",
                CUDA_ERROR_NOT_SUPPORTED);
}

}  // extern "C"
