// One device stores two words into the other's memory, which waits for the second and then reads the
// first: prints what that was.
#include "peers.h"

namespace {

__global__ void store_both(unsigned* words, bool fenced) {
  store(&words[0], 1);
  if (fenced) __threadfence_system();
  store(&words[1], 1);
}

__global__ void wait_for_second(const unsigned* words, unsigned* seen) {
  while (load(&words[1]) == 0) {
  }
  *seen = load(&words[0]);
}

}  // namespace

int main(int, char** arguments) {
  const bool fenced = arguments[1] == std::string("fenced");
  enable_all_peers(2);
  check(cudaSetDevice(0), "set device");
  unsigned* const words = to_device(std::vector<unsigned>(2));
  unsigned* const seen = to_device(std::vector<unsigned>(1));
  wait_for_second<<<1, 1>>>(words, seen);
  check(cudaSetDevice(1), "set device");
  store_both<<<1, 1>>>(words, fenced);
  check(cudaSetDevice(0), "set device");
  check(cudaDeviceSynchronize(), "synchronize");
  std::printf("%u\n", to_host(seen, 1)[0]);
  return 0;
}
