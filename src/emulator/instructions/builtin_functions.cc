#include "emulator/instructions/builtin_functions.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/grid_run.h"
#include "emulator/program/program.h"
#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

template <class T>
T argument(const CallSite& call, Warp& warp, uint32_t lane, size_t index) {
  const ParameterBlock& block = call.arguments.at(index);
  T value;
  std::memcpy(&value, warp.registers + block.offset + lane * block.bytes, sizeof(T));
  return value;
}

std::string read_string(Warp& warp, uint32_t lane, uint64_t address) {
  constexpr size_t kLongest = 65536;
  std::string text;
  for (char next = 1; text.size() < kLongest; text.push_back(next)) {
    load(warp, lane, AddressSpace::kGeneric, address + text.size(), &next, 1, 1);
    if (next == '\0') break;
  }
  return text;
}

// The arguments of vprintf: a structure with C's layout of promoted arguments.
class ArgumentReader {
 public:
  ArgumentReader(Warp& warp, uint32_t lane, uint64_t address)
      : warp_(warp), lane_(lane), begin_(address) {}

  template <class T>
  T next() {
    offset_ = round_up(offset_, sizeof(T));
    T value;
    load(warp_, lane_, AddressSpace::kGeneric, begin_ + offset_, &value, sizeof(T), sizeof(T));
    offset_ += sizeof(T);
    return value;
  }
  std::string next_string() { return read_string(warp_, lane_, next<uint64_t>()); }

 private:
  Warp& warp_;
  uint32_t lane_;
  uint64_t begin_;
  uint64_t offset_ = 0;
};

template <class T>
std::string format_one(const std::string& specification, T value) {
  const int size = std::snprintf(nullptr, 0, specification.c_str(), value);
  std::string text(static_cast<size_t>(std::max(size, 0)), '\0');
  std::snprintf(text.data(), text.size() + 1, specification.c_str(), value);
  return text;
}

// One conversion, from '%' to its letter; `*` is replaced by an argument.
std::string convert(const std::string& specification, ArgumentReader& arguments) {
  std::string plain;
  for (const char c : specification) {
    plain += c == '*' ? std::to_string(arguments.next<int>()) : std::string(1, c);
  }
  const bool is_long = plain.find_first_of("ljzt") != std::string::npos;
  switch (plain.back()) {
    case '%':
      return "%";
    case 's':
      return format_one(plain, arguments.next_string().c_str());
    case 'p':
      return fmt::format("{:#x}", arguments.next<uint64_t>());
    case 'c':
      return format_one(plain, arguments.next<int>());
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
      return format_one(plain, arguments.next<double>());
    default:
      return is_long ? format_one(plain, arguments.next<int64_t>())
                     : format_one(plain, arguments.next<int>());
  }
}

std::string format_text(const std::string& format, ArgumentReader arguments) {
  constexpr std::string_view kLetters = "diouxXcsfFeEgGaAp%";
  std::string text;
  for (size_t at = 0; at < format.size();) {
    const size_t end =
        format[at] == '%' ? format.find_first_of(kLetters, at + 1) : std::string::npos;
    if (end == std::string::npos) {
      text += format[at++];
      continue;
    }
    text += convert(format.substr(at, end + 1 - at), arguments);
    at = end + 1;
  }
  return text;
}

