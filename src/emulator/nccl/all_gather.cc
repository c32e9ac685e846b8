#include "emulator/nccl/all_gather.h"

#include <cstddef>

namespace slipstream::emulator::nccl {
namespace {

// While one lives, this thread uses other devices.
class KeepDevice {
 public:
  KeepDevice() { require_cuda(cudaGetDevice(&device_), "cudaGetDevice"); }
  ~KeepDevice() { cudaSetDevice(device_); }
  KeepDevice(const KeepDevice&) = delete;
  KeepDevice& operator=(const KeepDevice&) = delete;

 private:
  int device_ = 0;
};

// All that follows in any of the streams comes after all that is in any of them.
void join_streams(const std::vector<Call>& calls) {
  std::vector<cudaEvent_t> events(calls.size());
  for (size_t rank = 0; rank < calls.size(); ++rank) {
    require_cuda(cudaSetDevice(calls[rank].device), "cudaSetDevice");
    require_cuda(cudaEventCreateWithFlags(&events[rank], cudaEventDisableTiming),
                 "cudaEventCreateWithFlags");
    require_cuda(cudaEventRecord(events[rank], calls[rank].stream), "cudaEventRecord");
  }
  for (const Call& call : calls) {
    require_cuda(cudaSetDevice(call.device), "cudaSetDevice");
    for (cudaEvent_t event : events) {
      require_cuda(cudaStreamWaitEvent(call.stream, event, 0), "cudaStreamWaitEvent");
    }
  }
  for (cudaEvent_t event : events) require_cuda(cudaEventDestroy(event), "cudaEventDestroy");
}

}  // namespace

void all_gather(const std::vector<Call>& calls) {
  const KeepDevice keeper;
  join_streams(calls);
  for (const Call& call : calls) {
    require_cuda(cudaSetDevice(call.device), "cudaSetDevice");
    auto* to = static_cast<std::byte*>(call.buffer);
    for (const Call& from : calls) {
      if (to != from.send && call.bytes != 0) {
        require_cuda(cudaMemcpyAsync(to, from.send, call.bytes, cudaMemcpyDefault, call.stream),
                     "cudaMemcpyAsync");
      }
      to += call.bytes;
    }
  }
  join_streams(calls);
}

}  // namespace slipstream::emulator::nccl
