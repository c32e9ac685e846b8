#include "run_case.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

namespace slipstream::record_tensor_copies {
namespace {

constexpr unsigned kThreads = 128;
constexpr unsigned kAlignment =
    1024;  // of the area that copies touch, so that it swizzles alike everywhere

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess)
    throw std::runtime_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
}

// What the kernel takes; `map` is first, so that it is aligned.
struct Parameters {
  CUtensorMap map;
  uint64_t shared_in;
  uint64_t shared_out;
  uint64_t completed;
};

class Buffer {
 public:
  explicit Buffer(const Bytes& bytes) : size_(bytes.size()) {
    check(cudaMalloc(&data_, size_), "cudaMalloc");
    check(cudaMemcpy(data_, bytes.data(), size_, cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
  Bytes read() const {
    Bytes bytes(size_);
    check(cudaMemcpy(bytes.data(), data_, size_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return bytes;
  }

 private:
  void* data_ = nullptr;
  size_t size_;
};

CUresult encode(const Case& one, uint64_t address, CUtensorMap& map) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                         cudaEnableDefault, &result),
        "cudaGetDriverEntryPointByVersion");
  if (function == nullptr) throw std::runtime_error("there is no cuTensorMapEncodeTiled");
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the case says where in memory
  void* const data = reinterpret_cast<void*>(address);
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function)(
      &map, one.type, one.rank, data, one.size.data(), one.strides.data(), one.box.data(),
      one.step.data(), one.interleave, one.swizzle, one.promotion, one.fill);
}

// --- The kernel. Its only thread that copies has the box at %box, an mbarrier at %bar, the map at %map.

std::string coordinates_of(const Case& one) {
  std::string text = "{";
  for (uint32_t i = 0; i < one.rank; ++i) text += fmt::format("{}%c{}", i == 0 ? "" : ", ", i);
  return text + "}";
}

// Waits for so long only, so that a wrong count does not hang.
constexpr std::string_view kLoad = R"(
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%bar], {bytes};
  cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%box], [%map, {at}], [%bar];
  mov.u32 %n, 0;
again:
  mbarrier.test_wait.parity.shared::cta.b64 %done, [%bar], 0;
  add.u32 %n, %n, 1;
  setp.lt.u32 %p, %n, 20000;
  @%done bra waited;
  @%p bra again;
waited:
  selp.u32 %n, 1, 0, %done;
  st.global.u32 [%flag], %n;
)";
constexpr std::string_view kStore = R"(
  cp.async.bulk.tensor.{rank}d.global.shared::cta.tile.bulk_group [%map, {at}], [%box];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)";
constexpr std::string_view kReduce = R"(
  cp.reduce.async.bulk.tensor.{rank}d.global.shared::cta.{reduction}.tile.bulk_group [%map, {at}], [%box];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)";

constexpr std::string_view kKernel = R"(.version 8.0
.target sm_90
.address_size 64
.extern .shared .align 1024 .b8 dynamic[];
.visible .entry copy(.param .align 128 .b8 parameters[{parameter_bytes}]) {{
  .reg .pred %p, %done;
  .reg .b32 %thread, %area, %box, %bar, %at, %n, %w<4>, %c<5>;
  .reg .b64 %map, %in, %out, %flag, %offset;
  ld.param.u64 %in, [parameters+{in}];
  ld.param.u64 %out, [parameters+{out}];
  ld.param.u64 %flag, [parameters+{flag}];
  mov.u32 %thread, %tid.x;
  mov.u32 %area, dynamic;
  add.u32 %area, %area, {less};
  and.b32 %area, %area, {mask};
  add.u32 %box, %area, {box};
  add.u32 %bar, %area, {bytes_in_all};
  mov.b64 %map, parameters;
  cvta.param.u64 %map, %map;
  mul.lo.u32 %at, %thread, 16;
fill:
  cvt.u64.u32 %offset, %at;
  add.s64 %offset, %offset, %in;
  ld.global.v4.u32 {{%w0, %w1, %w2, %w3}}, [%offset];
  add.u32 %n, %at, %area;
  st.shared.v4.u32 [%n], {{%w0, %w1, %w2, %w3}};
  add.u32 %at, %at, {stride};
  setp.lt.u32 %p, %at, {bytes_in_all};
  @%p bra fill;
  setp.ne.u32 %p, %thread, 0;
  @!%p mbarrier.init.shared::cta.b64 [%bar], 1;
  fence.proxy.async;
  bar.sync 0;
  @%p bra copied;
{coordinates}{copy}
copied:
  bar.sync 0;
  mul.lo.u32 %at, %thread, 16;
drain:
  add.u32 %n, %at, %area;
  ld.shared.v4.u32 {{%w0, %w1, %w2, %w3}}, [%n];
  cvt.u64.u32 %offset, %at;
  add.s64 %offset, %offset, %out;
  st.global.v4.u32 [%offset], {{%w0, %w1, %w2, %w3}};
  add.u32 %at, %at, {stride};
  setp.lt.u32 %p, %at, {bytes_in_all};
  @%p bra drain;
  ret;
}}
)";

