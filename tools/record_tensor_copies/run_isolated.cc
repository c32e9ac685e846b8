#include "run_isolated.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>

namespace slipstream::record_tensor_copies {
namespace {

void write_all(int file, const void* data, size_t size) {
  const auto* at = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t written = write(file, at, size);
    if (written <= 0) throw std::runtime_error("the pipe is closed");
    at += written;
    size -= static_cast<size_t>(written);
  }
}

bool read_all(int file, void* data, size_t size) {
  auto* at = static_cast<uint8_t*>(data);
  while (size > 0) {
    const ssize_t got = read(file, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

struct Header {
  std::array<uint32_t, 3> numbers;
  std::array<uint64_t, 2> sizes;
};

void send(int file, const Outcome& outcome) {
  const Header header = {{outcome.encoded, outcome.error, outcome.completed},
                         {outcome.shared.size(), outcome.tensor.size()}};
  write_all(file, &header, sizeof(header));
  write_all(file, outcome.shared.data(), outcome.shared.size());
  write_all(file, outcome.tensor.data(), outcome.tensor.size());
}

bool receive(int file, Outcome& outcome) {
  Header header;
  if (!read_all(file, &header, sizeof(header))) return false;
  outcome = {header.numbers[0], header.numbers[1], header.numbers[2], Bytes(header.sizes[0]),
             Bytes(header.sizes[1])};
  return read_all(file, outcome.shared.data(), outcome.shared.size()) &&
         read_all(file, outcome.tensor.data(), outcome.tensor.size());
}

// In the child: runs cases from `first` on, until one faults.
[[noreturn]] void run_from(const std::vector<Case>& cases, size_t first, int file) {
  try {
    for (size_t i = first; i < cases.size(); ++i) {
      const Outcome outcome = run_case(cases[i]);
      send(file, outcome);
      if (outcome.error != 0) break;
    }
    _exit(0);
  } catch (const std::exception& error) {
    std::fputs(fmt::format("{}\n", error.what()).c_str(), stderr);
    _exit(1);
  }
}

}  // namespace

std::vector<Outcome> run_isolated(const std::vector<Case>& cases) {
  std::vector<Outcome> outcomes;
  while (outcomes.size() < cases.size()) {
    const size_t before = outcomes.size();
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw std::runtime_error("there is no pipe");
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("there is no process");
    if (child == 0) run_from(cases, before, ends[1]);
    close(ends[1]);
    for (Outcome outcome; receive(ends[0], outcome);) outcomes.push_back(std::move(outcome));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    if (outcomes.size() == before) {
      throw std::runtime_error(
          fmt::format("the process that ran '{}' ended without an outcome", cases[before].name));
    }
  }
  return outcomes;
}

}  // namespace slipstream::record_tensor_copies
