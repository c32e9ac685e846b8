#include "emulator/driver/array_format.h"

#include <algorithm>
#include <array>

#include "emulator/runtime/error.h"

namespace slipstream::emulator::driver {
namespace {

struct Row {
  CUarray_format format;
  int bits;
  cudaChannelFormatKind kind;
};
constexpr auto kFormats = std::to_array<Row>({
    {CU_AD_FORMAT_UNSIGNED_INT8, 8, cudaChannelFormatKindUnsigned},
    {CU_AD_FORMAT_UNSIGNED_INT16, 16, cudaChannelFormatKindUnsigned},
    {CU_AD_FORMAT_UNSIGNED_INT32, 32, cudaChannelFormatKindUnsigned},
    {CU_AD_FORMAT_SIGNED_INT8, 8, cudaChannelFormatKindSigned},
    {CU_AD_FORMAT_SIGNED_INT16, 16, cudaChannelFormatKindSigned},
    {CU_AD_FORMAT_SIGNED_INT32, 32, cudaChannelFormatKindSigned},
    {CU_AD_FORMAT_HALF, 16, cudaChannelFormatKindFloat},
    {CU_AD_FORMAT_FLOAT, 32, cudaChannelFormatKindFloat},
});

}  // namespace

cudaChannelFormatDesc channels_of(CUarray_format format, unsigned channels) {
  const auto* const row = std::find_if(kFormats.begin(), kFormats.end(),
                                       [&](const Row& one) { return one.format == format; });
  if (row == kFormats.end()) {
    throw runtime::ApiError(cudaErrorNotSupported,
                            "arrays of normalized, compressed or planar formats are not supported");
  }
  const auto bits = [&](unsigned channel) { return channel < channels ? row->bits : 0; };
  return {bits(0), bits(1), bits(2), bits(3), row->kind};
}

CUarray_format format_of(const cudaChannelFormatDesc& channels) {
  return std::find_if(
             kFormats.begin(), kFormats.end(),
             [&](const Row& one) { return one.bits == channels.x && one.kind == channels.f; })
      ->format;
}

unsigned count_of(const cudaChannelFormatDesc& channels) {
  return channels.w != 0 ? 4 : channels.y != 0 ? 2 : 1;
}

}  // namespace slipstream::emulator::driver
