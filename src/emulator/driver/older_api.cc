// Earlier versions of functions whose arguments have changed, under the names that programs built for those versions
// of CUDA use.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "emulator/driver/call.h"

#undef cuDeviceGetUuid
#undef cuEventElapsedTime
#undef cuGetProcAddress
#undef cuGraphAddDependencies
#undef cuMemAdvise
#undef cuMemPrefetchAsync

using namespace slipstream::emulator::driver;

extern "C" {

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) { return cuDeviceGetUuid_v2(uuid, device); }

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return cuEventElapsedTime_v2(milliseconds, start, end);
}

CUresult cuGetProcAddress(const char* name, void** function, int version, cuuint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                size_t count) {
  return cuGraphAddDependencies_v2(graph, from, to, nullptr, count);
}

CUresult cuMemAdvise(CUdeviceptr address, size_t count, CUmem_advise advice, CUdevice device) {
  return cuMemAdvise_v2(address, count, advice, {CU_MEM_LOCATION_TYPE_DEVICE, {device}});
}

CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t count, CUdevice device, CUstream stream) {
  return cuMemPrefetchAsync_v2(address, count, {CU_MEM_LOCATION_TYPE_DEVICE, {device}}, 0, stream);
}

}  // extern "C"
