#include <slipstream/pdl.cuh>

__global__ void twice(slipstream::pdl::Produced<float> values) {
  slipstream::pdl::wait();
  values.get()[threadIdx.x] *= 2;
}
