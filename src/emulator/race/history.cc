#include "emulator/race/history.h"

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
  floor_ = accesses_.end();
  cache_.fill({});
}

void History::restart_accesses() {
  accesses_.restart();
  floor_ = 1;
  cache_.fill({});
}

}  // namespace slipstream::emulator::race
