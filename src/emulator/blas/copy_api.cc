// Vectors and matrices between the host and the device, as copies of the CUDA runtime.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "emulator/blas/failure.h"

using namespace slipstream::emulator::blas;

namespace {

constexpr auto kToDevice = cudaMemcpyHostToDevice;
constexpr auto kToHost = cudaMemcpyDeviceToHost;

void require_positive(const char* name, int64_t value) { require_at_least(name, value, 1); }

// `count` rows of `width` bytes, each at a pitch: a matrix's columns, or a vector's elements.
void copy_rows(const void* from, int64_t from_pitch, void* to, int64_t to_pitch, int64_t width,
               int64_t count, cudaMemcpyKind kind, const cudaStream_t* stream) {
  if (width == 0 || count == 0) return;
  const auto size = [](int64_t value) { return static_cast<size_t>(value); };
  require_cuda(stream == nullptr ? cudaMemcpy2D(to, size(to_pitch), from, size(from_pitch),
                                                size(width), size(count), kind)
                                 : cudaMemcpy2DAsync(to, size(to_pitch), from, size(from_pitch),
                                                     size(width), size(count), kind, *stream));
}

cublasStatus_t copy_vector(const char* function, cudaMemcpyKind kind, const cudaStream_t* stream,
                           int64_t n, int64_t element, const void* x, int64_t incx, void* y,
                           int64_t incy) noexcept {
  return answer(function, [&] {
    require_at_least("n", n, 0);
    require_positive("elemSize", element);
    require_positive("incx", incx);
    require_positive("incy", incy);
    copy_rows(x, incx * element, y, incy * element, element, n, kind, stream);
  });
}

cublasStatus_t copy_matrix(const char* function, cudaMemcpyKind kind, const cudaStream_t* stream,
                           int64_t rows, int64_t columns, int64_t element, const void* a,
                           int64_t lda, void* b, int64_t ldb) noexcept {
  return answer(function, [&] {
    require_at_least("rows", rows, 0);
    require_at_least("cols", columns, 0);
    require_positive("elemSize", element);
    require_positive("lda", lda);
    require_positive("ldb", ldb);
    copy_rows(a, lda * element, b, ldb * element, rows * element, columns, kind, stream);
  });
}

}  // namespace

extern "C" {

cublasStatus_t cublasSetVector(int n, int element, const void* x, int incx, void* y, int incy) {
  return copy_vector("cublasSetVector", kToDevice, nullptr, n, element, x, incx, y, incy);
}
cublasStatus_t cublasGetVector(int n, int element, const void* x, int incx, void* y, int incy) {
  return copy_vector("cublasGetVector", kToHost, nullptr, n, element, x, incx, y, incy);
}
cublasStatus_t cublasSetVectorAsync(int n, int element, const void* x, int incx, void* y, int incy,
                                    cudaStream_t stream) {
  return copy_vector("cublasSetVectorAsync", kToDevice, &stream, n, element, x, incx, y, incy);
}
cublasStatus_t cublasGetVectorAsync(int n, int element, const void* x, int incx, void* y, int incy,
                                    cudaStream_t stream) {
  return copy_vector("cublasGetVectorAsync", kToHost, &stream, n, element, x, incx, y, incy);
}
cublasStatus_t cublasSetMatrix(int rows, int columns, int element, const void* a, int lda, void* b,
                               int ldb) {
  return copy_matrix("cublasSetMatrix", kToDevice, nullptr, rows, columns, element, a, lda, b, ldb);
}
cublasStatus_t cublasGetMatrix(int rows, int columns, int element, const void* a, int lda, void* b,
                               int ldb) {
  return copy_matrix("cublasGetMatrix", kToHost, nullptr, rows, columns, element, a, lda, b, ldb);
}
cublasStatus_t cublasSetMatrixAsync(int rows, int columns, int element, const void* a, int lda,
                                    void* b, int ldb, cudaStream_t stream) {
  return copy_matrix("cublasSetMatrixAsync", kToDevice, &stream, rows, columns, element, a, lda, b,
                     ldb);
}
cublasStatus_t cublasGetMatrixAsync(int rows, int columns, int element, const void* a, int lda,
                                    void* b, int ldb, cudaStream_t stream) {
  return copy_matrix("cublasGetMatrixAsync", kToHost, &stream, rows, columns, element, a, lda, b,
                     ldb);
}

}  // extern "C"
