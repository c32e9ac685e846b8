// cuda::multiply_64 on the device, for its test.
#pragma once

#include <cstdint>

namespace slipstream::cuda::test {

// products = rows columns: 64 rows of 128 e4m3 codes, 64 columns of 128, and 64 x 64 products, row by
// row, all in device memory. By wgmma, where there is any, or by each warp for itself.
void multiply_64(const uint8_t* rows, const uint8_t* columns, float* products, bool by_warps);
// The same, eight columns at a time.
void multiply_64_by_8(const uint8_t* rows, const uint8_t* columns, float* products, bool by_warps);

}  // namespace slipstream::cuda::test
