// Records what a process does with a GPU: every launch, every graph, and the code that was loaded.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "record/driver.h"
#include "record/recording.h"

namespace slipstream::record {

// Where a launch's parameters lie: as the caller of cuLaunchKernel gives them.
struct Arguments {
  void** values = nullptr;  // one for each parameter
  void** extra = nullptr;   // or a buffer that holds all
};

class Recorder {
 public:
  // Writes to the folder: launches.json at the end, and cubins as they are loaded.
  Recorder(const Driver& driver, std::string folder);

  void launch(const Callee& callee, uint32_t block_threads, const Arguments& arguments,
              CUstream stream, bool programmatic);
  // What is launched when it is instantiated comes from here: with the edges that it has by then.
  void instantiate(CUgraph graph);
  // Work that later launches in any stream wait for in whole.
  void other_work();
  void load_module(std::span<const char> cubin);
  void unload_module();
  void free_memory();
  void write();

 private:
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  const Signature& known(const Callee& callee);
  std::vector<Pointer> pointers_in(const Signature& signature, const Arguments& arguments);
  [[nodiscard]] uint64_t allocation_of(uint64_t address);
  void record_graph(CUgraph graph);

  Driver driver_;
  std::string folder_;
  Recording recording_;
  std::mutex mutex_;
  std::unordered_map<const void*, Signature> signatures_;
  std::map<uint64_t, Range> ranges_;  // of allocations, by their end; those asked about so far
  std::unordered_map<CUstream, Place> last_;
  std::unordered_set<std::string> cubins_;  // written, by the hash of their bytes
};

}  // namespace slipstream::record
