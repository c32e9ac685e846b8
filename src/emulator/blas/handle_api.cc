// Handles, their settings, and questions about the library.
#include <cuda_runtime_api.h>

#include <memory>

#include "emulator/blas/context.h"
#include "emulator/blas/status_names.h"

using namespace slipstream::emulator::blas;

namespace {

template <class T>
cublasStatus_t set(const char* function, cublasHandle_t handle, T cublasContext::*member,
                   T value) noexcept {
  return answer(function, [&] { context_of(handle).*member = value; });
}

template <class T>
cublasStatus_t get(const char* function, cublasHandle_t handle, T cublasContext::*member,
                   T* value) noexcept {
  return answer(function, [&] {
    require_pointer("the result", value);
    *value = context_of(handle).*member;
  });
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return answer("cublasCreate", [&] {
    require_pointer("handle", handle);
    auto created = std::make_unique<cublasContext>();
    if (cudaGetDevice(&created->device) != cudaSuccess) {
      throw Failure(CUBLAS_STATUS_NOT_INITIALIZED, "there is no device");
    }
    *handle = created.release();
  });
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return answer("cublasDestroy", [&] { delete &context_of(handle); });
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return set("cublasSetStream", handle, &cublasContext::stream, stream);
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return get("cublasGetStream", handle, &cublasContext::stream, stream);
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  return set("cublasSetPointerMode", handle, &cublasContext::pointer_mode, mode);
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
  return get("cublasGetPointerMode", handle, &cublasContext::pointer_mode, mode);
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  return set("cublasSetAtomicsMode", handle, &cublasContext::atomics_mode, mode);
}
cublasStatus_t cublasGetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t* mode) {
  return get("cublasGetAtomicsMode", handle, &cublasContext::atomics_mode, mode);
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return set("cublasSetMathMode", handle, &cublasContext::math_mode, mode);
}
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  return get("cublasGetMathMode", handle, &cublasContext::math_mode, mode);
}
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t handle, int count) {
  return set("cublasSetSmCountTarget", handle, &cublasContext::multiprocessors, count);
}
cublasStatus_t cublasGetSmCountTarget(cublasHandle_t handle, int* count) {
  return get("cublasGetSmCountTarget", handle, &cublasContext::multiprocessors, count);
}

// No work here needs a workspace.
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* /*workspace*/, size_t /*bytes*/) {
  return answer("cublasSetWorkspace", [&] { context_of(handle); });
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t /*handle*/, int* version) {
  return answer("cublasGetVersion", [&] {
    require_pointer("version", version);
    *version = kVersion;
  });
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  return answer("cublasGetProperty", [&] {
    require_pointer("value", value);
    *value = property(type);
  });
}

size_t cublasGetCudartVersion() { return CUDART_VERSION; }

const char* cublasGetStatusName(cublasStatus_t status) { return status_name(status); }
const char* cublasGetStatusString(cublasStatus_t status) { return status_text(status); }

// Failures are told on stderr in any case.
cublasStatus_t cublasLoggerConfigure(int /*is_on*/, int /*to_stdout*/, int /*to_stderr*/,
                                     const char* /*file*/) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetLoggerCallback(cublasLogCallback /*callback*/) {
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
