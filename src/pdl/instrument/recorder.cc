#include "pdl/instrument/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "slipstream/error.h"

namespace slipstream::instrument {
namespace {

// What the kernels are told now, and the variables of theirs that hold it.
struct State {
  std::vector<const void*> symbols;
  Instructions instructions{};
};

State& state() {
  static State instance;
  return instance;
}

void tell_kernels() {
  for (const void* symbol : state().symbols) {
    check_cuda(cudaMemcpyToSymbol(symbol, &state().instructions, sizeof(Instructions), 0,
                                  cudaMemcpyHostToDevice),
               "cudaMemcpyToSymbol of the instructions to instrumented kernels");
  }
}

void set_lists(const StampLists& lists) {
  state().instructions.lists = lists;
  tell_kernels();
}

void set_delays(bool delays) {
  state().instructions.delays = delays;
  tell_kernels();
}

}  // namespace

int register_instructions(const void* symbol) {
  state().symbols.push_back(symbol);
  return 0;
}

Delays::Delays() { set_delays(true); }

Delays::~Delays() {
  try {
    set_delays(false);
  } catch (const CudaError&) {
    // The device has failed, and nothing runs any more.
  }
}

Recorder::Recorder(uint32_t capacity)
    : capacity_(capacity),
      stamps_(size_t{kMaxSms} * capacity * sizeof(CtaStamps)),
      counts_(kMaxSms * sizeof(uint32_t)) {
  check_cuda(cudaMemset(counts_.data(), 0, counts_.bytes()), "cudaMemset of the stamp counts");
  set_lists(
      {static_cast<CtaStamps*>(stamps_.data()), static_cast<uint32_t*>(counts_.data()), capacity_});
}

Recorder::~Recorder() {
  try {
    set_lists({});
  } catch (const CudaError&) {
    // The device has failed, and nothing runs any more that would write there.
  }
}

void Recorder::clear(cudaStream_t stream) {
  check_cuda(cudaMemsetAsync(counts_.data(), 0, counts_.bytes(), stream),
             "cudaMemsetAsync of the stamp counts");
}

std::vector<CtaStamps> Recorder::take(cudaStream_t stream) {
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize of a traced step");
  std::array<uint32_t, kMaxSms> counts{};
  counts_.copy_to_host(counts.data(), counts_.bytes());
  std::vector<CtaStamps> result;
  for (size_t sm = 0; sm < counts.size(); ++sm) {
    if (counts[sm] > capacity_) {
      throw Error(
          fmt::format("trace: SM {} ran {} CTAs, there is room for {}", sm, counts[sm], capacity_));
    }
    if (counts[sm] == 0) continue;
    const size_t before = result.size();
    result.resize(before + counts[sm]);
    check_cuda(cudaMemcpy(result.data() + before,
                          static_cast<const CtaStamps*>(stamps_.data()) + sm * capacity_,
                          counts[sm] * sizeof(CtaStamps), cudaMemcpyDeviceToHost),
               "copy of the stamps");
  }
  return result;
}

}  // namespace slipstream::instrument
