// cuBLASLt's handle, its one algorithm, and the product.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "emulator/blas/lt_product.h"
#include "emulator/blas/status_names.h"

// A handle of cuBLAS is one of cuBLASLt, too, so nothing is looked up in either.
struct cublasLtContext {};

using namespace slipstream::emulator::blas;

namespace {

void require_handle(cublasLtHandle_t handle) {
  if (handle != nullptr) return;
  throw Failure(CUBLAS_STATUS_NOT_INITIALIZED,
                "the handle must be one of cublasLtCreate or cublasCreate, it is null");
}

// Of the one algorithm, as programs may keep it.
constexpr cublasLtMatmulAlgo_t kAlgorithm{{1}};

cublasLtMatmulHeuristicResult_t heuristic() {
  cublasLtMatmulHeuristicResult_t result{};
  result.algo = kAlgorithm;
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1;
  return result;
}

void require_matrices(const LtProduct& product, const LtMatrices& matrices) {
  require_pointer("A", matrices.a);
  require_pointer("B", matrices.b);
  require_pointer("D", matrices.d);
  const Matmul& matmul = product.matmul;
  if ((matmul.epilogue &
       (CUBLASLT_EPILOGUE_BIAS | 16 | CUBLASLT_EPILOGUE_BGRADA | CUBLASLT_EPILOGUE_BGRADB)) != 0) {
    require_pointer("CUBLASLT_MATMUL_DESC_BIAS_POINTER", matmul.bias);
  }
  if ((matmul.epilogue & 128) != 0) {
    require_pointer("CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER", matmul.auxiliary);
  }
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return answer("cublasLtCreate", [&] {
    require_pointer("lightHandle", handle);
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess) {
      throw Failure(CUBLAS_STATUS_NOT_INITIALIZED, "there is no device");
    }
    *handle = new cublasLtContext;
  });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return answer("cublasLtDestroy", [&] {
    require_handle(handle);
    delete handle;
  });
}

const char* cublasLtGetStatusName(cublasStatus_t status) { return status_name(status); }
const char* cublasLtGetStatusString(cublasStatus_t status) { return status_text(status); }
size_t cublasLtGetVersion() { return kVersion; }
size_t cublasLtGetCudartVersion() { return CUDART_VERSION; }

cublasStatus_t cublasLtGetProperty(libraryPropertyType type, int* value) {
  return answer("cublasLtGetProperty", [&] {
    require_pointer("value", value);
    *value = property(type);
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t matmul,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t /*preference*/,
                                              int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* returned) {
  return answer("cublasLtMatmulAlgoGetHeuristic", [&] {
    require_handle(handle);
    require_pointer("returnAlgoCount", returned);
    *returned = 0;
    require_at_least("requestedAlgoCount", requested, 1);
    require_pointer("heuristicResultsArray", results);
    require_supported(lt_product(matmul, a, b, c, d));
    results[0] = heuristic();
    *returned = 1;
  });
}

cublasStatus_t cublasLtMatmulAlgoGetIds(cublasLtHandle_t handle, cublasComputeType_t /*compute*/,
                                        cudaDataType /*scalar*/, cudaDataType /*a*/,
                                        cudaDataType /*b*/, cudaDataType /*c*/, cudaDataType /*d*/,
                                        int requested, int ids[], int* returned) {
  return answer("cublasLtMatmulAlgoGetIds", [&] {
    require_handle(handle);
    require_at_least("requestedAlgoCount", requested, 1);
    require_pointer("algoIdsArray", ids);
    ids[0] = static_cast<int>(kAlgorithm.data[0]);
    if (returned != nullptr) *returned = 1;
  });
}

cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t handle, cublasComputeType_t /*compute*/,
                                      cudaDataType /*scalar*/, cudaDataType /*a*/,
                                      cudaDataType /*b*/, cudaDataType /*c*/, cudaDataType /*d*/,
                                      int /*id*/, cublasLtMatmulAlgo_t* algorithm) {
  return answer("cublasLtMatmulAlgoInit", [&] {
    require_handle(handle);
    require_pointer("algo", algorithm);
    *algorithm = kAlgorithm;
  });
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t matmul,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* /*algorithm*/,
                                       cublasLtMatmulHeuristicResult_t* result) {
  return answer("cublasLtMatmulAlgoCheck", [&] {
    require_handle(handle);
    require_pointer("result", result);
    require_supported(lt_product(matmul, a, b, c, d));
    *result = heuristic();
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t matmul,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t layout_a,
                              const void* b, cublasLtMatrixLayout_t layout_b, const void* beta,
                              const void* c, cublasLtMatrixLayout_t layout_c, void* d,
                              cublasLtMatrixLayout_t layout_d,
                              const cublasLtMatmulAlgo_t* /*algorithm*/, void* /*workspace*/,
                              size_t /*workspace_bytes*/, cudaStream_t stream) {
  return answer("cublasLtMatmul", [&] {
    require_handle(handle);
    const LtProduct product = lt_product(matmul, layout_a, layout_b, layout_c, layout_d);
    require_supported(product);
    const LtMatrices matrices{a, b, c, d};
    require_matrices(product, matrices);
    const bool on_device = product.matmul.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
    const Scalar scale_a("alpha", alpha, product.matmul.scalar, on_device);
    const Scalar scale_c("beta", beta, product.matmul.scalar, on_device);
    std::vector<slipstream::emulator::runtime::MemoryUse> known;
    if (on_device) known = {scale_a.use(), scale_c.use()};
    enqueue_products("cublasLtMatmul", stream, std::move(known), [=] {
      return products_of(product, matrices, scale_a.value(), scale_c.value());
    });
  });
}

// Failures are told on stderr in any case.
cublasStatus_t cublasLtLoggerSetLevel(int /*level*/) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtLoggerSetMask(int /*mask*/) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtLoggerForceDisable() { return CUBLAS_STATUS_SUCCESS; }
unsigned cublasLtDisableCpuInstructionsSetMask(unsigned /*mask*/) { return 0; }

}  // extern "C"
