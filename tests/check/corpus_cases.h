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

// The columns of the row about a case in the table of docs/check.md, or none. Its first column
// names cases by the start of their names.
inline std::vector<std::string> corpus_table_row(const std::filesystem::path& document,
                                                 const std::string& name) {
  const auto split = [](const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) {
      const size_t first = part.find_first_not_of(' ');
      const size_t last = part.find_last_not_of(' ');
      parts.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
    }
    return parts;
  };
  std::istringstream lines(read_text(document));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    const std::vector<std::string> columns = split(line.substr(1), '|');
    for (const std::string& start : split(columns.front(), ',')) {
      if (!start.empty() && name.starts_with(start)) return columns;
    }
  }
  return {};
}

}  // namespace slipstream
