// Which files there are to check: those that are named, those of directories, those in archives.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::check {

// A file, or a member of an archive: "kernels.whl/folder/name".
struct InputFile {
  std::filesystem::path path;
  bool asked_for = false;  // by its name
  size_t member = 0;       // of the archive's members

  // PTX and cubins of one kernel are files next to each other in caches. Their folder, with a slash;
  // empty for files that stand alone.
  [[nodiscard]] std::string loose_folder() const;
};

// `path`, or the files of that directory by their names.
void list_files(const std::filesystem::path& path, std::vector<InputFile>& files);

// The loose files of a folder one after the other, after all others.
void put_loose_files_together(std::vector<InputFile>& files);

bool is_source(const std::filesystem::path& path);

// By how a file begins, whether it may hold device code.
inline constexpr size_t kTellingBytes = 8;
bool may_hold_device_code(std::string_view start, const std::filesystem::path& path);
// Whether it is an archive that is looked into: any that was asked for, else those of code.
bool is_archive_of_code(std::span<const std::byte> bytes, const InputFile& file);

}  // namespace slipstream::check
