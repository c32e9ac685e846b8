#include "step/pinned_record.h"

#include <cuda_runtime_api.h>

#include <atomic>

#include "slipstream/error.h"

namespace slipstream::step {

PinnedRecord::PinnedRecord() {
  check_cuda(cudaHostAlloc(reinterpret_cast<void**>(&record_), sizeof *record_,
                           cudaHostAllocMapped | cudaHostAllocPortable),
             "cudaHostAlloc");
  clear();
}

PinnedRecord::~PinnedRecord() { (void)cudaFreeHost(record_); }

PollRecord PinnedRecord::read() const {
  PollRecord result;
  result.happened = std::atomic_ref(record_->happened).load(std::memory_order_acquire);
  if (result.happened != 0) result = *record_;
  return result;
}

PollRecord* PinnedRecord::on_device() const {
  void* address = nullptr;
  check_cuda(cudaHostGetDevicePointer(&address, record_, 0), "cudaHostGetDevicePointer");
  return static_cast<PollRecord*>(address);
}

}  // namespace slipstream::step
