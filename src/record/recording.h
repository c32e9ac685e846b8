// What a program launched, as `slipstream check --launches` reads it: which kernels with the PDL
// attribute, next to which others, and for every pointer among a kernel's parameters, which of those
// had the same memory. What they do with it is in their code, which the check reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace slipstream::record {

// A word of a kernel's parameters that is an address in device memory.
struct Pointer {
  uint32_t parameter = 0;  // position
  uint32_t offset = 0;     // byte in it
  uint64_t address = 0;
  uint64_t allocation = 0;  // where it begins
};

// Where the allocation begins that an address lies in; 0: it is no address in device memory.
using AllocationOf = std::function<uint64_t(uint64_t address)>;

// Appends the words of a parameter's value that are such addresses.
void append_pointers(uint32_t parameter, std::span<const std::byte> value,
                     const AllocationOf& allocation_of, std::vector<Pointer>& pointers);

struct Launch {
  std::string kernel;  // as in the binary: mangled
  uint32_t block_threads = 0;
  std::vector<Pointer> pointers;
};

class Chain;

// A launch and those before it that may run until a kernel waits for them. Empty: none.
struct Place {
  std::shared_ptr<Chain> chain;
  size_t launches = 0;
};

// May be used by several threads.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // A launch that starts when the ones at `released_by` have triggered, by the PDL attribute or by
  // programmatic edges of a graph; none: when all before it is complete. Returns its own place.
  Place add(const Launch& launch, std::span<const Place> released_by);
  // An edge of a graph by which `to` starts as soon as all CTAs of `from` have.
  void add_launch_completion(const std::string& from, const std::string& to);

  [[nodiscard]] uint64_t launches() const;
  // The launches file; docs/check.md has the schema.
  [[nodiscard]] std::string json() const;

 private:
  friend class Chain;

  // A pointer of a kernel, whatever it held.
  struct Use {
    uint32_t kernel = 0;
    uint32_t parameter = 0;
    uint32_t offset = 0;
    bool operator==(const Use&) const = default;
    bool operator<(const Use& other) const {
      return std::tie(kernel, parameter, offset) <
             std::tie(other.kernel, other.parameter, other.offset);
    }
  };
  struct Kernel {
    std::string name;
    bool programmatic = false;  // ever
    uint32_t block_threads = 0;
    uint64_t launches = 0;
    std::set<uint32_t> beside;  // kernels with launches that may still run when it starts
    // By parameter and offset: uses of the same memory in launches that may still run, and whether
    // the address was the same as well, rather than the allocation only.
    std::map<std::pair<uint32_t, uint32_t>, std::map<Use, bool>> pointers;
  };

  uint32_t number_of(const std::string& kernel);
  Place extend(std::span<const Place> released_by) const;

  mutable std::mutex mutex_;
  uint64_t launches_ = 0;
  std::vector<Kernel> kernels_;
  std::unordered_map<std::string, uint32_t> numbers_;
  std::set<std::pair<std::string, std::string>> completions_;
};

}  // namespace slipstream::record
