#include "record/recording.h"

#include <algorithm>
#include <cstring>

#include "io/json_writer.h"

namespace slipstream::record {

// The kernels of a chain's launches, and the memory that these had, by address and by allocation.
class Chain {
 public:
  using Use = Recording::Use;

  [[nodiscard]] size_t launches() const { return launches_; }

  template <class Visit>
  void visit(const Pointer& pointer, const Visit& visit) const {
    for (const Entry& entry : entries_in(by_allocation_, pointer.allocation))
      visit(entry.use, false);
    for (const Entry& entry : entries_in(by_address_, pointer.address)) visit(entry.use, true);
  }

  void add_kernels_to(std::set<uint32_t>& kernels) const {
    for (const auto& [kernel, first_launch] : kernels_) kernels.insert(kernel);
  }

  void add(uint32_t kernel, std::span<const Pointer> pointers) {
    kernels_.emplace(kernel, launches_);
    for (const Pointer& pointer : pointers) {
      const Entry entry{{kernel, pointer.parameter, pointer.offset}, launches_};
      insert(by_address_[pointer.address], entry);
      insert(by_allocation_[pointer.allocation], entry);
    }
    ++launches_;
  }

  // The first launches of another chain.
  void add_from(const Chain& other, size_t launches) {
    const auto merge = [&](Memory& into, const Memory& from) {
      for (const auto& [key, entries] : from) {
        for (const Entry& entry : entries) {
          if (entry.first_launch < launches) insert(into[key], {entry.use, launches_});
        }
      }
    };
    merge(by_address_, other.by_address_);
    merge(by_allocation_, other.by_allocation_);
    for (const auto& [kernel, first_launch] : other.kernels_) {
      if (first_launch < launches) kernels_.emplace(kernel, launches_);
    }
    ++launches_;
  }

 private:
  struct Entry {
    Use use;
    size_t first_launch = 0;  // of the chain, that had the memory there
  };
  using Entries = std::vector<Entry>;
  using Memory = std::unordered_map<uint64_t, Entries>;

  static const Entries& entries_in(const Memory& memory, uint64_t key) {
    static const Entries none;
    const auto found = memory.find(key);
    return found == memory.end() ? none : found->second;
  }
  static void insert(Entries& entries, const Entry& entry) {
    const bool known = std::any_of(entries.begin(), entries.end(),
                                   [&](const Entry& one) { return one.use == entry.use; });
    if (!known) entries.push_back(entry);
  }

  std::map<uint32_t, size_t> kernels_;  // and the first launch of each
  Memory by_address_;
  Memory by_allocation_;
  size_t launches_ = 0;  // what comes from another chain counts as one
};

void append_pointers(uint32_t parameter, std::span<const std::byte> value,
                     const AllocationOf& allocation_of, std::vector<Pointer>& pointers) {
  for (size_t offset = 0; offset + sizeof(uint64_t) <= value.size(); offset += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, value.data() + offset, sizeof word);
    const uint64_t allocation = allocation_of(word);
    if (allocation == 0) continue;
    pointers.push_back({parameter, static_cast<uint32_t>(offset), word, allocation});
  }
}

Recording::Recording() = default;
Recording::~Recording() = default;

uint32_t Recording::number_of(const std::string& kernel) {
  const auto [found, is_new] = numbers_.emplace(kernel, static_cast<uint32_t>(kernels_.size()));
  if (is_new) kernels_.emplace_back().name = kernel;
  return found->second;
}

// The chain is the same one where the launch follows its last one, and a copy where it branches off.
Place Recording::extend(std::span<const Place> released_by) const {
  const bool follows = released_by.size() == 1 && released_by[0].chain != nullptr &&
                       released_by[0].launches == released_by[0].chain->launches();
  if (follows) return released_by[0];
  Place result{std::make_shared<Chain>(), 0};
  for (const Place& place : released_by) {
    if (place.chain != nullptr) result.chain->add_from(*place.chain, place.launches);
  }
  return result;
}

Place Recording::add(const Launch& launch, std::span<const Place> released_by) {
  const std::lock_guard lock(mutex_);
  ++launches_;
  const uint32_t number = number_of(launch.kernel);
  Kernel& kernel = kernels_[number];
  ++kernel.launches;
  kernel.programmatic = kernel.programmatic || !released_by.empty();
  kernel.block_threads = std::max(kernel.block_threads, launch.block_threads);
  Place place = extend(released_by);
  place.chain->add_kernels_to(kernel.beside);
  for (const Pointer& pointer : launch.pointers) {
    auto& others = kernel.pointers[{pointer.parameter, pointer.offset}];
    place.chain->visit(pointer, [&](const Use& use, bool same_address) {
      others[use] = others[use] || same_address;
    });
  }
  place.chain->add(number, launch.pointers);
  place.launches = place.chain->launches();
  return place;
}

void Recording::add_launch_completion(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  completions_.emplace(from, to);
}

uint64_t Recording::launches() const {
  const std::lock_guard lock(mutex_);
  return launches_;
}

std::string Recording::json() const {
  using io::Json;
  const std::lock_guard lock(mutex_);
  Json kernels = Json::array();
  for (const Kernel& kernel : kernels_) {
    Json parameters = Json::array();
    for (const auto& [place, others] : kernel.pointers) {
      Json shared = Json::array();
      for (const auto& [use, same_address] : others) {
        shared.push_back({{"kernel", kernels_[use.kernel].name},
                          {"index", use.parameter},
                          {"offset", use.offset},
                          {"same", same_address ? "address" : "allocation"}});
      }
      parameters.push_back(
          {{"index", place.first}, {"offset", place.second}, {"shared", std::move(shared)}});
    }
    Json beside = Json::array();
    for (const uint32_t other : kernel.beside) beside.push_back(kernels_[other].name);
    kernels.push_back({{"name", kernel.name},
                       {"pdl", kernel.programmatic},
                       {"block", kernel.block_threads},
                       {"launches", kernel.launches},
                       {"beside", std::move(beside)},
                       {"parameters", std::move(parameters)}});
  }
  Json edges = Json::array();
  for (const auto& [from, to] : completions_) {
    edges.push_back({{"from", from}, {"to", to}, {"kind", "launch-completion"}});
  }
  const Json all = {{"recorded", Json{{"launches", launches_}}},
                    {"kernels", std::move(kernels)},
                    {"edges", std::move(edges)}};
  return all.text(1) + "\n";
}

}  // namespace slipstream::record
