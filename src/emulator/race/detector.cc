#include "emulator/race/detector.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace slipstream::emulator::race {
namespace {

constexpr AccessId kMaxAccesses = (1U << kAccessBits) - 1;
constexpr uint32_t kMaxSets = kIndexMask;

Cell largest(const Cell* cells, uint32_t count) {
  Cell result = 0;
  for (uint32_t i = 0; i < count; ++i) result = std::max(result, cells[i]);
  return result;
}

// Whether every cell is stale or holds that access.
bool are_stale_or(const Cell* cells, uint32_t count, Cell floor, AccessId access) {
  uint32_t others = 0;
  for (uint32_t i = 0; i < count; ++i) {
    others |= static_cast<uint32_t>(cells[i] >= floor) &
              static_cast<uint32_t>(access_of(cells[i]) != access);
  }
  return others == 0;
}

// How many cells from the first on hold the same access, by whichever lane, or the same set.
uint32_t length_of_run(const Cell* cells, uint32_t count) {
  const uint32_t shift = is_set(cells[0]) ? 0 : kLaneBits;
  const Cell first = cells[0] >> shift;
  uint32_t difference = 0;  // of all at once: mostly none
  for (uint32_t i = 0; i < count; ++i) difference |= (cells[i] >> shift) ^ first;
  if (difference == 0) return count;
  uint32_t length = 1;
  while (length < count && cells[length] >> shift == first) ++length;
  return length;
}

bool are_equal(const ShadowMemory::Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [&](Cell cell) { return cell == bytes[0]; });
}

}  // namespace

Detector::Detector(uint64_t begin, uint64_t size, std::function<void(const Conflict&)> report)
    : shadow_(begin, size), report_(std::move(report)) {}

// --- Accesses.

void Detector::begin(ClusterOrder& cluster, uint32_t warp, uint32_t lanes, SiteId site) {
  now_.cluster = &cluster;
  if (cluster.ticket() != ticket_) change_work(cluster);
  keep_history_small();
  now_.warp = warp;
  now_.lanes = lanes;
  now_.site = history().site(site);
  now_.segment = cluster.segment(warp);
  now_.access = history().access(site, now_.segment);
  const uint32_t waited = lanes & cluster.waited_lanes(warp);
  now_.uniform = waited == 0 || waited == lanes;
  // What an asynchronous access needs a proxy fence for lies after the start.
  now_.floors = floors_for(cluster, waited == lanes && !now_.site.async_proxy);
  now_.set_before = 0;
  now_.lane_shift = static_cast<uint32_t>(std::countr_zero(now_.site.lane_bytes));
}

Floors Detector::next_numbers() const { return {cell_of(order_.history().end(), 0), sets_.end()}; }

void Detector::change_work(const ClusterOrder& cluster) {
  ticket_ = cluster.ticket();
  const auto [entry, is_new] = work_floors_.try_emplace(ticket_);
  floors_ = &entry->second;
  if (is_new) floors_->at_start = prefix_.known_to(cluster.work().at_start, next_numbers());
  prefix_.begin(ticket_, next_numbers());
}

Floors Detector::floors_for(const ClusterOrder& cluster, bool have_waited) {
  if (have_waited && !floors_->after_wait) {
    floors_->after_wait = prefix_.known_to(cluster.work().after_wait, next_numbers());
  }
  const Floors& known = have_waited ? *floors_->after_wait : floors_->at_start;
  return {std::max(known.access, forgotten_.access), std::max(known.set, forgotten_.set)};
}

void Detector::access(uint64_t address, uint32_t bytes, uint32_t lane, uint32_t lane_bytes) {
  if (!shadow_.covers(address)) return;
  const Newest newest = shadow_.replace_newest(
      address, bytes, is_read() ? &Newest::read : &Newest::write, cell_of(now_.access, 0));
  const auto advance = [&](uint32_t by) {
    address += by;
    bytes -= by;
    lane += by / lane_bytes;
  };
  if (const uint32_t head = std::min<uint32_t>(bytes, -address % kCellBytes); head != 0) {
    access_part(address, head, lane, newest);
    advance(head);
  }
  if (const uint32_t count = bytes / kCellBytes; count != 0) {
    access_cells(address, count, lane, lane_bytes, newest);
    advance(count * kCellBytes);
  }
  if (bytes != 0) access_part(address, bytes, lane, newest);
}

// Checks each cell. Of cells with the same content only the first is checked, if it is ordered.
template <auto kCheck>
void Detector::check_cells(const Cell* cells, uint64_t address, uint32_t count, uint32_t lane,
                           uint32_t lane_shift) {
  if (largest(cells, count) < now_.floors.access) return;
  for (uint32_t i = 0; i < count;) {
    const bool found = (this->*kCheck)(cells[i], address + uint64_t{i} * kCellBytes, kCellBytes,
                                       lane + (i * kCellBytes >> lane_shift), Lane::kFirst);
    const bool speaks_for_all = !found && now_.uniform && !is_split(cells[i]);
    i += speaks_for_all ? length_of_run(cells + i, count - i) : 1;
  }
}

