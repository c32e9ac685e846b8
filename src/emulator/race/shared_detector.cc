#include "emulator/race/shared_detector.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace slipstream::emulator::race {
namespace {

constexpr uint32_t kMaxTime = (1U << kTimeBits) - 1;
constexpr uint32_t kMaxPlace = (1U << kPlaceBits) - 1;

bool are_alike(const SharedShadow::Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](const SharedWord& one) { return one == bytes[0]; });
}

}  // namespace

SharedDetector::SharedDetector(const History& history, SiteId first_site,
                               std::vector<const std::byte*> memory, uint32_t bytes, Report report)
    : history_(history),
      first_site_(first_site),
      memory_(std::move(memory)),
      report_(std::move(report)) {
  for (size_t i = 0; i < memory_.size(); ++i) shadows_.emplace_back(bytes);
}

void SharedDetector::start(ClusterOrder& order, uint64_t index) {
  order_ = &order;
  index_ = index;
  for (SharedShadow& shadow : shadows_) shadow.clear();
}

// --- Accesses.

void SharedDetector::begin(const SharedAccess& access) {
  now_ = access;
  const uint32_t time = order_->act(access.actor);
  const uint32_t place = access.site - first_site_;
  // More than the marks have bits for: such an access is not looked at.
  is_void_ = time > kMaxTime || place > kMaxPlace || access.actor >= kSplitActor;
  mark_ = mark_of(access.actor, time, place) |
          (access.kind == AccessKind::kAtomic ? kAtomicMark : 0) |
          (access.strong ? kStrongMark : 0);
}

inline void SharedDetector::visit(SharedWord& word, Mark mine, Ordered& ordered,
                                  const Place& place) {
  check(word.write, ordered.write, true, mine, place);
  if (now_.kind == AccessKind::kRead) {
    note_read(word, mine, ordered);
    return;
  }
  for (const Mark read : word.reads) check(read, ordered.read, false, mine, place);
  word = {mine, {}};
}

void SharedDetector::access(uint32_t cta, uint32_t offset, uint32_t bytes, uint32_t lane,
                            uint32_t lane_bytes) {
  if (is_void_ || bytes == 0) return;
  constexpr uint32_t kWord = SharedShadow::kWordBytes;
  SharedShadow& shadow = shadows_[cta];
  SharedWord* word = shadow.words(offset, bytes);
  const auto lane_shift = static_cast<uint32_t>(std::countr_zero(lane_bytes));
  const Mark first = mark_ | Mark{lane} << kMarkLaneShift;
  Ordered ordered;
  for (uint32_t done = 0; done < bytes; ++word) {
    const uint32_t at = offset + done;
    const Mark mine = first + (Mark{done >> lane_shift} << kMarkLaneShift);
    const uint32_t size = std::min(kWord - at % kWord, bytes - done);
    if (size == kWord && !SharedShadow::is_split(*word)) {
      visit(*word, mine, ordered, {cta, at, size});
    } else {
      visit_bytes(shadow, *word, mine, {cta, at, size});
    }
    done += size;
  }
}

void SharedDetector::visit_bytes(SharedShadow& shadow, SharedWord& word, Mark mine,
                                 const Place& place) {
  SharedShadow::Bytes& bytes = shadow.split(word);
  Ordered ordered;
  for (uint32_t i = 0; i < place.bytes; ++i) {
    const uint32_t at = place.offset + i;
    visit(bytes[at % SharedShadow::kWordBytes], mine, ordered, {place.cta, at, 1});
  }
  if (are_alike(bytes)) shadow.join(word);
}

// --- Reports.

Accessor SharedDetector::describe(Mark mark, AccessKind kind) const {
  const uint32_t warp = order_->warp_of(actor_of(mark));
  Accessor accessor;
  accessor.site = history_.site(first_site_ + place_of(mark));
  accessor.site.kind = kind;
  accessor.ticket = order_->ticket();
  accessor.device = order_->work().device;
  accessor.cluster = index_;
  accessor.cta = warp / order_->warps_per_cta();
  accessor.warp = warp % order_->warps_per_cta();
  accessor.lane = mark_lane(mark);
  accessor.waited = (order_->waited_lanes(warp) >> accessor.lane & 1U) != 0;
  return accessor;
}

Missing SharedDetector::missing_after(Mark earlier, const Accessor& first,
                                      const Accessor& second) const {
  const Actor actor = actor_of(earlier);
  // If the warp that started it has waited for it, others only lack a barrier after that.
  if (order_->is_background(actor) &&
      !order_->knows(order_->warp_of(actor), actor, time_of(earlier))) {
    switch (order_->kind_of(actor)) {
      case Background::kLaneCopies:
        return Missing::kCopyWait;
      case Background::kBulkStores:
        return Missing::kStoreWait;
      case Background::kProducts:
        return Missing::kProductWait;
      case Background::kCounted:
        return Missing::kPhaseWait;
    }
  }
  return first.cta != second.cta ? Missing::kClusterSync : Missing::kCtaSync;
}

void SharedDetector::report(Mark earlier, bool is_write, Mark mine, const Place& place) {
  const bool was_atomic = (earlier & kAtomicMark) != 0;
  Conflict conflict;
  conflict.first = describe(earlier, !is_write    ? AccessKind::kRead
                                     : was_atomic ? AccessKind::kAtomic
                                                  : AccessKind::kWrite);
  conflict.second = describe(mine, now_.kind);
  conflict.kind = !is_write                        ? ConflictKind::kWriteAfterRead
                  : now_.kind == AccessKind::kRead ? ConflictKind::kReadAfterWrite
                                                   : ConflictKind::kWriteAfterWrite;
  conflict.missing = missing_after(earlier, conflict.first, conflict.second);
  conflict.address = place.offset;
  conflict.bytes = place.bytes;
  conflict.shared_of = place.cta;
  if (was_atomic != (now_.kind == AccessKind::kAtomic)) conflict.special = ConflictClass::kAtomic;
  if (now_.kind != AccessKind::kWrite || order_->is_background(now_.actor)) {
    report_(conflict);
    return;
  }
  Held held{conflict, {}};
  std::memcpy(held.before.data(), memory_[place.cta] + place.offset, place.bytes);
  held_back_.push_back(held);
}

// Called when the store is done and it can be seen whether it changed anything.
void SharedDetector::judge_stores() {
  for (Held& held : held_back_) {
    Conflict& conflict = held.conflict;
    const std::byte* const now = memory_[*conflict.shared_of] + conflict.address;
    if (std::memcmp(now, held.before.data(), conflict.bytes) == 0) {
      conflict.special = ConflictClass::kSameValue;
    }
    report_(conflict);
  }
  held_back_.clear();
}

}  // namespace slipstream::emulator::race
