// The exported functions.
#include <fmt/format.h>

#include <atomic>
#include <map>
#include <memory>

#include "emulator/nccl/failure.h"
#include "emulator/nccl/group.h"
#include "emulator/nccl/window.h"

using namespace slipstream::emulator::nccl;

struct ncclComm {
  std::shared_ptr<Group> group;
  int rank = 0;
  int device = 0;
  bool blocking = true;
};

namespace slipstream::emulator::nccl {
namespace {

thread_local std::string sentence_of_thread;

}  // namespace

const std::string& last_sentence() { return sentence_of_thread; }
void set_last_sentence(const std::string& sentence) { sentence_of_thread = sentence; }

}  // namespace slipstream::emulator::nccl

namespace {

// Of a version whose host functions give peers' pointers.
constexpr int kVersion = 22902;

using Communicator = std::shared_ptr<const ncclComm>;

std::mutex& communicators_lock() {
  static auto* mutex = new std::mutex;
  return *mutex;
}
// Guarded by communicators_lock(). A call keeps its communicator while another thread aborts it.
std::map<ncclComm_t, Communicator>& communicators() {
  static auto* all = new std::map<ncclComm_t, Communicator>;
  return *all;
}

Communicator resolve(ncclComm_t handle) {
  const std::lock_guard guard(communicators_lock());
  const auto found = communicators().find(handle);
  if (found == communicators().end()) {
    throw Failure(ncclInvalidArgument, "there is no such communicator");
  }
  return found->second;
}

Communicator remove(ncclComm_t handle) {
  Communicator removed = resolve(handle);
  const std::lock_guard guard(communicators_lock());
  communicators().erase(handle);
  return removed;
}

template <class T>
void require_pointer(const T* pointer, const char* name) {
  if (pointer == nullptr)
    throw Failure(ncclInvalidArgument, fmt::format("{} must not be null", name));
}

bool is_blocking(const ncclConfig_t* config) {
  if (config == nullptr) return true;
  if (config->magic != NCCL_CONFIG_MAGIC || config->size < sizeof(ncclConfig_t)) {
    throw Failure(ncclInvalidArgument,
                  "config must be set up by NCCL_CONFIG_INITIALIZER, it is not");
  }
  return config->blocking != 0;
}

void require_rank(int ranks, int rank) {
  if (ranks < 1) {
    throw Failure(ncclInvalidArgument,
                  fmt::format("the number of ranks must be at least 1, it is {}", ranks));
  }
  if (rank < 0 || rank >= ranks) {
    throw Failure(ncclInvalidArgument,
                  fmt::format("the rank must be 0 to {}, it is {}", ranks - 1, rank));
  }
}

// Another thread may look at it before all ranks have come, to abort what waits for them.
void show(ncclComm_t* handle, ncclComm_t communicator) {
  std::atomic_ref(*handle).store(communicator, std::memory_order_release);
}

ncclResult_t join(ncclComm_t* handle, int ranks, const ncclUniqueId& id, int rank,
                  const ncclConfig_t* config) {
  require_pointer(handle, "comm");
  show(handle, nullptr);
  require_rank(ranks, rank);
  auto made = std::make_shared<ncclComm>();
  made->blocking = is_blocking(config);
  made->rank = rank;
  require_cuda(cudaGetDevice(&made->device), "cudaGetDevice");
  made->group = group_of(id, ranks);
  {
    const std::lock_guard guard(communicators_lock());
    communicators()[made.get()] = made;
  }
  show(handle, made.get());
  Call call;
  call.device = made->device;
  try {
    return made->group->call(rank, call, made->blocking);
  } catch (const Failure&) {
    const std::lock_guard guard(communicators_lock());
    communicators().erase(made.get());
    show(handle, nullptr);
    throw;
  }
}

size_t bytes_of(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
    case ncclFloat8e4m3:
    case ncclFloat8e5m2:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64:
      return 8;
  }
  throw Failure(ncclInvalidArgument,
                fmt::format("the data type must be 0 to {}, it is {}",
                            static_cast<int>(ncclFloat8e5m2), static_cast<int>(type)));
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  return api("ncclGetVersion", [&] {
    require_pointer(version, "version");
    *version = kVersion;
    return ncclSuccess;
  });
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "a CUDA call failed";
    case ncclSystemError:
      return "a system call failed";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "another rank failed";
    case ncclInProgress:
      return "the operation is in progress";
  }
  return "unknown result";
}

