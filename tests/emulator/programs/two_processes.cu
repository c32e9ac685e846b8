// The memory of one process in another: a child, forked before either has used CUDA, adds to what the parent writes, in
// the order of an event that both have; and to memory of a pool that is handed on.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "program.h"

constexpr int kCount = 32;
constexpr size_t kGap = 100;  // values before those that are shared

struct Handles {
  cudaIpcMemHandle_t memory;
  cudaIpcEventHandle_t event;
  int pool;  // a file descriptor of the parent's
  cudaMemPoolPtrExportData pooled;
};

__global__ void write(int* values) { values[threadIdx.x] = static_cast<int>(threadIdx.x); }
__global__ void add(int* values, int amount) { values[threadIdx.x] += amount; }

void add_to_pooled_memory(Handles handles) {
  constexpr auto kType = cudaMemHandleTypePosixFileDescriptor;
  const auto import_pool = [&](cudaMemPool_t& pool, const std::string& path) {
    const intptr_t file = open(path.c_str(), O_RDWR);
    return cudaMemPoolImportFromShareableHandle(&pool, reinterpret_cast<void*>(file), kType, 0);
  };
  cudaMemPool_t pool = nullptr;
  expect(import_pool(pool, "/dev/null") == cudaErrorInvalidValue, "no pool");
  check(import_pool(pool,
                    "/proc/" + std::to_string(getppid()) + "/fd/" + std::to_string(handles.pool)),
        "import a pool");
  void* memory = nullptr;
  expect(cudaMallocFromPoolAsync(&memory, 4, pool, nullptr) == cudaErrorInvalidValue,
         "the other process allocates");
  auto of_another_pool = handles.pooled;
  ++of_another_pool.reserved[24];
  expect(cudaMemPoolImportPointer(&memory, pool, &of_another_pool) == cudaErrorInvalidValue,
         "a pointer of another pool");
  check(cudaMemPoolImportPointer(&memory, pool, &handles.pooled), "import a pointer");
  add<<<1, kCount>>>(static_cast<int*>(memory), 500);
  check(cudaFreeAsync(memory, nullptr), "free");
  check(cudaDeviceSynchronize(), "synchronize");
  check(cudaMemPoolDestroy(pool), "destroy");
}

int add_to_memory_of_parent(int from) {
  Handles handles{};
  expect(read(from, &handles, sizeof(handles)) == sizeof(handles), "handles");
  void* memory = nullptr;
  cudaEvent_t written = nullptr;
  check(cudaIpcOpenMemHandle(&memory, handles.memory, cudaIpcMemLazyEnablePeerAccess), "memory");
  check(cudaIpcOpenEventHandle(&written, handles.event), "event");
  check(cudaStreamWaitEvent(nullptr, written, 0), "wait");
  add<<<1, kCount>>>(static_cast<int*>(memory) + kGap, 1000);
  check(cudaEventRecord(written), "record");
  expect(cudaFree(memory) == cudaErrorInvalidValue, "it is the parent's to free");
  check(cudaIpcCloseMemHandle(memory), "close");
  expect(cudaIpcCloseMemHandle(memory) == cudaErrorInvalidValue, "close twice");
  expect(cudaMemset(memory, 0, 1) == cudaErrorInvalidValue, "closed memory");
  check(cudaEventDestroy(written), "destroy");
  add_to_pooled_memory(handles);
  return 0;
}

// Memory of a new pool, which the handles let others have.
int* pooled_memory(Handles& handles) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.handleTypes = cudaMemHandleTypePosixFileDescriptor;
  cudaMemPool_t pool = nullptr;
  check(cudaMemPoolCreate(&pool, &properties), "pool");
  void* memory = nullptr;
  check(cudaMallocFromPoolAsync(&memory, kCount * sizeof(int), pool, nullptr), "allocate");
  write<<<1, kCount>>>(static_cast<int*>(memory));
  check(cudaDeviceSynchronize(), "synchronize");
  check(cudaMemPoolExportToShareableHandle(&handles.pool, pool, properties.handleTypes, 0),
        "export a pool");
  check(cudaMemPoolExportPointer(&handles.pooled, memory), "export a pointer");
  return static_cast<int*>(memory);
}

void expect_added(const int* memory, int amount) {
  const std::vector<int> values = to_host(memory, kCount);
  for (int i = 0; i < kCount; ++i) expect(values[i] == i + amount, "values");
}

int main() {
  int ends[2];
  expect(pipe(ends) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) return add_to_memory_of_parent(ends[0]);

  int* const memory = device_array<int>(kGap + kCount);
  write<<<1, kCount>>>(memory + kGap);
  Handles handles{};
  cudaEvent_t written = nullptr;
  expect(cudaEventCreateWithFlags(&written, cudaEventInterprocess) == cudaErrorInvalidValue,
         "an event with times");
  check(cudaEventCreateWithFlags(&written, cudaEventInterprocess | cudaEventDisableTiming),
        "event");
  check(cudaEventRecord(written), "record");
  check(cudaIpcGetEventHandle(&handles.event, written), "handle of the event");
  check(cudaIpcGetMemHandle(&handles.memory, memory + kGap), "handle of the memory");
  expect(cudaIpcGetMemHandle(&handles.memory, &handles) == cudaErrorInvalidValue, "host memory");
  const int* const pooled = pooled_memory(handles);
  expect(::write(ends[1], &handles, sizeof(handles)) == sizeof(handles), "handles");
  int status = 0;
  expect(waitpid(child, &status, 0) == child && status == 0, "the child");
  check(cudaEventSynchronize(written), "synchronize");
  expect_added(memory + kGap, 1000);
  expect_added(pooled, 500);
  check(cudaFree(memory), "free");
  return 0;
}
