// Bias, activations and their gradients: what happens to a product before it is stored.
#pragma once

#include <vector>

#include "emulator/blas/product.h"

namespace slipstream::emulator::blas {

// `result`: the product in column-major order. Also writes what the epilogue gives besides. For float and double.
template <class T>
void apply_epilogue(const Product& product, std::vector<T>& result);

void add_epilogue_uses(const Product& product, std::vector<runtime::MemoryUse>& uses);

}  // namespace slipstream::emulator::blas
