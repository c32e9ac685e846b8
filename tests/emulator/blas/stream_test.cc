// What cuBLAS's work is to streams, graphs, and to whoever passes a pointer that is none.
#include <dlfcn.h>

#include <fstream>
#include <string>

#include "blas_test.h"

namespace slipstream::emulator::blas {
namespace {

struct Streams : testing::Test {
  Streams() {
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    EXPECT_EQ(cublasSetStream_v2(handle, stream), kSuccess);
  }
  ~Streams() override { cudaStreamDestroy(stream); }

  // y += A x, with a 1 x 1 matrix.
  [[nodiscard]] cublasStatus_t multiply(const float* a, const float* x, float* y) const {
    const float one = 1;
    return cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, x, 1, &one, y, 1);
  }

  Handle handle;
  cudaStream_t stream = nullptr;
  Memory a{Values{2}};
  Memory x{Values{3}};
  Memory y{Values{1}};
};

TEST_F(Streams, OrderProductsAmongCopiesAndFills) {
  ASSERT_EQ(cudaMemsetAsync(y.data(), 0, sizeof(float), stream), cudaSuccess);
  ASSERT_EQ(multiply(a.data(), x.data(), y.data()), kSuccess);
  ASSERT_EQ(cudaMemcpyAsync(x.data(), y.data(), sizeof(float), cudaMemcpyDefault, stream),
            cudaSuccess);
  ASSERT_EQ(multiply(a.data(), x.data(), y.data()), kSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(y.values(), Values{18});
}

TEST_F(Streams, AreCapturedIntoGraphsThatMultiplyAtEachLaunch) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  ASSERT_EQ(multiply(a.data(), x.data(), y.data()), kSuccess);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(y.values(), Values{1});
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(y.values(), Values{13});
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
}

TEST_F(Streams, OfHostMemoryAreRefused) {
  const float host = 1;
  EXPECT_EQ(multiply(&host, x.data(), y.data()), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(multiply(nullptr, x.data(), y.data()), CUBLAS_STATUS_EXECUTION_FAILED);
  cudaGetLastError();
  ASSERT_EQ(multiply(a.data(), x.data(), y.data()), kSuccess);
}

TEST_F(Streams, OfMemoryThatIsTooShortAreRefusedByName) {
  testing::internal::CaptureStderr();
  const float one = 1;
  EXPECT_EQ(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 100, &one, a.data(), 1, x.data(),
                           100, &one, y.data(), 1),
            CUBLAS_STATUS_EXECUTION_FAILED);
  cudaGetLastError();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("cublasSgemm_v2: A must be 400 bytes of memory"), std::string::npos) << said;
}

TEST_F(Streams, RefuseWrongArgumentsByName) {
  testing::internal::CaptureStderr();
  const float one = 1;
  EXPECT_EQ(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 1, 1, &one, a.data(), 3, x.data(),
                           1, &one, y.data(), 4),
            CUBLAS_STATUS_INVALID_VALUE);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("cublasSgemm_v2: lda must be at least 4, it is 3"), std::string::npos)
      << said;
  EXPECT_EQ(cublasSgemm_v2(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.data(), 1, x.data(),
                           1, &one, y.data(), 1),
            CUBLAS_STATUS_NOT_INITIALIZED);
}

TEST(Library, SaysOnceWhatItDoesNotHave) {
  const Handle handle;
  const float one = 1;
  testing::internal::CaptureStderr();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(cublasStrsm_v2(handle, 0, 0, 0, 0, 1, 1, &one, nullptr, 1, nullptr, 1),
              CUBLAS_STATUS_NOT_SUPPORTED);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "slipstream emulator: cublasStrsm_v2: not supported by the emulated device\n");
}

TEST(Library, KeepsSettings) {
  const Handle handle;
  cublasMath_t mode = CUBLAS_DEFAULT_MATH;
  ASSERT_EQ(cublasSetMathMode(handle, CUBLAS_TF32_TENSOR_OP_MATH), kSuccess);
  ASSERT_EQ(cublasGetMathMode(handle, &mode), kSuccess);
  EXPECT_EQ(mode, CUBLAS_TF32_TENSOR_OP_MATH);
  int version = 0;
  ASSERT_EQ(cublasGetVersion_v2(handle, &version), kSuccess);
  EXPECT_EQ(version / 10000, 13);
  EXPECT_STREQ(cublasGetStatusName(CUBLAS_STATUS_ALLOC_FAILED), "CUBLAS_STATUS_ALLOC_FAILED");
}

// Programs, and libraries of theirs, would not load without one of them.
TEST(Library, HasEveryNameOfNvidias) {
  for (const std::string library : {"libcublas", "libcublasLt"}) {
    void* const loaded = dlopen((library + ".so.13").c_str(), RTLD_NOW);
    ASSERT_NE(loaded, nullptr) << dlerror();
    std::ifstream names(std::string(BLAS_SOURCES) + "/" + library + "_exports.txt");
    size_t count = 0;
    for (std::string name; std::getline(names, name); ++count) {
      EXPECT_NE(dlsym(loaded, name.c_str()), nullptr) << name;
    }
    EXPECT_GT(count, 180U);
  }
}

}  // namespace
}  // namespace slipstream::emulator::blas
