#include "io/replacement_file.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "slipstream/error.h"

namespace slipstream::io {
namespace {

constexpr mode_t kNewFile = 0666;  // less the user's mask
constexpr mode_t kPermissions = 0777;
constexpr int kAttempts = 100;
constexpr int kMostLinks = 40;  // the system's own limit

std::string unique_name(const std::string& folder) {
  std::random_device random;
  return fmt::format("{}/.slipstream-{:08x}{:08x}.partial", folder, random(), random());
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a FIFO";
  if (S_ISSOCK(mode)) return "is a socket";
  return "is a device";
}

// Where the links that begin at `path` end, whether or not there is a file.
std::filesystem::path end_of_links(std::filesystem::path path) {
  std::error_code error;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, error); ++i) {
    path = path.parent_path() / std::filesystem::read_symlink(path, error);
  }
  return path;
}

}  // namespace

ReplacementFile::ReplacementFile(std::string path, Kept kept) : path_(std::move(path)) {
  find_target();
  open_new(kept);
}

ReplacementFile::~ReplacementFile() {
  if (!name_.empty()) unlink(name_.c_str());
}

void ReplacementFile::fail(const std::string& reason) const {
  throw Error(fmt::format("{}: cannot be written: {}", path_, reason));
}

void ReplacementFile::find_target() {
  struct stat status {};
  if (stat(path_.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) {
      fail(fmt::format("must be a regular file, {}", kind_of(status.st_mode)));
    }
    if (faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail(std::strerror(errno));
    earlier_ = status;
  } else if (errno != ENOENT) {
    fail(std::strerror(errno));
  }
  const std::filesystem::path target = end_of_links(path_);
  if (!target.has_filename()) fail(path_.empty() ? "must have a name" : std::strerror(EISDIR));
  target_ = target.string();
  folder_ = target.has_parent_path() ? target.parent_path().string() : ".";
}

void ReplacementFile::open_new(Kept kept) {
  if (kept == Kept::kWithoutName) {
    file_ = FileDescriptor(open(folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kNewFile));
    if (file_.is_open()) return;
    const bool is_unknown = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
    if (!is_unknown) fail(std::strerror(errno));
  }
  open_under_unique_name();
}

// O_EXCL follows no link, and opens nothing that is there.
void ReplacementFile::open_under_unique_name() {
  for (int i = 0; i < kAttempts; ++i) {
    const std::string name = unique_name(folder_);
    file_ = FileDescriptor(open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kNewFile));
    if (file_.is_open()) {
      name_ = name;
      return;
    }
    if (errno != EEXIST) break;
  }
  fail(std::strerror(errno));
}

bool ReplacementFile::link_as(const std::string& name) const {
  const std::string self = fmt::format("/proc/self/fd/{}", file_.value());
  if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno != EEXIST) fail(std::strerror(errno));
  return false;
}

void ReplacementFile::link_under_unique_name() {
  for (int i = 0; i < kAttempts; ++i) {
    const std::string name = unique_name(folder_);
    if (link_as(name)) {
      name_ = name;
      return;
    }
  }
  fail(std::strerror(EEXIST));
}

void ReplacementFile::write(std::span<const std::byte> bytes) {
  if (!write_all(file_, bytes)) fail(std::strerror(errno));
}

void ReplacementFile::take_over_mode_and_owner() const {
  if (!earlier_) return;
  struct stat now {};
  if (fstat(file_.value(), &now) != 0) fail(std::strerror(errno));
  const bool same_owner = now.st_uid == earlier_->st_uid && now.st_gid == earlier_->st_gid;
  if (!same_owner && fchown(file_.value(), earlier_->st_uid, earlier_->st_gid) != 0) {
    fail(fmt::format("belongs to another user, and must stay so: {}", std::strerror(errno)));
  }
  if (fchmod(file_.value(), earlier_->st_mode & kPermissions) != 0) fail(std::strerror(errno));
}

void ReplacementFile::publish() {
  take_over_mode_and_owner();
  // Some file systems report a full disk only now.
  if (fsync(file_.value()) != 0) fail(std::strerror(errno));
  if (name_.empty()) {
    if (link_as(target_)) return;
    // The system puts a nameless file in the place of no other, so it has another name for a moment, which a kill leaves.
    link_under_unique_name();
  }
  if (std::rename(name_.c_str(), target_.c_str()) != 0) fail(std::strerror(errno));
  name_.clear();
}

}  // namespace slipstream::io
