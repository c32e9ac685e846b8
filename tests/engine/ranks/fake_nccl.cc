// A library with NCCL's functions that answers as the environment says: what a machine's NCCL may be
// like.
#include <cstddef>
#include <cstdlib>

namespace {

int number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

constexpr int kUnhandledCudaError = 1;

}  // namespace

struct Id {
  char bytes[128];
};

extern "C" {

int ncclGetVersion(int* version) {
  *version = number("FAKE_NCCL_VERSION", 22902);
  return 0;
}
const char* ncclGetErrorString(int) { return "unhandled cuda error"; }
const char* ncclGetLastError(void*) { return "Cuda failure 'out of memory'"; }
int ncclGetUniqueId(Id*) { return 0; }
int ncclCommInitRankConfig(void** comm, int, Id, int, void*) {
  *comm = comm;
  return 0;
}
int ncclCommDestroy(void*) { return 0; }
int ncclCommAbort(void*) { return 0; }
int ncclMemAlloc(void**, size_t) { return kUnhandledCudaError; }
int ncclMemFree(void*) { return 0; }
int ncclCommWindowRegister(void*, void* memory, size_t, void** window, int) {
  *window = number("FAKE_NCCL_NO_WINDOW", 0) != 0 ? nullptr : memory;
  return 0;
}
int ncclCommWindowDeregister(void*, void*) { return 0; }
#ifndef FAKE_NCCL_WITHOUT_POINTERS
int ncclGetPeerDevicePointer(void* window, size_t offset, int peer, void** pointer) {
  *pointer = number("FAKE_NCCL_LONELY", 0) != 0
                 ? nullptr
                 : static_cast<char*>(window) + offset + static_cast<ptrdiff_t>(peer) * 4096;
  return 0;
}
#endif

}  // extern "C"
