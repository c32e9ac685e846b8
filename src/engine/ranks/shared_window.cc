#include "engine/ranks/shared_window.h"

#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "pdl/stream.h"

namespace slipstream::engine {
namespace {

// What rank `from` writes into the window of rank `to`.
uint64_t mark_of(int from, int to) { return 0x51a9'0000'0000'0000 + (uint64_t{0x100} * from) + to; }

// Frees this rank from a call in which it waits for ranks that will not come. NCCL mostly notices by
// itself that they are gone.
class Escape {
 public:
  Escape(const Meeting& meeting, std::function<void()> abort)
      : thread_([this, &meeting, abort = std::move(abort)] {
          constexpr std::chrono::milliseconds kPause{20};
          constexpr std::chrono::seconds kPatience{2};
          auto alive = std::chrono::steady_clock::now();
          while (!ended_) {
            const auto now = std::chrono::steady_clock::now();
            if (meeting.failure().empty()) alive = now;
            if (now - alive > kPatience) return abort();
            std::this_thread::sleep_for(kPause);
          }
        }) {}
  ~Escape() {
    ended_ = true;
    thread_.join();
  }
  Escape(const Escape&) = delete;
  Escape& operator=(const Escape&) = delete;

 private:
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

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
    together([&] { join(shared); });
    agree(&meeting_, [&] { memory_ = nccl_.allocate(bytes); });
    together([&] { handle_ = nccl_.open_window(comm_, memory_, bytes); });
    agree(&meeting_, [&] { find_peers(); });
    prove();
  } catch (...) {
    release(false);
    throw;
  }
}

SharedWindow::~SharedWindow() { release(meeting_.failure().empty()); }

template <class Call>
void SharedWindow::together(const Call& call) {
  {
    const Escape escape(meeting_, [this] {
      if (NcclComm* comm = comm_.exchange(nullptr)) nccl_.abort(comm);
    });
    try {
      call();
    } catch (const std::exception& error) {
      fail_for(meeting_, error);
    }
  }
  const std::string failure = meeting_.failure();
  if (!failure.empty()) throw RankError(failure);
}

void SharedWindow::join(const std::string& id) {
  NcclUniqueId shared{};
  std::memcpy(shared.bytes, id.data(), sizeof shared.bytes);
  nccl_.join(reinterpret_cast<NcclComm**>(&comm_), shared, meeting_.ranks(), meeting_.rank());
}

void SharedWindow::find_peers() {
  for (int rank = 0; rank < windows_.ranks; ++rank) {
    windows_.bases[rank] = nccl_.peer_address(handle_, windows_.rank, rank);
  }
}

void SharedWindow::prove() {
  const pdl::Stream stream;
  const auto copy = [&](void* target, const void* source, cudaMemcpyKind kind,
                        const std::string& what) {
    check_cuda(cudaMemcpyAsync(target, source, sizeof(uint64_t), kind, stream.get()), what);
    stream.synchronize();
  };
  agree(&meeting_, [&] {
    for (int to = 0; to < windows_.ranks; ++to) {
      const uint64_t mark = mark_of(windows_.rank, to);
      copy(windows_.bases[to] + windows_.rank * sizeof mark, &mark, cudaMemcpyHostToDevice,
           fmt::format("copy into the window of rank {}", to));
    }
  });
  agree(&meeting_, [&] {
    for (int from = 0; from < windows_.ranks; ++from) {
      uint64_t mark = 0;
      copy(&mark, static_cast<std::byte*>(memory_) + from * sizeof mark, cudaMemcpyDeviceToHost,
           "copy from a window");
      if (mark == mark_of(from, windows_.rank)) continue;
      throw Error(fmt::format("what rank {} stores into this window must arrive, does not ({})",
                              from, nccl_.description()));
    }
  });
}

void SharedWindow::release(bool all_there) noexcept {
  NcclComm* const comm = comm_.exchange(nullptr);
  if (handle_ != nullptr && all_there) nccl_.close_window(comm, handle_);
  if (comm != nullptr) {
    if (all_there) {
      nccl_.destroy(comm);
    } else {
      nccl_.abort(comm);
    }
  }
  if (memory_ != nullptr) nccl_.free(memory_);
}

}  // namespace slipstream::engine