std::string_view copy_text(Kind kind) {
  switch (kind) {
    case Kind::kLoad:
      return kLoad;
    case Kind::kStore:
      return kStore;
    default:
      return kReduce;
  }
}

// --- Launching.

// The error of the copy itself, which a launch and the wait for it give.
cudaError_t launch(const Case& one, Parameters& parameters) {
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
  check(cudaLibraryLoadData(&library, kernel_of(one).c_str(), nullptr, nullptr, 0, nullptr, nullptr,
                            0),
        "the kernel");
  check(cudaLibraryGetKernel(&kernel, library, "copy"), "the kernel");
  void* arguments[] = {&parameters};
  cudaError_t error = cudaLaunchKernel(kernel, dim3(1), dim3(kThreads), arguments,
                                       kSharedBytes + 2 * kAlignment, nullptr);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  if (error == cudaSuccess) check(cudaLibraryUnload(library), "cudaLibraryUnload");
  return error;
}

}  // namespace

std::string kernel_of(const Case& one) {
  std::string coordinates;
  for (uint32_t i = 0; i < one.rank; ++i)
    coordinates += fmt::format("  mov.b32 %c{}, {};\n", i, one.at[i]);
  const std::string copy =
      fmt::format(fmt::runtime(copy_text(one.kind)), fmt::arg("rank", one.rank),
                  fmt::arg("at", coordinates_of(one)), fmt::arg("bytes", one.announced),
                  fmt::arg("reduction", one.reduction));
  return fmt::format(kKernel, fmt::arg("parameter_bytes", sizeof(Parameters)),
                     fmt::arg("in", offsetof(Parameters, shared_in)),
                     fmt::arg("out", offsetof(Parameters, shared_out)),
                     fmt::arg("flag", offsetof(Parameters, completed)),
                     fmt::arg("less", kAlignment - 1), fmt::arg("mask", ~(kAlignment - 1)),
                     fmt::arg("box", one.shared_offset), fmt::arg("bytes_in_all", kSharedBytes),
                     fmt::arg("stride", 16 * kThreads), fmt::arg("coordinates", coordinates),
                     fmt::arg("copy", copy));
}

Outcome run_case(const Case& one) {
  const Buffer tensor(initial_bytes(one, kTensorBytes, kTensorSeed));
  Outcome outcome;
  Parameters parameters{};
  outcome.encoded = encode(one, tensor.address() + one.address_offset, parameters.map);
  if (outcome.encoded != CUDA_SUCCESS || one.kind == Kind::kEncode) return outcome;
  const Buffer shared_in(initial_bytes(one, kSharedBytes, kSharedSeed));
  const Buffer shared_out(Bytes(kSharedBytes, 0));
  const Buffer completed(Bytes(sizeof(uint32_t), 0));
  parameters.shared_in = shared_in.address();
  parameters.shared_out = shared_out.address();
  parameters.completed = completed.address();
  outcome.error = launch(one, parameters);
  if (outcome.error != cudaSuccess) return outcome;
  std::memcpy(&outcome.completed, completed.read().data(), sizeof(outcome.completed));
  if (one.kind == Kind::kLoad) {
    outcome.shared = shared_out.read();
  } else {
    outcome.tensor = tensor.read();
  }
  return outcome;
}

}  // namespace slipstream::record_tensor_copies
