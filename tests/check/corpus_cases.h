// The corpus as its tests read it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace slipstream {

struct Case {
  std::string name;
  std::string source;
  bool has_bug = false;
};

// gtest prints it.
inline void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Every program, by name. `folder` holds "bugs" and "silent".
inline std::vector<Case> find_corpus_cases(const std::filesystem::path& folder) {
  std::vector<Case> cases;
  for (const char* kind : {"bugs", "silent"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder / kind)) {
      cases.push_back(
          {entry.path().stem().string(), read_text(entry.path()), std::string(kind) == "bugs"});
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return a.name < b.name; });
  return cases;
}

}  // namespace slipstream
