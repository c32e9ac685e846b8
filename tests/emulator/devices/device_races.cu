// Two devices touch the same word: what orders them, and what does not. Run one by one by the test
// that reads the findings of the race check.
#include <thread>

#include "peers.h"

namespace {

__global__ void store_relaxed(unsigned* word) { store(word, 1); }
__global__ void store_plain(unsigned* word) { *word = 1; }  // RACE: plain store
__global__ void store_device(unsigned* word) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(word), "r"(1) : "memory");
}
__global__ void wait_relaxed(unsigned* word, unsigned* seen) {
  while (load(word) == 0) {
  }
  *seen = 1;
}
__global__ void read_plain(const unsigned* word, unsigned* seen) {
  *seen = *word;
}  // RACE: plain load
__global__ void read_relaxed(const unsigned* word, unsigned* seen) { *seen = load(word); }

// A word and, behind a flag, data.
__global__ void hand_over(unsigned* data, unsigned* flag) {
  *data = 5;
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(flag), "r"(1) : "memory");
}
__global__ void hand_over_relaxed(unsigned* data, unsigned* flag) {
  *data = 5;
  store(flag, 1);
}
__global__ void hand_over_by_fence(unsigned* data, unsigned* flag) {
  *data = 5;
  __threadfence_system();
  store(flag, 1);
}
__global__ void hand_over_by_device_fence(unsigned* data, unsigned* flag) {
  *data = 5;
  __threadfence();
  store(flag, 1);
}
__global__ void take_over(const unsigned* data, const unsigned* flag, unsigned* seen) {
  unsigned value = 0;
  do {
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
  } while (value == 0);
  *seen = *data;
}

struct Side {
  cudaStream_t stream;
  unsigned* words;
};
Side sides[2];

template <class... Parameters, class... Arguments>
void launch(int device, void (*kernel)(Parameters...), Arguments... arguments) {
  check(cudaSetDevice(device), "set device");
  kernel<<<1, 1, 0, sides[device].stream>>>(arguments...);
  check(cudaGetLastError(), "launch");
}

void finish() {
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    check(cudaStreamSynchronize(sides[device].stream), "synchronize");
  }
}

}  // namespace

int main(int, char** arguments) {
  const std::string name = arguments[1];
  enable_all_peers(2);
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    check(cudaStreamCreateWithFlags(&sides[device].stream, cudaStreamNonBlocking), "stream");
    sides[device].words = to_device(std::vector<unsigned>(8));
  }
  unsigned* const word = sides[0].words;
  unsigned* const flag = word + 4;
  unsigned* const seen = sides[1].words;
  if (name == "relaxed") {
    launch(1, wait_relaxed, word, seen);
    launch(0, store_relaxed, word);
  } else if (name == "plain_store") {
    launch(0, store_plain, word);
    launch(1, read_relaxed, word, seen);
  } else if (name == "plain_load") {
    launch(1, store_relaxed, word);
    launch(0, read_plain, word, word + 1);
  } else if (name == "device_scope") {
    launch(0, store_device, word);
    launch(1, read_relaxed, word, seen);
  } else if (name == "event") {
    cudaEvent_t event = nullptr;
    check(cudaSetDevice(0), "set device");
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    launch(0, store_plain, word);
    check(cudaEventRecord(event, sides[0].stream), "record");
    check(cudaStreamWaitEvent(sides[1].stream, event, 0), "wait");
    launch(1, read_plain, word, seen);
  } else if (name == "host") {
    launch(0, store_plain, word);
    finish();
    launch(1, read_plain, word, seen);
  } else {
    launch(1, take_over, word, flag, seen);
    if (name == "release") launch(0, hand_over, word, flag);
    if (name == "no_release") launch(0, hand_over_relaxed, word, flag);
    if (name == "fence") launch(0, hand_over_by_fence, word, flag);
    if (name == "device_fence") launch(0, hand_over_by_device_fence, word, flag);
  }
  finish();
  return 0;
}
