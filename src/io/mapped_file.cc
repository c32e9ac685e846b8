#include "io/mapped_file.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

#include "io/file.h"
#include "slipstream/error.h"

namespace slipstream::io {

// Addresses at which a bus error means that a file has shrunk or failed. The list only grows, and
// entries are used again, so that the signal handler can walk it at any time.
struct GuardedRange {
  std::atomic<uintptr_t> begin{0};  // 0: the entry is free
  std::atomic<size_t> size{0};
  std::atomic<bool> failed{false};
  GuardedRange* next = nullptr;
};

namespace {

std::atomic<GuardedRange*> guarded_ranges{nullptr};
struct sigaction earlier_handler;

GuardedRange* find_range(uintptr_t address) {
  for (GuardedRange* one = guarded_ranges; one != nullptr; one = one->next) {
    const uintptr_t begin = one->begin;
    if (begin != 0 && address >= begin && address - begin < one->size) return one;
  }
  return nullptr;
}

// Zero pages from the address to the end of the mapping, in place of the file.
bool replace_by_zeros(const GuardedRange& range, void* address) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  char* const first = static_cast<char*>(address) - reinterpret_cast<uintptr_t>(address) % page;
  return mmap(first, range.begin + range.size - reinterpret_cast<uintptr_t>(first), PROT_READ,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

// Whatever was there before: the application's handler, or the end of the process, once the access
// is made again.
void call_earlier_handler(int signal, siginfo_t* info, void* context) {
  if ((earlier_handler.sa_flags & SA_SIGINFO) != 0) {
    earlier_handler.sa_sigaction(signal, info, context);
  } else if (earlier_handler.sa_handler != SIG_DFL && earlier_handler.sa_handler != SIG_IGN) {
    earlier_handler.sa_handler(signal);
  } else {
    sigaction(signal, &earlier_handler, nullptr);
  }
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  GuardedRange* range = find_range(reinterpret_cast<uintptr_t>(info->si_addr));
  if (range != nullptr && replace_by_zeros(*range, info->si_addr)) {
    range->failed = true;
  } else {
    call_earlier_handler(signal, info, context);
  }
  errno = saved;
}

void install_handler() {
  struct sigaction action {};
  action.sa_sigaction = &on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &earlier_handler);
}

GuardedRange* guard(const void* begin, size_t size) {
  static std::mutex mutex;
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  const std::lock_guard lock(mutex);
  GuardedRange* range = guarded_ranges;
  while (range != nullptr && range->begin != 0) range = range->next;
  const bool is_new = range == nullptr;
  if (is_new) range = new GuardedRange;
  range->failed = false;
  range->size = size;
  range->begin = reinterpret_cast<uintptr_t>(begin);
  if (is_new) {
    range->next = guarded_ranges;
    guarded_ranges = range;
  }
  return range;
}

[[noreturn]] void fail(const std::string& path, const std::string& is) {
  throw InvalidArgument(fmt::format("{}: must be a readable regular file, {}", path, is));
}

struct stat status_of(const FileDescriptor& descriptor, const std::string& path) {
  struct stat status {};
  if (fstat(descriptor.value(), &status) != 0) fail(path, std::strerror(errno));
  return status;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

MappedFile::MappedFile(const std::string& path)
    : path_(path), descriptor_(open_regular_file(path)), status_(status_of(descriptor_, path)) {
  if (status_.st_size == 0) fail(path, "is empty");
  const auto size = static_cast<size_t>(status_.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor_.value(), 0);
  if (address == MAP_FAILED) fail(path, std::strerror(errno));
  bytes_ = {static_cast<const std::byte*>(address), size};
  guard_ = guard(address, size);
}

MappedFile::~MappedFile() {
  if (guard_ == nullptr) return;
  guard_->begin = 0;
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::move(other.descriptor_)),
      status_(other.status_),
      bytes_(std::exchange(other.bytes_, {})),
      guard_(std::exchange(other.guard_, nullptr)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(status_, other.status_);
  std::swap(bytes_, other.bytes_);
  std::swap(guard_, other.guard_);
  return *this;
}

void MappedFile::require_unchanged() const {
  const struct stat now = status_of(descriptor_, path_);
  if (now.st_size != status_.st_size) {
    throw InvalidArgument(
        fmt::format("{}: must keep its {} bytes while it is read, has {} now (is it being "
                    "downloaded or copied?)",
                    path_, status_.st_size, now.st_size));
  }
  if (guard_->failed) {
    throw InvalidArgument(
        fmt::format("{}: must be readable to its end, the system could not read all of it", path_));
  }
  if (!same_time(now.st_mtim, status_.st_mtim)) {
    throw InvalidArgument(
        fmt::format("{}: must stay as it is while it is read, was written to (is it being "
                    "downloaded or copied?)",
                    path_));
  }
}

}  // namespace slipstream::io
