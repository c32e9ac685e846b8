#include "emulator/nccl/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <string>

namespace slipstream::emulator::nccl {
namespace {

struct Memory {
  size_t size = 0;
  int device = 0;
  cudaMemPool_t pool = nullptr;
  int windows = 0;  // registered
};

// The windows of all ranks that were registered together.
struct WindowSet {
  std::vector<void*> bases;  // by rank
  // A handle for each rank, of which only the address means anything.
  std::vector<std::byte> handles;
  size_t bytes = 0;
  size_t registered = 0;  // ranks whose window is
};

// Guarded by windows_lock().
std::map<const void*, Memory>& memories() {
  static auto* all = new std::map<const void*, Memory>;
  return *all;
}
std::map<ncclWindow_t, std::shared_ptr<WindowSet>>& windows() {
  static auto* all = new std::map<ncclWindow_t, std::shared_ptr<WindowSet>>;
  return *all;
}
std::mutex& windows_lock() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

// The allocation that holds all of the range; null if none.
Memory* find(const void* pointer, size_t bytes) {
  auto after = memories().upper_bound(pointer);
  if (after == memories().begin()) return nullptr;
  auto& [start, memory] = *std::prev(after);
  const auto offset = static_cast<size_t>(static_cast<const std::byte*>(pointer) -
                                          static_cast<const std::byte*>(start));
  return offset < memory.size && memory.size - offset >= bytes ? &memory : nullptr;
}

// Lets every other device of the ranks use the memory, or none.
void set_access(const Memory& memory, const std::vector<int>& devices, cudaMemAccessFlags flags) {
  for (const int device : devices) {
    if (device == memory.device) continue;
    cudaMemAccessDesc access{};
    access.location = {cudaMemLocationTypeDevice, device};
    access.flags = flags;
    require_cuda(cudaMemPoolSetAccess(memory.pool, &access, 1), "cudaMemPoolSetAccess");
  }
}

std::vector<int> all_devices() {
  int count = 0;
  require_cuda(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  std::vector<int> devices(static_cast<size_t>(count));
  std::iota(devices.begin(), devices.end(), 0);
  return devices;
}

// Why NCCL gives a null window for the call; empty if it gives one.
std::string why_unfit(const Call& call) {
  const char* const enabled = std::getenv("NCCL_WIN_ENABLE");
  if (enabled != nullptr && std::string(enabled) == "0") return "NCCL_WIN_ENABLE is 0";
  if ((call.flags & NCCL_WIN_COLL_SYMMETRIC) == 0) {
    return fmt::format("the flags must have NCCL_WIN_COLL_SYMMETRIC, they are {}", call.flags);
  }
  const Memory* const memory = find(call.buffer, call.bytes);
  if (memory == nullptr) {
    return fmt::format("{} must be {} bytes of memory that ncclMemAlloc gave, it is not",
                       call.buffer, call.bytes);
  }
  if (memory->device != call.device) {
    return fmt::format("{} must be memory of device {}, it is of device {}", call.buffer,
                       call.device, memory->device);
  }
  return "";
}

}  // namespace

void* allocate(size_t size) {
  Memory memory;
  memory.size = size;
  require_cuda(cudaGetDevice(&memory.device), "cudaGetDevice");
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location = {cudaMemLocationTypeDevice, memory.device};
  require_cuda(cudaMemPoolCreate(&memory.pool, &properties), "cudaMemPoolCreate");
  void* pointer = nullptr;
  const cudaError_t code =
      cudaMallocFromPoolAsync(&pointer, size, memory.pool, cudaStreamPerThread);
  if (code != cudaSuccess) {
    cudaMemPoolDestroy(memory.pool);
    require_cuda(code, fmt::format("{} bytes on device {}", size, memory.device));
  }
  require_cuda(cudaStreamSynchronize(cudaStreamPerThread), "cudaStreamSynchronize");
  const std::lock_guard guard(windows_lock());
  memories()[pointer] = memory;
  return pointer;
}

void release(void* pointer) {
  Memory memory;
  {
    const std::lock_guard guard(windows_lock());
    const auto found = memories().find(pointer);
    if (found == memories().end()) {
      throw Failure(ncclInvalidArgument,
                    fmt::format("{} must be memory that ncclMemAlloc gave, it is not", pointer));
    }
    if (found->second.windows != 0) {
      throw Failure(
          ncclInvalidUsage,
          fmt::format("{} is a registered window: it must be deregistered first", pointer));
    }
    memory = found->second;
    memories().erase(found);
  }
  require_cuda(cudaFree(pointer), "cudaFree");
  require_cuda(cudaMemPoolDestroy(memory.pool), "cudaMemPoolDestroy");
}

void make_windows(const std::vector<Call>& calls) {
  const std::lock_guard guard(windows_lock());
  for (size_t rank = 0; rank < calls.size(); ++rank) {
    const std::string why = why_unfit(calls[rank]);
    if (why.empty()) continue;
    set_last_sentence(fmt::format("ncclCommWindowRegister: no window: rank {}: {}", rank, why));
    for (const Call& call : calls) *call.window = nullptr;
    return;
  }
  const auto set = std::make_shared<WindowSet>();
  std::vector<int> devices;
  for (const Call& call : calls) {
    set->bases.push_back(call.buffer);
    devices.push_back(call.device);
  }
  set->bytes = calls.front().bytes;
  set->registered = calls.size();
  set->handles.resize(calls.size());
  for (size_t rank = 0; rank < calls.size(); ++rank) {
    const Call& call = calls[rank];
    Memory& memory = *find(call.buffer, call.bytes);
    set_access(memory, devices, cudaMemAccessFlagsProtReadWrite);
    ++memory.windows;
    auto* const handle = reinterpret_cast<ncclWindow_t>(&set->handles[rank]);
    windows()[handle] = set;
    *call.window = handle;
  }
}

void destroy_window(ncclWindow_t window) {
  const std::lock_guard guard(windows_lock());
  const auto found = windows().find(window);
  if (found == windows().end()) {
    throw Failure(ncclInvalidArgument, "the window must be a registered one, it is not");
  }
  const std::shared_ptr<WindowSet> set = found->second;
  windows().erase(found);
  if (--set->registered != 0) return;
  for (void* const base : set->bases) {
    Memory* const memory = find(base, set->bytes);
    if (memory == nullptr || --memory->windows != 0) continue;
    set_access(*memory, all_devices(), cudaMemAccessFlagsProtNone);
  }
}

void* peer_pointer(ncclWindow_t window, size_t offset, int peer) {
  const std::lock_guard guard(windows_lock());
  const auto found = windows().find(window);
  if (found == windows().end()) {
    throw Failure(ncclInvalidArgument, "the window must be a registered one, it is not");
  }
  const WindowSet& set = *found->second;
  const auto ranks = static_cast<int>(set.bases.size());
  if (peer < 0 || peer >= ranks) {
    throw Failure(ncclInvalidArgument,
                  fmt::format("the rank must be 0 to {}, it is {}", ranks - 1, peer));
  }
  if (offset >= set.bytes) {
    throw Failure(ncclInvalidArgument,
                  fmt::format("the offset must be below {}, it is {}", set.bytes, offset));
  }
  return static_cast<std::byte*>(set.bases[static_cast<size_t>(peer)]) + offset;
}

}  // namespace slipstream::emulator::nccl
