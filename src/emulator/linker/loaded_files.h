// The program and its libraries, as the loader knows them.
#pragma once

#include <link.h>

#include <string>
#include <vector>

namespace slipstream::emulator::linker {

inline std::vector<std::string> loaded_files() {
  std::vector<std::string> files;
  const auto note = [](dl_phdr_info* info, size_t /*size*/, void* to) {
    static_cast<std::vector<std::string>*>(to)->emplace_back(info->dlpi_name);
    return 0;
  };
  dl_iterate_phdr(note, &files);
  return files;
}

}  // namespace slipstream::emulator::linker
