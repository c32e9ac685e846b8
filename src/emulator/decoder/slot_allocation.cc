// Linear scan over the operations in program order.
//
// A register's live range is taken as one interval that covers every block it is live through. That
// is enough to keep the register files of large kernels in the cache, and it is safe under
// divergence: each lane has a part of the slot to itself, and passes through the program in order.
#include <algorithm>
#include <array>
#include <cstdint>
#include <ranges>
#include <vector>

#include "emulator/decoder/draft.h"
#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kNever = 0xffffffffU;

struct Interval {
  uint32_t first = kNever;
  uint32_t last = 0;

  void cover(uint32_t position) {
    first = std::min(first, position);
    last = std::max(last, position);
  }
};

class BitSet {
 public:
  explicit BitSet(size_t bits) : words_((bits + 63) / 64) {}

  bool test(size_t bit) const { return ((words_[bit / 64] >> (bit % 64)) & 1U) != 0; }
  void set(size_t bit) { words_[bit / 64] |= 1ULL << (bit % 64); }

  // this |= added & ~removed; returns whether anything changed.
  bool merge(const BitSet& added, const BitSet* removed) {
    uint64_t changed = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      const uint64_t value = added.words_[i] & (removed == nullptr ? ~0ULL : ~removed->words_[i]);
      changed |= value & ~words_[i];
      words_[i] |= value;
    }
    return changed != 0;
  }
  template <class Function>
  void for_each(Function function) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        function(i * 64 + static_cast<size_t>(__builtin_ctzll(word)));
      }
    }
  }

 private:
  std::vector<uint64_t> words_;
};

struct Block {
  Block(uint32_t first, uint32_t end, size_t registers)
      : first(first),
        end(end),
        used(registers),
        defined(registers),
        live_in(registers),
        live_out(registers) {}

  uint32_t first;
  uint32_t end;
  std::vector<uint32_t> successors;
  BitSet used;     // read before they are written
  BitSet defined;  // written by every lane that comes here
  BitSet live_in;
  BitSet live_out;
};

class Liveness {
 public:
  explicit Liveness(const SlotRequest& request) : request_(request) {
    find_blocks();
    for (Block& block : blocks_) {
      link(block);
      scan(block);
    }
    propagate();
  }

  std::vector<uint32_t> live_at_entry() const {
    std::vector<uint32_t> result;
    blocks_.front().live_in.for_each([&](size_t r) { result.push_back(static_cast<uint32_t>(r)); });
    return result;
  }

  std::vector<Interval> intervals() const {
    std::vector<Interval> result(request_.classes.size());
    const auto cover = [&](uint32_t virtual_register, uint32_t position) {
      result[virtual_register].cover(position);
    };
    for (const Block& block : blocks_) {
      block.live_in.for_each([&](size_t r) { cover(static_cast<uint32_t>(r), block.first); });
      block.live_out.for_each([&](size_t r) { cover(static_cast<uint32_t>(r), block.end - 1); });
    }
    for (uint32_t i = 0; i < request_.drafts.size(); ++i) {
      const Draft& draft = request_.drafts[i];
      if (draft.guard != kNoRegister) cover(draft.guard, i);
      for (const Reference& reference : draft.references) cover(reference.virtual_register, i);
    }
    return result;
  }

 private:
  void find_blocks() {
    const auto count = static_cast<uint32_t>(request_.drafts.size());
    std::vector<bool> leads(count + 1, false);
    leads[0] = leads[count] = true;
    for (uint32_t i = 0; i < count; ++i) {
      const Draft& draft = request_.drafts[i];
      for (const uint32_t target : draft.targets) leads[request_.first_draft[target]] = true;
      if (!draft.targets.empty() || draft.ends_block) leads[i + 1] = true;
    }
    block_of_.resize(count);
    for (uint32_t first = 0; first < count;) {
      uint32_t end = first + 1;
      while (!leads[end]) ++end;
      std::fill(block_of_.begin() + first, block_of_.begin() + end,
                static_cast<uint32_t>(blocks_.size()));
      blocks_.emplace_back(first, end, request_.classes.size());
      first = end;
    }
  }

  void link(Block& block) {
    const Draft& last = request_.drafts[block.end - 1];
    for (const uint32_t target : last.targets) {
      block.successors.push_back(block_of_[request_.first_draft[target]]);
    }
    const bool goes_on = !last.ends_block || last.guard != kNoRegister;
    if (goes_on && block.end < request_.drafts.size()) {
      block.successors.push_back(block_of_[block.end]);
    }
  }