void Detector::access_cells(uint64_t address, uint32_t count, uint32_t lane, uint32_t lane_bytes,
                            const Newest& newest) {
  if (count == 1) return access_cell(address, lane, newest);
  // Cell i belongs to lane + (4 * i) / lane_bytes; sizes of lanes are powers of two here.
  const auto lane_shift = static_cast<uint32_t>(std::countr_zero(lane_bytes));
  if (matters(newest.write)) {
    check_cells<&Detector::check_write>(shadow_.writes(address), address, count, lane, lane_shift);
  }
  if (is_read()) return read_cells(shadow_.reads(address), count, lane, lane_shift);
  if (newest.read != 0) {
    check_cells<&Detector::check_reads>(shadow_.reads(address), address, count, lane, lane_shift);
    clear_reads(shadow_.reads(address), count);
  }
  write_cells(shadow_.writes(address), count, lane, lane_shift);
}

// What access_cells does with one: lanes whose bytes lie apart.
void Detector::access_cell(uint64_t address, uint32_t lane, const Newest& newest) {
  if (matters(newest.write)) {
    const Cell write = *shadow_.writes(address);
    if (write >= now_.floors.access) check_write(write, address, kCellBytes, lane, Lane::kFirst);
  }
  if (is_read()) return read_cells(shadow_.reads(address), 1, lane, 0);
  if (newest.read != 0) {
    Cell& read = *shadow_.reads(address);
    if (read >= now_.floors.access) check_reads(read, address, kCellBytes, lane, Lane::kFirst);
    if (read != 0) shadow_.join(read, 0);
  }
  shadow_.join(*shadow_.writes(address), cell_of(now_.access, lane));
}

void Detector::read_cells(Cell* reads, uint32_t count, uint32_t lane, uint32_t lane_shift) {
  const Cell mine = cell_of(now_.access, lane);
  const auto mine_at = [&](uint32_t i) { return mine + (i * kCellBytes >> lane_shift); };
  if (are_stale_or(reads, count, now_.floors.access, now_.access)) {
    for (uint32_t i = 0; i < count; ++i) reads[i] = mine_at(i);
    return;
  }
  // All cells that hold the same access or set change in the same way.
  for (uint32_t i = 0; i < count;) {
    if (is_split(reads[i])) {
      add_read(reads[i], mine_at(i));
      ++i;
      continue;
    }
    const uint32_t end = i + length_of_run(reads + i, count - i);
    const Cell change = with_read(reads[i], mine_at(i));
    if (change == mine_at(i)) {
      for (uint32_t k = i; k < end; ++k) reads[k] = mine_at(k);
    } else if (change != reads[i]) {
      std::fill(reads + i, reads + end, change);
    }
    i = end;
  }
}

void Detector::write_cells(Cell* writes, uint32_t count, uint32_t lane, uint32_t lane_shift) {
  const Cell mine = cell_of(now_.access, lane);
  if (largest(writes, count) >= kSplitTag) {
    for (uint32_t i = 0; i < count; ++i) shadow_.join(writes[i], 0);
  }
  for (uint32_t i = 0; i < count; ++i) writes[i] = mine + (i * kCellBytes >> lane_shift);
}

void Detector::clear_reads(Cell* reads, uint32_t count) {
  const Cell newest = largest(reads, count);
  if (newest == 0) return;
  if (newest >= kSplitTag) {
    for (uint32_t i = 0; i < count; ++i) shadow_.join(reads[i], 0);
  }
  std::fill_n(reads, count, 0);
}

// Some of the four bytes of one cell.
void Detector::access_part(uint64_t address, uint32_t bytes, uint32_t lane, const Newest& newest) {
  if (matters(newest.write)) {
    check_part<&Detector::check_write>(*shadow_.writes(address), address, bytes, lane);
  }
  if (is_read()) {
    change_part(*shadow_.reads(address), address, bytes, lane,
                [&](Cell cell, Cell mine) { return with_read(cell, mine); });
    return;
  }
  if (newest.read != 0) {
    Cell& read = *shadow_.reads(address);
    check_part<&Detector::check_reads>(read, address, bytes, lane);
    change_part(read, address, bytes, lane, [](Cell, Cell) { return Cell{0}; });
  }
  change_part(*shadow_.writes(address), address, bytes, lane, [](Cell, Cell mine) { return mine; });
}

