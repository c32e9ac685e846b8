#include "emulator/race/knowledge.h"

#include <algorithm>
#include <utility>

namespace slipstream::emulator::race {

std::vector<Knowledge::Part>::const_iterator Knowledge::find(ClusterId cluster) const {
  return std::partition_point(parts_.begin(), parts_.end(),
                              [&](const Part& part) { return part.cluster < cluster; });
}

void Knowledge::add(ClusterId cluster, std::span<const uint32_t> times) {
  const auto place = parts_.begin() + (find(cluster) - parts_.cbegin());
  if (place == parts_.end() || place->cluster != cluster) {
    const auto first = place == parts_.end() ? static_cast<uint32_t>(times_.size()) : place->first;
    const auto warps = static_cast<uint32_t>(times.size());
    times_.insert(times_.begin() + first, times.begin(), times.end());
    for (auto later = place; later != parts_.end(); ++later) later->first += warps;
    parts_.insert(place, {cluster, first, warps});
    return;
  }
  uint32_t* const known = times_.data() + place->first;
  for (size_t i = 0; i < times.size(); ++i) known[i] = std::max(known[i], times[i]);
}

void Knowledge::merge(const Knowledge& other) {
  tickets_.merge(other.tickets_);
  if (parts_ == other.parts_) {
    const size_t count = times_.size();
    for (size_t i = 0; i < count; ++i) times_[i] = std::max(times_[i], other.times_[i]);
    return;
  }
  for (const Part& part : other.parts_) {
    add(part.cluster, std::span(other.times_).subspan(part.first, part.warps));
  }
}

bool Knowledge::includes(const Knowledge& other) const {
  if (!tickets_.includes(other.tickets_)) return false;
  const auto is_later = [](const uint32_t* known, const uint32_t* asked, size_t count) {
    uint32_t missing = 0;
    for (size_t i = 0; i < count; ++i) missing |= known[i] < asked[i] ? 1 : 0;
    return missing == 0;
  };
  if (parts_ == other.parts_) return is_later(times_.data(), other.times_.data(), times_.size());
  return std::ranges::all_of(other.parts_, [&](const Part& part) {
    const auto own = find(part.cluster);
    return own != parts_.end() && own->cluster == part.cluster &&
           is_later(times_.data() + own->first, other.times_.data() + part.first, part.warps);
  });
}

bool Knowledge::knows(ClusterId cluster, uint32_t warp, uint32_t time) const {
  const auto part = find(cluster);
  return part != parts_.end() && part->cluster == cluster && times_[part->first + warp] >= time;
}

}  // namespace slipstream::emulator::race
