// Source locations of a module: .file, .loc and the names in .debug_str that .loc refers to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "code/ptx/cursor.h"
#include "code/ptx/module.h"

namespace slipstream::ptx {

// Collects locations while a module is parsed. The strings come last in the text, so names are
// filled in by finish().
class LocationTable {
 public:
  LocationTable();

  // Each is called after the word of its directive.
  void parse_file(Cursor& cursor, std::unordered_map<uint32_t, std::string>& files);
  uint32_t parse_location(Cursor& cursor);  // the index of the location in what finish() returns
  void parse_section(Cursor& cursor);

  // The table, with function names that point into `strings`.
  std::vector<Location> finish(std::deque<std::string>& strings);

 private:
  // The place alone: what `inlined_at` refers to. The last .loc with that place tells how the place
  // itself was inlined.
  struct Place {
    uint32_t file = 0;
    uint32_t line = 0;
    uint32_t column = 0;
    bool operator==(const Place&) const = default;
  };
  struct PlaceHash {
    size_t operator()(const Place& place) const {
      uint64_t mixed = (uint64_t{place.file} << 40) ^ (uint64_t{place.line} << 12) ^ place.column;
      mixed *= 0x9e3779b97f4a7c15U;
      return mixed ^ (mixed >> 29);
    }
  };
  struct Inlining {
    std::string_view name_label;
    uint32_t name_offset = 0;
    Place call_site;
  };

  static Place parse_place(Cursor& cursor);
  static Inlining parse_inlining(Cursor& cursor);
  uint32_t find_or_add(const Place& place, const Inlining& inlining, uint32_t inlined_at);
  void parse_strings(Cursor& cursor);
  std::string_view string_at(std::string_view label, uint32_t offset) const;

  std::vector<Location> locations_;
  std::vector<Inlining> inlinings_;  // by location
  std::unordered_map<Place, uint32_t, PlaceHash> latest_;
  std::string string_bytes_;
  std::unordered_map<std::string_view, size_t> string_labels_;
};

}  // namespace slipstream::ptx
