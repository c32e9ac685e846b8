// What goes wrong between devices: run one by one by the test that reads the reports.
#include "peers.h"

namespace {

__global__ void write(unsigned* word) { *word = 1; }  // BUG: no access
__global__ void wait(const unsigned* word) {
  while (load(word) == 0) {  // BUG: nobody writes
  }
}

const char* synchronize(int device) {
  check(cudaSetDevice(device), "set device");
  return cudaGetErrorName(cudaDeviceSynchronize());
}

}  // namespace

int main(int, char** arguments) {
  const std::string name = arguments[1];
  std::vector<unsigned*> words;
  for (int device = 0; device < 2; ++device) {
    check(cudaSetDevice(device), "set device");
    words.push_back(to_device(std::vector<unsigned>(16)));
  }
  if (name == "no_access") {
    write<<<1, 1>>>(words[0] + 3);
  } else if (name == "pool") {  // peer access does not cover the memory of pools
    enable_all_peers(2);
    check(cudaSetDevice(0), "set device");
    void* memory = nullptr;
    check(cudaMallocAsync(&memory, 64, nullptr), "cudaMallocAsync");
    check(cudaSetDevice(1), "set device");
    write<<<1, 1>>>(static_cast<unsigned*>(memory));
  } else if (name == "disabled") {
    enable_all_peers(2);
    check(cudaDeviceDisablePeerAccess(0), "disable");
    write<<<1, 1>>>(words[0]);
  } else if (name == "deadlock") {
    enable_all_peers(2);
    wait<<<1, 32>>>(words[0] + 2);
    check(cudaSetDevice(0), "set device");
    wait<<<1, 32>>>(words[1] + 1);
  } else if (name == "freed") {
    enable_all_peers(2);
    check(cudaFree(words[0]), "cudaFree");
    write<<<1, 1>>>(words[0]);
  } else if (name == "freed_while_polled") {
    enable_all_peers(2);
    wait<<<1, 1>>>(words[0]);
    check(cudaSetDevice(0), "set device");
    check(cudaFree(words[0]), "cudaFree");
  }
  if (name == "left_polling") {
    wait<<<1, 1>>>(words[1]);
    return 0;
  }
  std::printf("device 1: %s\n", synchronize(1));
  std::printf("device 0: %s\n", synchronize(0));
  if (name == "no_access") {
    // Device 0 goes on.
    write<<<1, 1>>>(words[0]);
    std::printf("device 0 later: %s, holds %u\n", synchronize(0), to_host(words[0], 1)[0]);
  }
  return 0;
}
