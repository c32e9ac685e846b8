// Starting the driver, and contexts.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "emulator/driver/call.h"
#include "emulator/driver/context.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::current_device;
using slipstream::emulator::runtime::device_number;
using slipstream::emulator::runtime::require;
using slipstream::emulator::runtime::UseDevice;

namespace {

constexpr unsigned kContextVersion = 3020;

Context& required_context() {
  Context* const context = current_context();
  require(context != nullptr, cudaErrorDeviceUninitialized);
  return *context;
}

CUresult create_context(CUcontext* context, unsigned flags, CUdevice device) {
  return answer_always("cuCtxCreate", [&] {
    require(context != nullptr && (flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) == 0);
    Context& made = contexts().create(device_number(device), flags);
    push(made);
    *context = handle_of(made);
  });
}

// Of the context that is given, or of the current one.
CUresult synchronize(const char* function, CUcontext context) {
  Context* target = nullptr;
  const CUresult found = answer_always(function, [&] {
    target = context != nullptr ? &contexts().resolve(context) : &required_context();
  });
  if (found != CUDA_SUCCESS) return found;
  const UseDevice device(target->device);
  return with_context(function, [] { return cudaDeviceSynchronize(); });
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned flags) { return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }

CUresult cuDriverGetVersion(int* version) {
  return without_context("cuDriverGetVersion", [&] { return cudaDriverGetVersion(version); });
}

// --- Primary contexts: one of each device, there from the start.

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return answer_always("cuDevicePrimaryCtxRetain", [&] {
    require(context != nullptr);
    *context = handle_of(contexts().primary(device_number(device)));
  });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return answer_always("cuDevicePrimaryCtxRelease", [&] { device_number(device); });
}

CUresult cuDevicePrimaryCtxReset(CUdevice device) {
  return answer_always("cuDevicePrimaryCtxReset", [&] {
    const UseDevice reset(device_number(device));
    cudaDeviceReset();
  });
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
  return answer_always("cuDevicePrimaryCtxSetFlags", [&] {
    require((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) == 0);
    contexts().primary(device_number(device)).flags = flags;
  });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  return answer_always("cuDevicePrimaryCtxGetState", [&] {
    require(flags != nullptr && active != nullptr);
    *flags = contexts().primary(device_number(device)).flags;
    *active = 1;
  });
}

// --- Created ones.

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return create_context(context, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext* context, CUctxCreateParams* parameters, unsigned flags,
                        CUdevice device) {
  const bool is_plain = parameters == nullptr || (parameters->numExecAffinityParams == 0 &&
                                                  parameters->cigParams == nullptr);
  return is_plain ? create_context(context, flags, device) : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuCtxDestroy(CUcontext context) {
  return answer_always("cuCtxDestroy", [&] { contexts().destroy(contexts().resolve(context)); });
}

// --- Which one is current.

CUresult cuCtxGetCurrent(CUcontext* context) {
  return answer_always("cuCtxGetCurrent", [&] {
    require(context != nullptr);
    const Context* const current = current_context();
    *context = current == nullptr ? nullptr : handle_of(*current);
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return answer_always("cuCtxSetCurrent", [&] {
    if (context != nullptr) {
      make_current(contexts().resolve(context));
    } else if (current_context() != nullptr) {
      pop();
    }
  });
}

CUresult cuCtxPushCurrent(CUcontext context) {
  return answer_always("cuCtxPushCurrent", [&] { push(contexts().resolve(context)); });
}

CUresult cuCtxPopCurrent(CUcontext* context) {
  return answer_always("cuCtxPopCurrent", [&] {
    const Context& popped = pop();
    if (context != nullptr) *context = handle_of(popped);
  });
}

// --- What it is.

CUresult cuCtxGetDevice(CUdevice* device) {
  return answer_always("cuCtxGetDevice", [&] {
    require(device != nullptr);
    *device = static_cast<CUdevice>(required_context().device);
  });
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext context) {
  if (context == nullptr) return cuCtxGetDevice(device);
  return answer_always("cuCtxGetDevice", [&] {
    require(device != nullptr);
    *device = static_cast<CUdevice>(contexts().resolve(context).device);
  });
}

CUresult cuCtxGetFlags(unsigned* flags) {
  return answer_always("cuCtxGetFlags", [&] {
    require(flags != nullptr);
    *flags = required_context().flags;
  });
}

CUresult cuCtxSetFlags(unsigned flags) {
  return answer_always("cuCtxSetFlags", [&] { required_context().flags = flags; });
}

CUresult cuCtxGetId(CUcontext context, unsigned long long* id) {
  return answer_always("cuCtxGetId", [&] {
    require(id != nullptr);
    *id = (context == nullptr ? required_context() : contexts().resolve(context)).id;
  });
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned* version) {
  return answer_always("cuCtxGetApiVersion", [&] {
    require(version != nullptr);
    if (context != nullptr) static_cast<void>(contexts().resolve(context));
    *version = kContextVersion;
  });
}

CUresult cuCtxSynchronize() { return synchronize("cuCtxSynchronize", nullptr); }
CUresult cuCtxSynchronize_v2(CUcontext context) { return synchronize("cuCtxSynchronize", context); }

// --- Limits and preferences.

CUresult cuCtxGetLimit(size_t* value, CUlimit limit) {
  return with_context("cuCtxGetLimit",
                      [&] { return cudaDeviceGetLimit(value, static_cast<cudaLimit>(limit)); });
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  return with_context("cuCtxSetLimit",
                      [&] { return cudaDeviceSetLimit(static_cast<cudaLimit>(limit), value); });
}

CUresult cuCtxGetCacheConfig(CUfunc_cache* preference) {
  return with_context("cuCtxGetCacheConfig", [&] {
    return cudaDeviceGetCacheConfig(reinterpret_cast<cudaFuncCache*>(preference));
  });
}

CUresult cuCtxSetCacheConfig(CUfunc_cache preference) {
  return with_context("cuCtxSetCacheConfig", [&] {
    return cudaDeviceSetCacheConfig(static_cast<cudaFuncCache>(preference));
  });
}

CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return with_context("cuCtxGetStreamPriorityRange",
                      [&] { return cudaDeviceGetStreamPriorityRange(least, greatest); });
}

CUresult cuCtxResetPersistingL2Cache() {
  return with_context("cuCtxResetPersistingL2Cache",
                      [] { return cudaCtxResetPersistingL2Cache(); });
}

// --- Peers.

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  int number = 0;
  const CUresult found = answer_always(
      "cuCtxEnablePeerAccess", [&] { number = static_cast<int>(contexts().resolve(peer).device); });
  if (found != CUDA_SUCCESS) return found;
  return with_context("cuCtxEnablePeerAccess",
                      [&] { return cudaDeviceEnablePeerAccess(number, flags); });
}

CUresult cuCtxDisablePeerAccess(CUcontext peer) {
  int number = 0;
  const CUresult found = answer_always("cuCtxDisablePeerAccess", [&] {
    number = static_cast<int>(contexts().resolve(peer).device);
  });
  if (found != CUDA_SUCCESS) return found;
  return with_context("cuCtxDisablePeerAccess",
                      [&] { return cudaDeviceDisablePeerAccess(number); });
}

// --- Profilers: there is none.

CUresult cuProfilerStart() {
  return with_context("cuProfilerStart", [] { return cudaSuccess; });
}
CUresult cuProfilerStop() {
  return with_context("cuProfilerStop", [] { return cudaSuccess; });
}

}  // extern "C"
