#include "check/input_files.h"

#include <algorithm>
#include <array>

#include "code/archive.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;

constexpr auto kSourceExtensions =
    std::to_array<std::string_view>({".cu", ".cuh", ".h", ".hpp", ".hxx", ".cpp", ".cc", ".inl"});
// Much else is a zip archive: documents, arrays, checkpoints.
constexpr auto kArchiveExtensions = std::to_array<std::string_view>({".a", ".whl", ".zip"});

template <size_t kCount>
bool has_extension(const fs::path& path, const std::array<std::string_view, kCount>& extensions) {
  const std::string extension = path.extension().string();
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

}  // namespace

std::string InputFile::loose_folder() const {
  const bool loose = path.extension() == ".ptx" || path.extension() == ".cubin";
  return loose ? path.parent_path().string() + "/" : "";
}

void list_files(const fs::path& path, std::vector<InputFile>& files) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return files.push_back({path, true});
  const size_t first = files.size();
  for (auto it = fs::recursive_directory_iterator(
           path, fs::directory_options::skip_permission_denied, error);
       it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (error) break;
    if (it->is_regular_file(error) && it->file_size(error) != 0) files.push_back({it->path()});
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
            [](const InputFile& a, const InputFile& b) { return a.path < b.path; });
}

void put_loose_files_together(std::vector<InputFile>& files) {
  std::stable_sort(files.begin(), files.end(), [](const InputFile& a, const InputFile& b) {
    return a.loose_folder() < b.loose_folder();
  });
}

bool is_source(const fs::path& path) { return has_extension(path, kSourceExtensions); }

bool may_hold_device_code(std::string_view start, const fs::path& path) {
  constexpr std::string_view kElf =
      "\x7f"
      "ELF";
  constexpr std::string_view kFatBinary = "\x50\xed\x55\xba";
  return start.starts_with(kElf) || start.starts_with(kFatBinary) || path.extension() == ".ptx";
}

bool is_archive_of_code(std::span<const std::byte> bytes, const InputFile& file) {
  return code::is_archive(bytes) &&
         (file.asked_for || has_extension(file.path, kArchiveExtensions));
}

}  // namespace slipstream::check
