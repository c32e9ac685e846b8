// Memory, pools and events that processes share. What an interprocess event is recorded after is complete when the record
// returns, so that nobody ever has to wait for one of another process.
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <cstring>

#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/file_memory.h"
#include "emulator/runtime/ipc.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/pool.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator::runtime;

namespace {

constexpr unsigned int kInterprocess = cudaEventInterprocess | cudaEventDisableTiming;
constexpr uint64_t kEventMagic = 0x746e657665706973ULL;

template <class Handle, class Content>
void fill(Handle* handle, const Content& content) {
  static_assert(sizeof(Content) <= sizeof(Handle));
  *handle = {};
  std::memcpy(handle, &content, sizeof(content));
}
template <class Content, class Handle>
Content content_of(const Handle& handle) {
  Content content;
  std::memcpy(static_cast<void*>(&content), &handle, sizeof(content));
  return content;
}

void require_file_descriptor(cudaMemAllocationHandleType type, unsigned int flags) {
  require(flags == 0);
  if (type == cudaMemHandleTypePosixFileDescriptor) return;
  throw ApiError(cudaErrorNotSupported, "memory pools can be handed on as file descriptors only");
}

}  // namespace

extern "C" {

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* pointer) {
  return api("cudaIpcGetMemHandle", [&] {
    require(handle != nullptr);
    fill(handle, shared_memory().hand_on(pointer));
  });
}

// Of an allocation its start, wherever in it the handed-on pointer was, as on a GPU.
cudaError_t cudaIpcOpenMemHandle(void** pointer, cudaIpcMemHandle_t handle, unsigned int flags) {
  return api("cudaIpcOpenMemHandle", [&] {
    require(pointer != nullptr && flags == cudaIpcMemLazyEnablePeerAccess);
    *pointer = pointer_to(shared_memory().open(content_of<IpcMemory>(handle)));
  });
}

cudaError_t cudaIpcCloseMemHandle(void* pointer) {
  return api("cudaIpcCloseMemHandle", [&] {
    run_all(current_device());
    shared_memory().close(pointer);
  });
}

// --- Pools. What it takes to have the memory goes with each pointer; a pool's file says whose pointers it takes.

cudaError_t cudaMemPoolExportToShareableHandle(void* handle, cudaMemPool_t pool,
                                               cudaMemAllocationHandleType type,
                                               unsigned int flags) {
  return api("cudaMemPoolExportToShareableHandle", [&] {
    require(handle != nullptr && pools().resolve(pool).id != 0);
    require_file_descriptor(type, flags);
    const IpcPool shared{IpcPool::kMagic, pools().resolve(pool).id};
    const int file = make_memory_file(sizeof(shared));
    *static_cast<int*>(handle) = file;
    require(pwrite(file, &shared, sizeof(shared), 0) == sizeof(shared));
  });
}

cudaError_t cudaMemPoolImportFromShareableHandle(cudaMemPool_t* pool, void* handle,
                                                 cudaMemAllocationHandleType type,
                                                 unsigned int flags) {
  return api("cudaMemPoolImportFromShareableHandle", [&] {
    require(pool != nullptr);
    require_file_descriptor(type, flags);
    IpcPool shared;
    const int file = static_cast<int>(reinterpret_cast<intptr_t>(handle));
    require(pread(file, &shared, sizeof(shared), 0) == sizeof(shared) &&
            shared.magic == IpcPool::kMagic);
    *pool = Pools::handle(pools().import_one(shared.id));
  });
}

cudaError_t cudaMemPoolExportPointer(cudaMemPoolPtrExportData* data, void* pointer) {
  return api("cudaMemPoolExportPointer", [&] {
    require(data != nullptr);
    IpcMemory memory = shared_memory().hand_on(pointer);
    memory.pool = pools().pool_of(pointer).id;
    fill(data, memory);
  });
}

cudaError_t cudaMemPoolImportPointer(void** pointer, cudaMemPool_t pool,
                                     cudaMemPoolPtrExportData* data) {
  return api("cudaMemPoolImportPointer", [&] {
    require(pointer != nullptr && data != nullptr);
    const auto memory = content_of<IpcMemory>(*data);
    require(pools().resolve(pool).is_imported && pools().resolve(pool).id == memory.pool);
    *pointer = pointer_to(shared_memory().open(memory));
  });
}

// --- Events.

cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t* handle, cudaEvent_t event) {
  return api("cudaIpcGetEventHandle", [&] {
    require(handle != nullptr && events().resolve(event).is_interprocess());
    fill(handle, kEventMagic);
  });
}

cudaError_t cudaIpcOpenEventHandle(cudaEvent_t* event, cudaIpcEventHandle_t handle) {
  return api("cudaIpcOpenEventHandle", [&] {
    require(event != nullptr && content_of<uint64_t>(handle) == kEventMagic);
    *event = Events::handle(events().create(kInterprocess));
  });
}

}  // extern "C"
