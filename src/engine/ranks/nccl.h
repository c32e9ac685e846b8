// The few functions of NCCL that the ranks use, found when the first of several ranks starts: a
// machine without NCCL runs one rank. The declarations are ours, of what NCCL documents as stable.
//
// No collective of NCCL's runs: it brings memory of one GPU into the address space of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace slipstream::engine {

// Names of NCCL's own types.
struct NcclComm;
struct NcclWindow;

struct NcclUniqueId {
  char bytes[128];
};

// ncclConfig_t as of 2.17; NCCL takes from `version` which fields are there.
struct NcclConfig {
  static constexpr int kUndefined = INT32_MIN;

  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 21700;
  int blocking = 1;
  int cga_cluster_size = kUndefined;
  int min_ctas = 1;
  int max_ctas = 1;  // one channel: what it would need for collectives is memory for nothing
  const char* net_name = nullptr;
  int split_share = kUndefined;
};

class Nccl {
 public:
  // Versions as NCCL codes them.
  static constexpr int kLeastVersion = 22803;    // windows that kernels can address
  static constexpr int kPointerVersion = 22902;  // ncclGetPeerDevicePointer
  static constexpr int kEndOfLayout = 22900;  // of what peer_address() reads where it is not there

  // The NCCL of this process: the file that SLIPSTREAM_NCCL names, else libnccl.so.2 as the loader
  // finds it. Throws Error saying what is needed. Not by two threads at once.
  static const Nccl& get();
  // Loads `file`, and keeps it loaded.
  explicit Nccl(const std::string& file);

  [[nodiscard]] int version() const { return version_; }
  // "NCCL 2.28.9 (/usr/lib/libnccl.so.2)"
  [[nodiscard]] const std::string& description() const { return description_; }

  [[nodiscard]] NcclUniqueId unique_id() const;
  // Returns when all ranks have come. `comm` is there before: another thread may abort it.
  void join(NcclComm** comm, const NcclUniqueId& id, int ranks, int rank) const;
  void destroy(NcclComm* comm) const noexcept;
  // Without waiting for anybody.
  void abort(NcclComm* comm) const noexcept;
  [[nodiscard]] void* allocate(size_t bytes) const;
  void free(void* memory) const noexcept;
  // By all ranks; throws where it gives no window.
  [[nodiscard]] NcclWindow* open_window(NcclComm* comm, void* memory, size_t bytes) const;
  void close_window(NcclComm* comm, NcclWindow* window) const noexcept;
  // Where rank `peer`'s memory of the window begins for kernels of this rank, `rank`.
  [[nodiscard]] std::byte* peer_address(NcclWindow* window, int rank, int peer) const;

 private:
  void* symbol(const char* name) const;
  void check(int code, const char* call, NcclComm* comm = nullptr) const;

  void* library_ = nullptr;
  int version_ = 0;
  std::string description_;

  int (*get_unique_id_)(NcclUniqueId*) = nullptr;
  int (*comm_init_)(NcclComm**, int, NcclUniqueId, int, NcclConfig*) = nullptr;
  int (*comm_destroy_)(NcclComm*) = nullptr;
  int (*comm_abort_)(NcclComm*) = nullptr;
  int (*mem_alloc_)(void**, size_t) = nullptr;
  int (*mem_free_)(void*) = nullptr;
  int (*window_register_)(NcclComm*, void*, size_t, NcclWindow**, int) = nullptr;
  int (*window_deregister_)(NcclComm*, NcclWindow*) = nullptr;
  int (*get_peer_pointer_)(NcclWindow*, size_t, int, void**) = nullptr;  // from kPointerVersion on
  const char* (*get_error_string_)(int) = nullptr;
  const char* (*get_last_error_)(NcclComm*) = nullptr;
};

}  // namespace slipstream::engine
