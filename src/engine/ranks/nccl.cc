#include "engine/ranks/nccl.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/core.h>

#include <cstdlib>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

constexpr int kSymmetricWindow = 1;  // NCCL_WIN_COLL_SYMMETRIC

std::string version_name(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string requirement() {
  return fmt::format(
      "several ranks need NCCL {} or later, libnccl.so.2 (of the packages libnccl2 or "
      "nvidia-nccl-cu13) on the library path or named by SLIPSTREAM_NCCL",
      version_name(Nccl::kLeastVersion));
}

std::string wanted_file() {
  const char* named = std::getenv("SLIPSTREAM_NCCL");
  return named == nullptr || *named == '\0' ? "libnccl.so.2" : named;
}

// The beginning of what a window's handle points to in device memory, in every NCCL from 2.28.3 to
// the last one before 2.29: rank r of those that reach each other has its part `stride` x r after
// `base`.
struct WindowLayout {
  void* host;
  std::byte* base;
  int32_t rank;  // of this GPU among those that reach each other
  int32_t world_rank;
  uint32_t stride;  // in units of 4 GiB
  uint32_t multicast_offset;
};
static_assert(sizeof(WindowLayout) == 32);

}  // namespace

const Nccl& Nccl::get() {
  static const Nccl kNccl(wanted_file());
  return kNccl;
}

Nccl::Nccl(const std::string& file) {
  // Multicast over NVLink is of use to collectives alone, and some machines' is in a bad state.
  setenv("NCCL_NVLS_ENABLE", "0", /*overwrite=*/0);
  library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) throw Error(fmt::format("{}: {}", requirement(), dlerror()));
  const auto get_version = reinterpret_cast<int (*)(int*)>(symbol("ncclGetVersion"));
  Dl_info info{};
  (void)dladdr(reinterpret_cast<void*>(get_version), &info);
  const std::string path = info.dli_fname == nullptr ? file : info.dli_fname;
  get_error_string_ = reinterpret_cast<decltype(get_error_string_)>(symbol("ncclGetErrorString"));
  check(get_version(&version_), "ncclGetVersion");
  description_ = fmt::format("NCCL {} ({})", version_name(version_), path);
  if (version_ < kLeastVersion) throw Error(fmt::format("{}; is {}", requirement(), description_));

  get_last_error_ = reinterpret_cast<decltype(get_last_error_)>(symbol("ncclGetLastError"));
  get_unique_id_ = reinterpret_cast<decltype(get_unique_id_)>(symbol("ncclGetUniqueId"));
  comm_init_ = reinterpret_cast<decltype(comm_init_)>(symbol("ncclCommInitRankConfig"));
  comm_destroy_ = reinterpret_cast<decltype(comm_destroy_)>(symbol("ncclCommDestroy"));
  comm_abort_ = reinterpret_cast<decltype(comm_abort_)>(symbol("ncclCommAbort"));
  mem_alloc_ = reinterpret_cast<decltype(mem_alloc_)>(symbol("ncclMemAlloc"));
  mem_free_ = reinterpret_cast<decltype(mem_free_)>(symbol("ncclMemFree"));
  window_register_ = reinterpret_cast<decltype(window_register_)>(symbol("ncclCommWindowRegister"));
  window_deregister_ =
      reinterpret_cast<decltype(window_deregister_)>(symbol("ncclCommWindowDeregister"));
  if (version_ >= kPointerVersion) {
    get_peer_pointer_ =
        reinterpret_cast<decltype(get_peer_pointer_)>(symbol("ncclGetPeerDevicePointer"));
  } else if (version_ >= kEndOfLayout) {
    throw Error(fmt::format("{}, and not one between 2.28 and {}; is {}", requirement(),
                            version_name(kPointerVersion), description_));
  }
}

void* Nccl::symbol(const char* name) const {
  void* found = dlsym(library_, name);
  if (found == nullptr) {
    throw Error(fmt::format("{}; {} has no {}", requirement(),
                            description_.empty() ? "what was found" : description_, name));
  }
  return found;
}

void Nccl::check(int code, const char* call, NcclComm* comm) const {
  if (code == 0) return;
  // NCCL's numbers are in no message; the last error says more than the code, where there is one.
  const char* last = get_last_error_ == nullptr ? nullptr : get_last_error_(comm);
  const bool has_last = last != nullptr && *last != '\0';
  throw Error(fmt::format("{}: {}{}{} ({}; NCCL_DEBUG=INFO has it say more)", call,
                          get_error_string_(code), has_last ? ": " : "", has_last ? last : "",
                          description_));
}

NcclUniqueId Nccl::unique_id() const {
  NcclUniqueId id{};
  check(get_unique_id_(&id), "ncclGetUniqueId");
  return id;
}

void Nccl::join(NcclComm** comm, const NcclUniqueId& id, int ranks, int rank) const {
  NcclConfig config;
  check(comm_init_(comm, ranks, id, rank, &config), "ncclCommInitRankConfig");
}

void Nccl::destroy(NcclComm* comm) const noexcept { (void)comm_destroy_(comm); }
void Nccl::abort(NcclComm* comm) const noexcept { (void)comm_abort_(comm); }

void* Nccl::allocate(size_t bytes) const {
  void* memory = nullptr;
  check(mem_alloc_(&memory, bytes), "ncclMemAlloc");
  return memory;
}

void Nccl::free(void* memory) const noexcept { (void)mem_free_(memory); }

NcclWindow* Nccl::open_window(NcclComm* comm, void* memory, size_t bytes) const {
  NcclWindow* window = nullptr;
  check(window_register_(comm, memory, bytes, &window, kSymmetricWindow), "ncclCommWindowRegister",
        comm);
  // Success without a window is how NCCL says that these GPUs cannot have one.
  if (window == nullptr) {
    throw Error(fmt::format(
        "ncclCommWindowRegister gave no window: every GPU must reach every other one by peer "
        "access "
        "(nvidia-smi topo -p2p r), with NCCL_CUMEM_ENABLE, NCCL_WIN_ENABLE and NCCL_P2P_DISABLE as "
        "NCCL sets them ({})",
        description_));
  }
  return window;
}

void Nccl::close_window(NcclComm* comm, NcclWindow* window) const noexcept {
  (void)window_deregister_(comm, window);
}

std::byte* Nccl::peer_address(NcclWindow* window, int rank, int peer) const {
  const auto unreachable = [&] {
    throw Error(
        fmt::format("the window of rank {} must be in the address space of rank {}'s GPU, "
                    "is not: all GPUs must be of one NVLink domain ({})",
                    peer, rank, description_));
  };
  if (get_peer_pointer_ != nullptr) {
    void* address = nullptr;
    check(get_peer_pointer_(window, 0, peer, &address), "ncclGetPeerDevicePointer");
    if (address == nullptr) unreachable();
    return static_cast<std::byte*>(address);
  }
  // Before that function there was one for kernels alone, which reads these fields.
  WindowLayout layout{};
  check_cuda(cudaMemcpy(&layout, window, sizeof layout, cudaMemcpyDeviceToHost),
             "copy of what NCCL's window handle points to");
  if (layout.base == nullptr || layout.rank != rank || layout.world_rank != rank) unreachable();
  return layout.base + (uint64_t{layout.stride} << 32) * peer;
}

}  // namespace slipstream::engine