template <auto kCheck>
void Detector::check_part(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane) {
  if (cell < now_.floors.access) return;
  if (!is_split(cell)) {
    (this->*kCheck)(cell, address, bytes, lane, Lane::kFirst);
    return;
  }
  const ShadowMemory::Bytes parts = shadow_.bytes_of(cell);
  for (uint32_t i = 0; i < bytes; ++i) {
    const Cell part = parts[address % kCellBytes + i];
    if (part < now_.floors.access) continue;
    (this->*kCheck)(part, address + i, 1, lane + (i >> now_.lane_shift), Lane::kExact);
  }
}

// change(what the cell of a byte holds, this access): what it holds from now on.
template <class Change>
void Detector::change_part(Cell& cell, uint64_t address, uint32_t bytes, uint32_t lane,
                           Change change) {
  const Cell mine = cell_of(now_.access, lane);
  if (!is_split(cell) && change(cell, mine) == cell) return;  // keeps it whole
  ShadowMemory::Bytes& parts = shadow_.split(cell);
  for (uint32_t i = 0; i < bytes; ++i) {
    Cell& part = parts[address % kCellBytes + i];
    part = change(part, mine + (i >> now_.lane_shift));
  }
  if (are_equal(parts)) shadow_.join(cell, parts[0]);
}

// --- Checks.

bool Detector::is_stale(Cell cell) const {
  return is_set(cell) ? (cell & kIndexMask) < now_.floors.set : cell < now_.floors.access;
}

// Verdicts "ordered" stay true while a warp learns more, so only those are kept.
bool Detector::knows_verdict(Cell cell) const {
  const Verdict& kept = verdicts_[(cell ^ now_.segment * 97U) % kVerdicts];
  return kept.cell == cell && kept.segment == now_.segment && now_.uniform;
}
void Detector::keep_verdict(Cell cell) {
  if (now_.uniform) verdicts_[(cell ^ now_.segment * 97U) % kVerdicts] = {cell, now_.segment};
}

bool Detector::is_ordered(Cell access, uint32_t lane) {
  const AccessId id = access_of(access);
  if (access < now_.floors.access || id == now_.access || knows_verdict(id)) return true;
  const Segment& earlier = history().segment(history()[id].segment);
  if (!now_.cluster->is_behind(now_.warp, lane, earlier)) return false;
  keep_verdict(id);
  return true;
}

bool Detector::is_of_this_device(Cell access) const {
  const History& history = order_.history();
  const Segment& segment = history.segment(history[access_of(access)].segment);
  return history.cluster(segment.cluster).device == now_.cluster->work().device;
}

// Whether the current access conflicts with an earlier one, which it then reports.
bool Detector::check_one(Cell access, bool is_write, Lane known, uint64_t address, uint32_t bytes,
                         uint32_t lane) {
  if (access < now_.floors.access) return false;
  const Site& site = history().site(history()[access_of(access)].site);
  if (site.strong && now_.site.strong &&
      (is_of_this_device(access) || (site.system && now_.site.system))) {
    return false;
  }
  if (!is_ordered(access, lane)) {
    report(access, is_write, known, address, bytes, lane, std::nullopt);
    return true;
  }
  if (is_write && now_.site.async_proxy && !site.async_proxy && site.program != nullptr) {
    const Segment& earlier = history().segment(history()[access_of(access)].segment);
    if (order_.needs_proxy_fence(*now_.cluster, now_.warp, earlier)) {
      report(access, is_write, known, address, bytes, lane, Missing::kProxyFence);
      return true;
    }
  }
  return false;
}

bool Detector::check_write(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane, Lane known) {
  if (!is_split(cell)) return check_one(cell, true, known, address, bytes, lane);
  const ShadowMemory::Bytes parts = shadow_.bytes_of(cell);
  bool found = false;
  for (uint32_t i = 0; i < bytes; ++i) {
    found |= check_one(parts[i], true, Lane::kExact, address + i, 1, lane);
  }
  return found;
}

bool Detector::check_reads(Cell cell, uint64_t address, uint32_t bytes, uint32_t lane, Lane known) {
  if (is_split(cell)) {
    const ShadowMemory::Bytes parts = shadow_.bytes_of(cell);
    bool found = false;
    for (uint32_t i = 0; i < bytes; ++i) {
      found |= check_reads(parts[i], address + i, 1, lane, Lane::kExact);
    }
    return found;
  }
  if (!is_set(cell)) return check_one(cell, false, known, address, bytes, lane);
  if (knows_verdict(cell)) return false;
  for (Cell rest = cell; !is_stale(rest);) {
    if (!is_set(rest)) {
      if (check_one(rest, false, Lane::kUnknown, address, bytes, lane)) return true;
      break;
    }
    const ReadSet& set = sets_[rest & kIndexMask];
    const bool grid_is_earlier = set.ticket != now_.cluster->ticket() &&
                                 now_.cluster->know_complete(now_.warp, 1U << lane, set.ticket);
    if (!grid_is_earlier && check_one(set.newest, false, Lane::kUnknown, address, bytes, lane)) {
      return true;
    }
    rest = grid_is_earlier ? set.other_grid : set.rest;
  }
  keep_verdict(cell);
  return false;
}

