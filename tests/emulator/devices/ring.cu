// Devices in a ring hand a counter on, round after round, by kernels that poll each other's memory.
// Graphs of such kernels are replayed many times, and the host waits only at the end.
#include <thread>

#include "peers.h"

namespace {

constexpr int kWords = 96;  // three warps
constexpr int kLaunches = 3;
constexpr int kReplays = 20;

struct Link {
  unsigned* mine;
  unsigned* next;  // on the next device
  unsigned* rounds;
  bool is_first;
};

// Waits until all words of this device have the value of the round, then writes the next device's.
__global__ void pass_on(Link link) {
  const unsigned round = *link.rounds;
  if (!link.is_first || round != 0) {
    while (load(&link.mine[threadIdx.x]) != round + (link.is_first ? 0 : 1)) {
    }
  }
  store(&link.next[threadIdx.x], round + 1);
  __syncthreads();
  if (threadIdx.x == 0) *link.rounds = round + 1;
}

struct Device {
  cudaStream_t stream;
  cudaGraphExec_t graph;
  Link link;
};

void capture(Device& device) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(device.stream, cudaStreamCaptureModeThreadLocal), "begin capture");
  for (int i = 0; i < kLaunches; ++i) pass_on<<<1, kWords, 0, device.stream>>>(device.link);
  check(cudaStreamEndCapture(device.stream, &graph), "end capture");
  check(cudaGraphInstantiate(&device.graph, graph, 0), "instantiate");
}

void replay(int number, const Device& device) {
  check(cudaSetDevice(number), "set device");
  for (int i = 0; i < kReplays; ++i) check(cudaGraphLaunch(device.graph, device.stream), "launch");
  check(cudaStreamSynchronize(device.stream), "synchronize");
}

}  // namespace

// ring one|each: one host thread drives all devices, or each has its own.
int main(int count, char** arguments) {
  const bool each = count > 1 && std::string(arguments[1]) == "each";
  const int devices = device_count();
  enable_all_peers(devices);
  std::vector<Device> ring(devices);
  for (int i = 0; i < devices; ++i) {
    check(cudaSetDevice(i), "set device");
    check(cudaStreamCreateWithFlags(&ring[i].stream, cudaStreamNonBlocking), "stream");
    ring[i].link = {to_device(std::vector<unsigned>(kWords)), nullptr,
                    to_device(std::vector<unsigned>(1)), i == 0};
  }
  for (int i = 0; i < devices; ++i) {
    check(cudaSetDevice(i), "set device");
    ring[i].link.next = ring[(i + 1) % devices].link.mine;
    capture(ring[i]);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < devices; ++i) {
    if (each) threads.emplace_back([&, i] { replay(i, ring[i]); });
    for (int k = 0; !each && k < kReplays; ++k) {
      check(cudaSetDevice(i), "set device");
      check(cudaGraphLaunch(ring[i].graph, ring[i].stream), "launch");
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < devices; ++i) {
    check(cudaSetDevice(i), "set device");
    check(cudaStreamSynchronize(ring[i].stream), "synchronize");
  }
  for (int i = 0; i < devices; ++i) {
    check(cudaSetDevice(i), "set device");
    expect(to_host(ring[i].link.rounds, 1)[0] == kLaunches * kReplays, "rounds");
    for (const unsigned word : to_host(ring[i].link.mine, kWords)) {
      expect(word == kLaunches * kReplays, "word");
    }
  }
  return 0;
}
