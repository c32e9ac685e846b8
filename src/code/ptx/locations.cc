#include "code/ptx/locations.h"

#include <fmt/format.h>

namespace slipstream::ptx {

LocationTable::LocationTable() : locations_(1), inlinings_(1) {}

void LocationTable::parse_file(Cursor& cursor, std::unordered_map<uint32_t, std::string>& files) {
  const uint32_t number = cursor.unsigned_integer("a .file number");
  files[number] = std::string(cursor.quoted_string());
  while (cursor.accept(',')) {  // time stamp and size
    cursor.number();
  }
}

LocationTable::Place LocationTable::parse_place(Cursor& cursor) {
  Place place;
  place.file = cursor.unsigned_integer("a file number");
  place.line = cursor.unsigned_integer("a line number");
  place.column = cursor.unsigned_integer("a column number");
  return place;
}

LocationTable::Inlining LocationTable::parse_inlining(Cursor& cursor) {
  Inlining inlining;
  while (cursor.accept(',')) {
    const std::string_view attribute = cursor.expect_word("function_name or inlined_at");
    if (attribute == "function_name") {
      inlining.name_label = cursor.expect_word("a label in .debug_str");
      if (cursor.accept('+')) inlining.name_offset = cursor.unsigned_integer("an offset");
    } else if (attribute == "inlined_at") {
      inlining.call_site = parse_place(cursor);
    } else {
      cursor.fail(
          fmt::format("a .loc attribute must be function_name or inlined_at, not {}", attribute));
    }
  }
  return inlining;
}

uint32_t LocationTable::parse_location(Cursor& cursor) {
  const Place place = parse_place(cursor);
  const Inlining inlining = parse_inlining(cursor);
  uint32_t inlined_at = 0;
  if (inlining.call_site != Place{}) {
    const auto [found, added] = latest_.try_emplace(inlining.call_site, 0);
    if (added) found->second = find_or_add(inlining.call_site, {}, 0);
    inlined_at = found->second;
  }
  const uint32_t index = find_or_add(place, inlining, inlined_at);
  latest_[place] = index;
  return index;
}

uint32_t LocationTable::find_or_add(const Place& place, const Inlining& inlining,
                                    uint32_t inlined_at) {
  const Location location{place.file, place.line, place.column, inlined_at, {}};
  const auto known = latest_.find(place);
  if (known != latest_.end() && locations_[known->second] == location &&
      inlinings_[known->second].name_label == inlining.name_label) {
    return known->second;
  }
  locations_.push_back(location);
  inlinings_.push_back(inlining);
  return static_cast<uint32_t>(locations_.size() - 1);
}

void LocationTable::parse_section(Cursor& cursor) {
  cursor.expect('.', "a section's name");
  const std::string_view name = cursor.expect_word("a section's name");
  cursor.expect('{', "a section");
  if (name == "debug_str") {
    parse_strings(cursor);
  } else {
    cursor.skip_past('}', "a section");
  }
}

// Labels and lists of bytes: "$L__info_string0:" ".b8 95,90,0".
void LocationTable::parse_strings(Cursor& cursor) {
  while (!cursor.accept('}')) {
    if (cursor.peek() != '.') {
      string_labels_[cursor.expect_word("a label")] = string_bytes_.size();
      cursor.expect(':', "a label");
      continue;
    }
    const std::string_view type = cursor.directive();
    if (type != "b8") {
      cursor.fail(fmt::format("data in .debug_str must be .b8, not .{}", type));
    }
    do {
      string_bytes_.push_back(static_cast<char>(cursor.unsigned_integer("a byte")));
    } while (cursor.accept(','));
  }
}

std::string_view LocationTable::string_at(std::string_view label, uint32_t offset) const {
  const auto found = string_labels_.find(label);
  if (found == string_labels_.end() || found->second + offset >= string_bytes_.size()) return {};
  return string_bytes_.c_str() + found->second + offset;
}

std::vector<Location> LocationTable::finish(std::deque<std::string>& strings) {
  std::unordered_map<std::string_view, std::string_view> kept;
  for (size_t i = 0; i < locations_.size(); ++i) {
    const std::string_view name = string_at(inlinings_[i].name_label, inlinings_[i].name_offset);
    if (name.empty()) continue;
    auto [entry, added] = kept.try_emplace(name);
    if (added) entry->second = strings.emplace_back(name);
    locations_[i].function_name = entry->second;
  }
  return std::move(locations_);
}

}  // namespace slipstream::ptx
