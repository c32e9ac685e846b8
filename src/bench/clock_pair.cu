#include <cmath>
#include <string>

#include "bench/clock_pair.h"
#include "bench/on_device.h"
#include "cuda/system_memory.cuh"
#include "pdl/device.h"
#include "slipstream/error.h"
#include "slipstream/launch.h"

namespace slipstream::bench {
namespace {

constexpr int kRounds = 256;
constexpr uint64_t kNobodyAnswers = 5'000'000'000;  // nanoseconds

// A place for each round, empty before it: the value is the flag.
struct Mailboxes {
  pdl::Produced<const uint64_t> own;  // [rounds] pairs
  pdl::Produced<uint64_t> other;
};

struct CallParams {
  Mailboxes mailboxes;
  pdl::Produced<ClockReading> reading;
};

// 0 is an empty place.
__device__ __forceinline__ void tell(const Mailboxes& mailboxes, int round, uint64_t time) {
  cuda::store_system_pair(mailboxes.other.get() + 2 * round, {time + 1, time + 1});
}

// False if nothing comes.
__device__ __forceinline__ bool hear(const Mailboxes& mailboxes, int round, uint64_t& time) {
  constexpr uint32_t kPollsPerLook = 1024;
  uint64_t begin = 0;
  for (uint32_t polls = 1;; ++polls) {
    const cuda::WordPair words = cuda::load_system_pair(mailboxes.own.get() + 2 * round);
    time = words.first - 1;
    if (words.first != 0 && words.first == words.second) return true;
    if (polls % kPollsPerLook != 0) continue;
    const uint64_t now = cuda::nanoseconds();
    if (begin == 0) begin = now;
    if (now - begin > kNobodyAnswers) return false;
  }
}

__global__ void call_kernel(const __grid_constant__ CallParams params) {
  ClockReading best{.here = 0, .there = 0, .error = ~uint64_t{0}};
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t sent = cuda::nanoseconds();
    tell(params.mailboxes, round, sent);
    uint64_t there;
    if (!hear(params.mailboxes, round, there)) break;
    const uint64_t way = (cuda::nanoseconds() - sent + 1) / 2;
    if (way < best.error) best = {.here = sent + way, .there = there, .error = way};
  }
  *params.reading.get() = best;
}

__global__ void answer_kernel(const __grid_constant__ Mailboxes mailboxes) {
  for (int round = 0; round < kRounds; ++round) {
    uint64_t unused;
    if (!hear(mailboxes, round, unused)) return;
    tell(mailboxes, round, cuda::nanoseconds());
  }
}

uint64_t* mailbox_of(const DeviceBuffer& buffer) { return static_cast<uint64_t*>(buffer.data()); }

DeviceBuffer make_mailbox() { return DeviceBuffer(size_t{2} * kRounds * sizeof(uint64_t)); }

void empty(const DeviceBuffer& mailbox, const pdl::Stream& stream) {
  check_cuda(cudaMemsetAsync(mailbox.data(), 0, mailbox.bytes(), stream.get()),
             "cudaMemsetAsync of a mailbox");
  stream.synchronize();
}

}  // namespace

uint64_t to_here(uint64_t there, const ClockReading& before, const ClockReading& after) {
  const auto difference = [](uint64_t a, uint64_t b) {
    return static_cast<double>(static_cast<int64_t>(a - b));
  };
  const double passed = difference(after.there, before.there);
  const double rate = passed == 0 ? 1 : difference(after.here, before.here) / passed;
  return before.here + static_cast<uint64_t>(std::llround(difference(there, before.there) * rate));
}

ClockPair::ClockPair(int other) : reading_(sizeof(ClockReading)) {
  here_.device = pdl::current_device();
  here_.mailbox = make_mailbox();
  here_.stream = std::make_unique<pdl::Stream>();
  there_.device = other;
  on_device(other, [&] {
    there_.mailbox = make_mailbox();
    there_.stream = std::make_unique<pdl::Stream>();
  });
}

ClockReading ClockPair::read() {
  const Mailboxes here{{mailbox_of(here_.mailbox)}, {mailbox_of(there_.mailbox)}};
  const Mailboxes there{{mailbox_of(there_.mailbox)}, {mailbox_of(here_.mailbox)}};
  empty(here_.mailbox, *here_.stream);
  on_device(there_.device, [&] {
    empty(there_.mailbox, *there_.stream);
    pdl::launch({.name = "answer",
                 .symbol = "slipstream::bench::answer_kernel",
                 .waits = false,
                 .fields = {}},
                answer_kernel, {.grid = dim3(1), .block = dim3(1)},
                {.stream = there_.stream->get()}, there);
  });
  const CallParams params{here, {static_cast<ClockReading*>(reading_.data())}};
  pdl::launch(
      {.name = "call", .symbol = "slipstream::bench::call_kernel", .waits = false, .fields = {}},
      call_kernel, {.grid = dim3(1), .block = dim3(1)}, {.stream = here_.stream->get()}, params);
  here_.stream->synchronize();
  on_device(there_.device, [&] { there_.stream->synchronize(); });
  ClockReading reading;
  reading_.copy_to_host(&reading, sizeof reading);
  if (reading.error != ~uint64_t{0}) return reading;
  throw Error("the clocks of GPUs " + std::to_string(here_.device) + " and " +
              std::to_string(there_.device) + " cannot be compared: no answer came");
}

}  // namespace slipstream::bench
