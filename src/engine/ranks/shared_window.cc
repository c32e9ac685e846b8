#include "engine/ranks/shared_window.h"

#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <cstring>

namespace slipstream::engine {
namespace {

// What rank `from` writes into the window of rank `to`.
uint64_t mark_of(int from, int to) { return 0x51a9'0000'0000'0000 + 0x100 * from + to; }

}  // namespace

SharedWindow::SharedWindow(const Nccl& nccl, Meeting& meeting, int64_t bytes)
    : nccl_(nccl), meeting_(meeting) {
  windows_.rank = meeting.rank();
  windows_.ranks = meeting.ranks();
  try {
    const std::string id = agree(&meeting_, [&] {
      if (meeting_.rank() != 0) return std::string();
      const NcclUniqueId made = nccl_.unique_id();
      return std::string(made.bytes, sizeof made.bytes);
    });
    const std::string shared = meeting_.gather(id).front();
    agree(&meeting_, [&] { join(shared); });
    agree(&meeting_, [&] { memory_ = nccl_.allocate(bytes); });
    agree(&meeting_, [&] { handle_ = nccl_.open_window(comm_, memory_, bytes); });
    agree(&meeting_, [&] { find_peers(); });
    prove();
  } catch (...) {
    release(false);
    throw;
  }
}

SharedWindow::~SharedWindow() { release(meeting_.failure().empty()); }

void SharedWindow::join(const std::string& id) {
  NcclUniqueId shared{};
  std::memcpy(shared.bytes, id.data(), sizeof shared.bytes);
  comm_ = nccl_.join(shared, meeting_.ranks(), meeting_.rank());
}

void SharedWindow::find_peers() {
  for (int rank = 0; rank < windows_.ranks; ++rank) {
    windows_.bases[rank] = nccl_.peer_address(handle_, windows_.rank, rank);
  }
}

void SharedWindow::prove() {
  agree(&meeting_, [&] {
    for (int to = 0; to < windows_.ranks; ++to) {
      const uint64_t mark = mark_of(windows_.rank, to);
      check_cuda(cudaMemcpy(windows_.bases[to] + windows_.rank * sizeof mark, &mark, sizeof mark,
                            cudaMemcpyHostToDevice),
                 fmt::format("copy into the window of rank {}", to));
    }
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize after copies into windows");
  });
  agree(&meeting_, [&] {
    for (int from = 0; from < windows_.ranks; ++from) {
      uint64_t mark = 0;
      check_cuda(cudaMemcpy(&mark, static_cast<std::byte*>(memory_) + from * sizeof mark,
                            sizeof mark, cudaMemcpyDeviceToHost),
                 "copy from a window");
      if (mark == mark_of(from, windows_.rank)) continue;
      throw Error(fmt::format("what rank {} stores into this window must arrive, does not ({})",
                              from, nccl_.description()));
    }
  });
}

void SharedWindow::release(bool all_there) noexcept {
  if (handle_ != nullptr && all_there) nccl_.close_window(comm_, handle_);
  if (comm_ != nullptr) {
    if (all_there) {
      nccl_.destroy(comm_);
    } else {
      nccl_.abort(comm_);
    }
  }
  if (memory_ != nullptr) nccl_.free(memory_);
}

}  // namespace slipstream::engine
