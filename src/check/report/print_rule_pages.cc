// check_rule_pages FOLDER: writes docs/rules. check_rule_pages: prints the examples, as a CUDA
// source.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "check/report/rule_pages.h"

namespace {

bool write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) std::fprintf(stderr, "check_rule_pages: %s cannot be written\n", path.c_str());
  return static_cast<bool>(file);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace slipstream::check;
  if (argc != 2) {
    std::fputs(rule_examples().c_str(), stdout);
    return 0;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  bool written = write(folder / "README.md", rule_index());
  for (const RuleInfo* rule : all_rules()) {
    written = write(folder / rule_page_name(*rule), rule_page(*rule)) && written;
  }
  return written ? 0 : 1;
}