// --- Sets of reads.

Ticket Detector::ticket_of(Cell access) const {
  if (access < now_.floors.access) return 0;
  const History& history = order_.history();
  return history.cluster(history.segment(history[access_of(access)].segment).cluster).ticket;
}

SegmentId Detector::segment_of(Cell access) const {
  return access < now_.floors.access ? 0 : order_.history()[access_of(access)].segment;
}

Cell Detector::make_set(Cell rest, Cell newest) {
  ReadSet set{rest, newest, rest, ticket_of(newest), 1};
  if (is_set(rest)) {
    const ReadSet& before = sets_[rest & kIndexMask];
    if (before.ticket == set.ticket) {
      set.other_grid = before.other_grid;
      set.count = before.count + 1;
    }
  } else if (ticket_of(rest) == set.ticket) {
    set.other_grid = 0;
    set.count = 2;
  }
  return kSetTag | sets_.add(set);
}

// The new value of a cell that the current access reads. Reads that it is ordered after need not be
// remembered, nor does a second one of the same segment.
Cell Detector::with_read(Cell cell, Cell mine) {
  if (is_stale(cell)) return mine;
  if (!is_set(cell)) {
    if (segment_of(cell) == now_.segment) return cell;
    if (is_ordered(cell, lane_of(mine))) return mine;
  }
  if (cell != now_.set_before) {
    now_.set_before = cell;
    now_.set_after = change_set(cell, mine);
  }
  return now_.set_after == 0 ? mine : now_.set_after;
}

// The set with the current read added; 0 if only that read would be left in it.
Cell Detector::change_set(Cell cell, Cell mine) {
  if (is_set(cell)) {
    const ReadSet& set = sets_[cell & kIndexMask];
    if (segment_of(set.newest) == now_.segment) return cell;
    const bool is_full = set.count >= kMaxReadsOfAGrid && set.ticket == now_.cluster->ticket();
    if (is_full && !is_ordered(set.newest, lane_of(mine))) return cell;
  }
  const auto [change, is_new] =
      set_changes_.try_emplace(uint64_t{cell} << 32U | now_.segment, Cell{0});
  if (!is_new) return change->second;
  Cell rest = cell;
  while (is_set(rest) && !is_stale(rest)) {
    const ReadSet& set = sets_[rest & kIndexMask];
    if (!is_ordered(set.newest, lane_of(mine))) break;
    rest = set.rest;
  }
  const bool alone = is_stale(rest) || (!is_set(rest) && is_ordered(rest, lane_of(mine)));
  change->second = alone ? 0 : make_set(rest, mine);
  return change->second;
}

void Detector::add_read(Cell& cell, Cell mine) {
  if (!is_split(cell)) {
    cell = with_read(cell, mine);
    return;
  }
  ShadowMemory::Bytes& parts = shadow_.bytes_of(cell);
  for (Cell& part : parts) part = with_read(part, mine);
  if (are_equal(parts)) shadow_.join(cell, parts[0]);
}

// --- Forgetting.

bool Detector::host_waited(Ticket ticket) {
  if (!order_.host_waited(ticket)) return false;
  sets_.forget_all();
  forget_numbers();
  return true;
}

// None that is remembered anywhere else means anything now.
void Detector::forget_numbers() {
  set_changes_.clear();
  verdicts_.fill({});
  prefix_.clear();
  work_floors_.clear();
  ticket_ = 0;
  forgotten_ = {cell_of(history().floor(), 0), sets_.begin()};
}

// Without points where the host waits for everything, the history would grow without end. What the
// current work knows to be complete from its start is of interest only to work of other streams
// that is submitted later. If that is not enough, the numbers start again, and what came before is
// not compared with what follows.
void Detector::keep_history_small() {
  if (history().size() >= trim_above_) {
    history().forget_known(now_.cluster->work().at_start, access_of(floors_->at_start.access));
    forgotten_.access = cell_of(history().floor(), 0);
    trim_above_ = std::max(kLeastTrimmed, 2 * history().size());
  }
  if (history().end() < kMaxAccesses && sets_.end() < kMaxSets) return;
  shadow_.clear();
  sets_.restart();
  history().restart_accesses();
  forget_numbers();
  change_work(*now_.cluster);
}

}  // namespace slipstream::emulator::race