const char* ncclGetLastError(ncclComm_t /*communicator*/) { return last_sentence().c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  return api("ncclGetUniqueId", [&] {
    require_pointer(id, "uniqueId");
    *id = make_id();
    return ncclSuccess;
  });
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  return api("ncclCommInitRankConfig", [&] { return join(communicator, ranks, id, rank, config); });
}

ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int ranks, ncclUniqueId id, int rank) {
  return api("ncclCommInitRank", [&] { return join(communicator, ranks, id, rank, nullptr); });
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) {
  return api("ncclCommFinalize", [&] {
    static_cast<void>(resolve(communicator));
    return ncclSuccess;
  });
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  return api("ncclCommDestroy", [&] {
    static_cast<void>(remove(communicator));
    return ncclSuccess;
  });
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  return api("ncclCommAbort", [&] {
    const Communicator aborted = remove(communicator);
    aborted->group->fail(Failure(
        ncclRemoteError, fmt::format("rank {} has aborted the communicator", aborted->rank)));
    return ncclSuccess;
  });
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* error) {
  return api("ncclCommGetAsyncError", [&] {
    require_pointer(error, "asyncError");
    const Communicator asked = resolve(communicator);
    *error = api("ncclCommGetAsyncError", [&] { return asked->group->result_for(asked->rank); });
    return ncclSuccess;
  });
}

ncclResult_t ncclCommCount(ncclComm_t communicator, int* ranks) {
  return api("ncclCommCount", [&] {
    require_pointer(ranks, "count");
    *ranks = resolve(communicator)->group->ranks();
    return ncclSuccess;
  });
}

ncclResult_t ncclCommCuDevice(ncclComm_t communicator, int* device) {
  return api("ncclCommCuDevice", [&] {
    require_pointer(device, "device");
    *device = resolve(communicator)->device;
    return ncclSuccess;
  });
}

ncclResult_t ncclCommUserRank(ncclComm_t communicator, int* rank) {
  return api("ncclCommUserRank", [&] {
    require_pointer(rank, "rank");
    *rank = resolve(communicator)->rank;
    return ncclSuccess;
  });
}

ncclResult_t ncclMemAlloc(void** pointer, size_t size) {
  return api("ncclMemAlloc", [&] {
    require_pointer(pointer, "ptr");
    *pointer = nullptr;
    if (size == 0) throw Failure(ncclInvalidArgument, "the size must be at least 1, it is 0");
    *pointer = allocate(size);
    return ncclSuccess;
  });
}

ncclResult_t ncclMemFree(void* pointer) {
  return api("ncclMemFree", [&] {
    if (pointer != nullptr) release(pointer);
    return ncclSuccess;
  });
}

ncclResult_t ncclCommWindowRegister(ncclComm_t communicator, void* buffer, size_t size,
                                    ncclWindow_t* window, int flags) {
  return api("ncclCommWindowRegister", [&] {
    require_pointer(buffer, "buff");
    require_pointer(window, "win");
    const Communicator target = resolve(communicator);
    *window = nullptr;
    Call call;
    call.kind = Call::Kind::kRegister;
    call.device = target->device;
    call.buffer = buffer;
    call.bytes = size;
    call.flags = flags;
    call.window = window;
    return target->group->call(target->rank, call, target->blocking);
  });
}

ncclResult_t ncclCommWindowDeregister(ncclComm_t communicator, ncclWindow_t window) {
  return api("ncclCommWindowDeregister", [&] {
    static_cast<void>(resolve(communicator));
    destroy_window(window);
    return ncclSuccess;
  });
}

ncclResult_t ncclGetPeerDevicePointer(ncclWindow_t window, size_t offset, int peer,
                                      void** pointer) {
  return api("ncclGetPeerDevicePointer", [&] {
    require_pointer(pointer, "outPtr");
    *pointer = peer_pointer(window, offset, peer);
    return ncclSuccess;
  });
}

// All ranks reach each other by loads and stores, so they number alike.
ncclResult_t ncclGetLsaDevicePointer(ncclWindow_t window, size_t offset, int rank, void** pointer) {
  return api("ncclGetLsaDevicePointer", [&] {
    require_pointer(pointer, "outPtr");
    *pointer = peer_pointer(window, offset, rank);
    return ncclSuccess;
  });
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  return api("ncclAllGather", [&] {
    require_pointer(send, "sendbuff");
    require_pointer(receive, "recvbuff");
    const Communicator target = resolve(communicator);
    Call call;
    call.kind = Call::Kind::kAllGather;
    call.device = target->device;
    call.buffer = receive;
    call.bytes = count * bytes_of(type);
    call.send = send;
    call.stream = stream;
    return target->group->call(target->rank, call, target->blocking);
  });
}

}  // extern "C"