void print(Warp& warp, const std::string& text) {
  DeviceContext& device = *warp.cta->cluster->grid->device;
  const std::lock_guard lock(device.output);
  if (device.settings->print) {
    device.settings->print(text);
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

// int vprintf(const char* format, void* arguments), in turn so that CTAs print in their order.
Step print_formatted(const Operation& operation, Warp& warp, uint32_t executing) {
  wait_for_turn(warp);
  const CallSite& call = call_of(operation);
  for_each_lane(executing, [&](uint32_t lane) {
    const std::string format = read_string(warp, lane, argument<uint64_t>(call, warp, lane, 0));
    const ArgumentReader arguments(warp, lane, argument<uint64_t>(call, warp, lane, 1));
    const std::string text = format_text(format, arguments);
    print(warp, text);
    if (!call.results.empty()) {
      const auto printed = static_cast<int32_t>(text.size());
      const ParameterBlock& block = call.results.front();
      std::memcpy(warp.registers + block.offset + lane * block.bytes, &printed, sizeof(printed));
    }
  });
  return Step::kNext;
}

// void __assertfail(message, file, line, function, character size).
Step fail_assertion(const Operation& operation, Warp& warp, uint32_t executing) {
  const CallSite& call = call_of(operation);
  const auto lane = static_cast<uint32_t>(__builtin_ctz(executing));
  const auto text = [&](size_t index) {
    return read_string(warp, lane, argument<uint64_t>(call, warp, lane, index));
  };
  raise(FaultKind::kAssert, lane,
        fmt::format("{}:{}: {}: Assertion `{}` failed", text(1),
                    argument<uint32_t>(call, warp, lane, 2), text(3), text(0)));
}

// --- The heap, in turn: the addresses depend on the order of CTAs alone.

DeviceHeap& heap_of(Warp& warp) { return *warp.cta->cluster->grid->device->heap; }

void set_result(const CallSite& call, Warp& warp, uint32_t lane, uint64_t value) {
  if (call.results.empty()) return;
  const ParameterBlock& block = call.results.front();
  std::memcpy(warp.registers + block.offset + lane * block.bytes, &value, sizeof(value));
}

// void* malloc(size_t bytes)
Step allocate(const Operation& operation, Warp& warp, uint32_t executing) {
  wait_for_turn(warp);
  const CallSite& call = call_of(operation);
  for_each_lane(executing, [&](uint32_t lane) {
    set_result(call, warp, lane,
               heap_of(warp).allocate(argument<uint64_t>(call, warp, lane, 0), 1));
  });
  return Step::kNext;
}

// void* __cuda_syscall_aligned_malloc(size_t bytes, size_t alignment)
Step allocate_aligned(const Operation& operation, Warp& warp, uint32_t executing) {
  wait_for_turn(warp);
  const CallSite& call = call_of(operation);
  for_each_lane(executing, [&](uint32_t lane) {
    const auto alignment = argument<uint64_t>(call, warp, lane, 1);
    const bool valid = std::has_single_bit(alignment);
    const auto bytes = argument<uint64_t>(call, warp, lane, 0);
    set_result(call, warp, lane, valid ? heap_of(warp).allocate(bytes, alignment) : 0);
  });
  return Step::kNext;
}

// void free(void* block)
Step release(const Operation& operation, Warp& warp, uint32_t executing) {
  wait_for_turn(warp);
  const CallSite& call = call_of(operation);
  for_each_lane(executing, [&](uint32_t lane) {
    const auto address = argument<uint64_t>(call, warp, lane, 0);
    if (address == 0) return;
    DeviceHeap& heap = heap_of(warp);
    switch (heap.release(address)) {
      case DeviceHeap::Release::kDone:
        return;
      case DeviceHeap::Release::kFreedBefore:
        raise(FaultKind::kInvalidFree, lane,
              fmt::format("free of {:#x}, which was freed before", address), address);
      case DeviceHeap::Release::kNoBlock:
        raise(FaultKind::kInvalidFree, lane,
              fmt::format("free of {:#x}, which malloc did not return", address), address);
    }
  });
  return Step::kNext;
}

// void cudaGraphSetConditional(handle, unsigned value): the handle is the address of the condition's value.
Step set_conditional(const Operation& operation, Warp& warp, uint32_t executing) {
  wait_for_turn(warp);
  const CallSite& call = call_of(operation);
  for_each_lane(executing, [&](uint32_t lane) {
    const auto value = argument<uint32_t>(call, warp, lane, 1);
    store(warp, lane, AddressSpace::kGlobal, argument<uint64_t>(call, warp, lane, 0), &value,
          sizeof(value), sizeof(value), Ordering::kStrong);
  });
  return Step::kNext;
}

}  // namespace

Handler find_builtin(std::string_view name) {
  static const std::map<std::string_view, Handler> kBuiltins = {
      {"vprintf", &print_formatted},
      {"__assertfail", &fail_assertion},
      {"malloc", &allocate},
      {"__cuda_syscall_aligned_malloc", &allocate_aligned},
      {"free", &release},
      {"cudaGraphSetConditional", &set_conditional},
  };
  const auto found = kBuiltins.find(name);
  return found == kBuiltins.end() ? nullptr : found->second;
}

bool uses_heap(std::string_view name) {
  return name == "malloc" || name == "__cuda_syscall_aligned_malloc" || name == "free";
}

}  // namespace slipstream::emulator
