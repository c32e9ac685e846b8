#include "emulator/blas/status_names.h"

#include "emulator/blas/failure.h"

namespace slipstream::emulator::blas {
namespace {

struct StatusName {
  cublasStatus_t status;
  const char* name;
  const char* text;
};

constexpr StatusName kStatusNames[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
     "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
     "an unsupported value or parameter was passed to the function"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH",
     "a feature is absent from the device architecture"},
    {CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR",
     "an access to GPU memory space failed"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED",
     "the function failed to launch on the GPU"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED",
     "the functionality is not supported"},
    {CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR",
     "the requested functionality requires some license"},
};

const StatusName* find(cublasStatus_t status) {
  for (const StatusName& row : kStatusNames) {
    if (row.status == status) return &row;
  }
  return nullptr;
}

}  // namespace

const char* status_name(cublasStatus_t status) {
  const StatusName* const row = find(status);
  return row == nullptr ? "unknown cublasStatus_t" : row->name;
}

const char* status_text(cublasStatus_t status) {
  const StatusName* const row = find(status);
  return row == nullptr ? "unknown error" : row->text;
}

int property(libraryPropertyType type) {
  switch (type) {
    case MAJOR_VERSION:
      return kMajor;
    case MINOR_VERSION:
      return kMinor;
    case PATCH_LEVEL:
      return kPatch;
  }
  throw Failure(CUBLAS_STATUS_INVALID_VALUE, "type must be a libraryPropertyType, it is not");
}

}  // namespace slipstream::emulator::blas
