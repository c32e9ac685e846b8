#include "emulator/race/history.h"

#include <algorithm>

namespace slipstream::emulator::race {

SiteId History::add_sites(const void* program, uint32_t count) {
  const auto first = static_cast<SiteId>(sites_.size());
  for (uint32_t pc = 0; pc < count; ++pc) {
    Site site;
    site.program = program;
    site.pc = pc;
    sites_.push_back(site);
  }
  return first;
}

AccessId History::access(SiteId site, SegmentId segment) {
  Cached& cached = cache_[(site ^ segment * 61U) % kCacheSize];
  if (cached.site != site || cached.segment != segment) {
    cached = {site, segment, accesses_.add({segment, site})};
  }
  return cached.access;
}

void History::forget_accesses() {
  accesses_.forget_all();
  segments_.forget_all();
  clusters_.forget_all();
  cache_.fill({});
}

void History::forget_known(const TicketSet& known, AccessId first_unknown) {
  AccessId floor = std::max(first_unknown, accesses_.begin());
  while (floor < accesses_.end() && known.contains(ticket_of(accesses_[floor]))) ++floor;
  accesses_.forget_below(floor);
  // The accesses that stay may belong to older segments and clusters, and clusters that run may
  // have neither yet.
  SegmentId first_segment = segments_.end();
  for (AccessId id = floor; id < accesses_.end(); ++id) {
    first_segment = std::min(first_segment, accesses_[id].segment);
  }
  auto is_known = [&, last = ClusterId{0}](ClusterId cluster) mutable {
    const bool is = cluster == last || known.contains(clusters_[cluster].ticket);
    if (is) last = cluster;
    return is;
  };
  SegmentId segment = segments_.begin();
  while (segment < first_segment && is_known(segments_[segment].cluster)) ++segment;
  segments_.forget_below(segment);
  ClusterId first_cluster = clusters_.end();
  for (SegmentId id = segment; id < segments_.end(); ++id) {
    first_cluster = std::min(first_cluster, segments_[id].cluster);
  }
  ClusterId cluster = clusters_.begin();
  while (cluster < first_cluster && is_known(cluster)) ++cluster;
  clusters_.forget_below(cluster);
}

void History::restart_accesses() {
  accesses_.restart();
  cache_.fill({});
}

}  // namespace slipstream::emulator::race
