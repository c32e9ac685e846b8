#include "tests/model/support/tiny_files.h"

#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

namespace slipstream::model::test {

TemporaryDirectory::TemporaryDirectory() {
  static int count = 0;
  const std::string name =
      "slipstream-engine-" + std::to_string(getpid()) + "-" + std::to_string(count++);
  path_ = std::filesystem::temp_directory_path() / name;
  std::filesystem::create_directories(path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

const std::string& tiny_checkpoint(const std::string& name) {
  return tiny_checkpoint(tiny::tiny_spec(name));
}

const std::string& tiny_checkpoint(const tiny::TinySpec& spec) {
  static const TemporaryDirectory kRoot;
  static std::map<std::string, std::string> written;
  const auto [place, inserted] = written.emplace(spec.name, kRoot.path(spec.name));
  if (inserted) tiny::write_tiny_checkpoint(spec, place->second);
  return place->second;
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace slipstream::model::test
