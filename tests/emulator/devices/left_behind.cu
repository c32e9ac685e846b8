// Two devices have the same chain of launches to run, and neither waits for the other: prints how many of
// its own the second one has done when the first has done all.
#include "peers.h"

namespace {

constexpr int kLaunches = 16;

__global__ void go_on(unsigned* done) { store(done, load(done) + 1); }

__global__ void look(const unsigned* done_by_peer, unsigned* seen) { *seen = load(done_by_peer); }

}  // namespace

int main() {
  enable_all_peers(2);
  unsigned* done[2];
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    done[device] = to_device(std::vector<unsigned>(1));
  }
  check(cudaSetDevice(0), "set device");
  unsigned* const seen = to_device(std::vector<unsigned>(1));
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    for (int i = 0; i < kLaunches; ++i) go_on<<<1, 1>>>(done[device]);
    if (device == 0) look<<<1, 1>>>(done[1], seen);
  }
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    check(cudaDeviceSynchronize(), "synchronize");
  }
  check(cudaSetDevice(0), "set device");
  std::printf("%u\n", to_host(seen, 1)[0]);
  return 0;
}
