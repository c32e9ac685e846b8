#include "emulator/runtime/ipc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "emulator/program/round_up.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/file_memory.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

constexpr uint64_t kPage = 4096;

// Moves what is at the address into a file whose pages take its place.
int move_into_file(const Allocation& allocation) {
  const uint64_t size = round_up(allocation.size, kPage);
  const int file = make_memory_file(size);
  for (uint64_t done = 0; done < size;) {
    const ssize_t written =
        pwrite(file, pointer_to(allocation.address + done), size - done, static_cast<off_t>(done));
    require(written > 0, cudaErrorMemoryAllocation);
    done += static_cast<uint64_t>(written);
  }
  put_pages(allocation.address, size, file);
  device().mark_written(allocation.address, allocation.size);  // perhaps by another process
  return file;
}

int open_file_of(const IpcMemory& memory) {
  const std::string path = fmt::format("/proc/{}/fd/{}", memory.process, memory.file);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status {};
  const bool is_there = file >= 0 && fstat(file, &status) == 0;
  if (is_there && static_cast<uint64_t>(status.st_size) == round_up(memory.size, kPage))
    return file;
  if (file >= 0) close(file);
  throw ApiError(
      cudaErrorInvalidValue,
      fmt::format("process {} must have the memory of the handle, it has gone", memory.process));
}

}  // namespace

SharedMemory& shared_memory() {
  static auto* all = new SharedMemory;
  return *all;
}

IpcMemory SharedMemory::hand_on(const void* pointer) {
  const auto allocation = device().find(reinterpret_cast<uint64_t>(pointer));
  require(allocation &&
          (allocation->kind == MemoryKind::kDevice || allocation->kind == MemoryKind::kPool));
  const auto [file, is_new] = files_.try_emplace(allocation->serial, -1);
  if (is_new) file->second = move_into_file(*allocation);
  return {IpcMemory::kMagic, getpid(), file->second, allocation->size};
}

uint64_t SharedMemory::open(const IpcMemory& memory) {
  require(memory.magic == IpcMemory::kMagic && memory.size > 0);
  const int file = open_file_of(memory);
  const uint64_t pages = round_up(memory.size, kPage);
  const uint64_t address = device().reserve_addresses(pages, kPage);
  if (address != 0) put_pages(address, pages, file);
  ::close(file);
  require(address != 0, cudaErrorMemoryAllocation);
  Allocation allocation;
  allocation.address = address;
  allocation.size = memory.size;
  allocation.device = current_device();
  allocation.shared_with = 1U << current_device();
  allocation.name = fmt::format("memory of process {}", memory.process);
  device().map(address, {allocation});
  opened_[address] = pages;
  return address;
}

void SharedMemory::close(const void* pointer) {
  const auto found = opened_.find(reinterpret_cast<uint64_t>(pointer));
  require(found != opened_.end());
  device().free_addresses(found->first);
  put_pages(found->first, found->second, -1);
  opened_.erase(found);
}

}  // namespace slipstream::emulator::runtime