  void scan(Block& block) {
    const auto use = [&](uint32_t virtual_register) {
      if (!block.defined.test(virtual_register)) block.used.set(virtual_register);
    };
    for (uint32_t i = block.first; i < block.end; ++i) {
      const Draft& draft = request_.drafts[i];
      const bool guarded = draft.guard != kNoRegister;
      if (guarded) use(draft.guard);
      for (const Reference& reference : draft.references) {
        // A guarded write leaves the old value to the lanes that its guard stops.
        if (reference.is_read || guarded) use(reference.virtual_register);
      }
      for (const Reference& reference : draft.references) {
        if (reference.is_written) block.defined.set(reference.virtual_register);
      }
    }
  }

  void propagate() {
    for (Block& block : blocks_) block.live_in.merge(block.used, nullptr);
    for (bool changed = true; changed;) {
      changed = false;
      for (Block& block : std::views::reverse(blocks_)) {
        for (const uint32_t successor : block.successors) {
          block.live_out.merge(blocks_[successor].live_in, nullptr);
        }
        changed |= block.live_in.merge(block.live_out, &block.defined);
      }
    }
  }

  const SlotRequest& request_;
  std::vector<Block> blocks_;
  std::vector<uint32_t> block_of_;  // by operation
};

// Slots of each class that are free now, the one freed last first: it is still in the cache.
class SlotPool {
 public:
  explicit SlotPool(uint32_t base) : end_(base) {}

  uint32_t take(RegisterClass register_class) {
    auto& free = free_[static_cast<size_t>(register_class)];
    if (!free.empty()) {
      const uint32_t slot = free.back();
      free.pop_back();
      return slot;
    }
    return take_new(register_class);
  }
  // A slot that no register has had.
  uint32_t take_new(RegisterClass register_class) {
    const uint32_t bytes = bytes_of(register_class);
    end_ = round_up(end_, bytes);
    const uint32_t slot = end_;
    end_ += bytes;
    return slot;
  }
  void give_back(uint32_t slot, RegisterClass register_class) {
    free_[static_cast<size_t>(register_class)].push_back(slot);
  }
  uint32_t end() const { return end_; }

 private:
  std::array<std::vector<uint32_t>, 5> free_;
  uint32_t end_;
};

// Registers that are read after the operation that names them: nothing else may be in their slots.
std::vector<bool> registers_read_later(const SlotRequest& request) {
  std::vector<bool> result(request.classes.size());
  for (const Draft& draft : request.drafts) {
    for (const Reference& reference : draft.references) {
      if (reference.is_read_later) result[reference.virtual_register] = true;
    }
  }
  return result;
}

uint32_t words_of(RegisterClass register_class) {
  return register_class == RegisterClass::kPredicate ? 0 : (bytes_of(register_class) + 127) / 128;
}

}  // namespace

RegisterClass class_of(ptx::Type type) {
  if (type == ptx::Type::kPred) return RegisterClass::kPredicate;
  switch (ptx::size_of(type)) {
    case 4:
      return RegisterClass::k32;
    case 8:
      return RegisterClass::k64;
    case 16:
      return RegisterClass::k128;
    default:
      return RegisterClass::k16;
  }
}

uint32_t bytes_of(RegisterClass register_class) {
  constexpr std::array<uint32_t, 5> kBytes = {4, 64, 128, 256, 512};
  return kBytes[static_cast<size_t>(register_class)];
}

SlotResult allocate_slots(const SlotRequest& request) {
  const Liveness liveness(request);
  const std::vector<Interval> intervals = liveness.intervals();
  std::vector<uint32_t> order;
  for (uint32_t r = 0; r < intervals.size(); ++r) {
    if (request.offsets[r] == kUnplaced && intervals[r].first != kNever) order.push_back(r);
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return intervals[a].first != intervals[b].first ? intervals[a].first < intervals[b].first
                                                    : a < b;
  });
  std::vector<std::vector<uint32_t>> ending(request.drafts.size() + 1);
  const std::vector<bool> read_later = registers_read_later(request);
  SlotPool pool(request.base);
  SlotResult result;
  result.live_at_entry = liveness.live_at_entry();
  uint32_t live = 0;
  uint32_t position = 0;
  for (const uint32_t r : order) {
    // A slot is free again after the last operation that uses it, never in the same one: handlers
    // may write a destination before they have read every source.
    for (; position < intervals[r].first; ++position) {
      for (const uint32_t ended : ending[position]) {
        if (!read_later[ended]) pool.give_back(request.offsets[ended], request.classes[ended]);
        live -= words_of(request.classes[ended]);
      }
    }
    request.offsets[r] =
        read_later[r] ? pool.take_new(request.classes[r]) : pool.take(request.classes[r]);
    live += words_of(request.classes[r]);
    result.live_registers = std::max(result.live_registers, live);
    ending[intervals[r].last].push_back(r);
  }
  result.end = pool.end();
  return result;
}

}  // namespace slipstream::emulator
