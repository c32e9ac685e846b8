// Finds accesses to global memory that conflict and that nothing orders.
//
// The machine reports accesses through begin(), access() and end(); the order is told to order().
// Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "emulator/race/conflict.h"
#include "emulator/race/order.h"
#include "emulator/race/ordered_prefix.h"
#include "emulator/race/shadow_memory.h"

namespace slipstream::emulator::race {

class Detector {
 public:
  // Watches the addresses [begin, +size). `report` is told of every conflict.
  Detector(uint64_t begin, uint64_t size, std::function<void(const Conflict&)> report);

  Order& order() { return order_; }
  History& history() { return order_.history(); }

  // Whether a load uses a byte of what each of its lanes loads; by default all are used.
  std::function<bool(const Site&, uint32_t byte)> uses_byte;
  // Whether memory holds what the program has written, so that a store of the same value is told
  // from others.
  bool compares_values = true;

  // --- Accesses: begin(), access() for each run of bytes, the access itself, end().

  void begin(ClusterOrder& cluster, uint32_t warp, uint32_t lanes, SiteId site);
  // An access there will follow: what is known of it is brought into the cache.
  void expect(uint64_t address) {
    if (!shadow_.covers(address)) return;
    const Newest newest = shadow_.newest(address);
    if (!is_read() || matters(newest.write)) __builtin_prefetch(shadow_.writes(address), 1);
    if (is_read() || newest.read != 0) __builtin_prefetch(shadow_.reads(address), 1);
  }
  // `bytes` from `address` on, by lanes that count up from `lane`, `lane_bytes` each.
  void access(uint64_t address, uint32_t bytes, uint32_t lane, uint32_t lane_bytes);
  void end() {
    if (!held_back_.empty()) judge_stores();
  }

  // The memory was freed: earlier accesses to it do not matter any more.
  void forget(uint64_t address, uint64_t size) { shadow_.clear(address, size); }
  // Call where the host has waited for the item.
  // Returns whether everything so far is now ordered before whatever comes.
  bool host_waited(Ticket ticket);

 private:
  struct ReadSet {
    Cell rest = 0;        // the set without `newest`
    Cell newest = 0;      // its lane is that of the first cell it was made for
    Cell other_grid = 0;  // what is left of `rest` past all reads by the grid of `newest`
    Ticket ticket = 0;    // of `newest`
    uint32_t count = 1;   // reads by that grid
  };
  // Of the reads of one cell by one grid this many are kept. Work that is ordered after the whole
  // grid is ordered after the others too.
  static constexpr uint32_t kMaxReadsOfAGrid = 8;
  struct Verdict {
    Cell cell = 0;
    SegmentId segment = 0;
  };
  struct Held {
    Conflict conflict;
    std::array<std::byte, kCellBytes> before{};
  };
  struct Current {
    ClusterOrder* cluster = nullptr;
    uint32_t warp = 0;
    uint32_t lanes = 0;
    Site site;
    SegmentId segment = 0;
    AccessId access = 0;
    bool uniform = true;  // all lanes have waited, or none
    Floors floors;        // what is below is ordered before this access
    uint32_t lane_shift = 0;  // log2 of the bytes of a lane
    // The last set that this access changed, and into what.
    Cell set_before = 0;
    Cell set_after = 0;
  };
  // Of a work item, from its start and after its waits.
  struct WorkFloors {
    Floors at_start;
    std::optional<Floors> after_wait;
  };
  static constexpr size_t kVerdicts = 4096;
  static constexpr uint32_t kLeastTrimmed = 1U << 20;
  // What the lane in a cell says of the lane that accessed one of its bytes.
  enum class Lane : uint8_t {
    kExact,
    kFirst,    // lanes narrower than the cell share it: it is the first of them
    kUnknown,  // any of the warp
  };

  [[nodiscard]] Floors next_numbers() const;
  void change_work(const ClusterOrder& cluster);
  Floors floors_for(const ClusterOrder& cluster, bool have_waited);
  void forget_numbers();
  [[nodiscard]] bool is_stale(Cell cell) const;
  [[nodiscard]] bool is_ordered(Cell access, uint32_t lane);
  [[nodiscard]] bool is_of_this_device(Cell access) const;
  bool knows_verdict(Cell cell) const;
  void keep_verdict(Cell cell);

  [[nodiscard]] bool is_read() const { return now_.site.kind == AccessKind::kRead; }
  [[nodiscard]] bool matters(Cell newest) const { return newest >= now_.floors.access; }
  void access_cell(uint64_t address, uint32_t lane, const Newest& newest);
  void access_cells(uint64_t address, uint32_t count, uint32_t lane, uint32_t lane_bytes,
                    const Newest& newest);
  // kCheck: of one cell.
  template <auto kCheck>
  void check_cells(const Cell* cells, uint64_t address, uint32_t count, uint32_t lane,
                   uint32_t lane_shift);
  void access_part(uint64_t address, uint32_t bytes, uint32_t lane, const Newest& newest);
  template <auto kCheck>
  void check_part(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane);
  template <class Change>
  void change_part(Cell& cell, uint64_t address, uint32_t bytes, uint32_t lane, Change change);
  void read_cells(Cell* reads, uint32_t count, uint32_t lane, uint32_t lane_shift);
  void write_cells(Cell* writes, uint32_t count, uint32_t lane, uint32_t lane_shift);
  void clear_reads(Cell* reads, uint32_t count);

  // Each returns whether it found a conflict.
  bool check_write(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane,
                   Lane known = Lane::kFirst);
  bool check_reads(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane,
                   Lane known = Lane::kFirst);
  bool check_one(Cell access, bool is_write, Lane known, uint64_t address, uint32_t bytes,
                 uint32_t lane);
  [[nodiscard]] Cell with_read(Cell cell, Cell mine);
  [[nodiscard]] Cell change_set(Cell cell, Cell mine);
  void add_read(Cell& cell, Cell mine);
  Cell make_set(Cell rest, Cell newest);
  [[nodiscard]] Ticket ticket_of(Cell access) const;
  [[nodiscard]] SegmentId segment_of(Cell access) const;

  void report(Cell earlier, bool is_write, Lane known, uint64_t address, uint32_t bytes,
              uint32_t lane, std::optional<Missing> missing);
  Accessor describe(Cell access, Lane known, uint64_t address) const;
  Missing missing_between(const Accessor& first, const Accessor& second, bool reversed) const;
  void judge_stores();
  void keep_history_small();

  Order order_;
  ShadowMemory shadow_;
  std::function<void(const Conflict&)> report_;
  Log<ReadSet> sets_;
  std::unordered_map<uint64_t, Cell> set_changes_;  // by set and segment; 0: the read alone
  std::array<Verdict, kVerdicts> verdicts_{};
  std::vector<Held> held_back_;
  Current now_;
  // What is below is forgotten.
  Floors forgotten_{cell_of(1, 0), 1};
  OrderedPrefix prefix_;
  std::unordered_map<Ticket, WorkFloors> work_floors_;
  WorkFloors* floors_ = nullptr;  // of the work that accesses now
  Ticket ticket_ = 0;             // of that work
  uint32_t trim_above_ = kLeastTrimmed;  // accesses
};

}  // namespace slipstream::emulator::race
