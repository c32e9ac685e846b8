#include "emulated_runner.h"

#include <cstring>
#include <stdexcept>

#include "emulator/device/device.h"

namespace slipstream::record_vectors {

using emulator::Device;
using emulator::MemoryKind;

std::vector<Bytes> run_emulated(const Form& form, const std::vector<Bytes>& operands,
                                unsigned count) {
  Device device{{}};
  Buffers buffers{};
  for (size_t i = 0; i < operands.size(); ++i) {
    const uint64_t size = operands[i].size();
    buffers.operands[i] = device.allocate(size, MemoryKind::kDevice, "operand");
    device.copy(buffers.operands[i], reinterpret_cast<uint64_t>(operands[i].data()), size);
  }
  std::vector<Bytes> results;
  for (const std::string& type : split_words(form.results)) {
    const size_t size = size_t{count} * register_bytes(type);
    buffers.results[results.size()] = device.allocate(size, MemoryKind::kDevice, "result");
    results.emplace_back(size);
  }
  const auto* module = device.load_module({ptx::Module::parse(form_kernel(form), form.text)});
  emulator::KernelLaunch launch;
  launch.kernel = device.find_kernel(module, kKernelName);
  launch.grid = {count / kThreads, 1, 1};
  launch.block = {kThreads, 1, 1};
  launch.parameters.resize(sizeof buffers);
  std::memcpy(launch.parameters.data(), &buffers, sizeof buffers);
  device.submit(launch);
  if (const auto fault = device.run_all()) throw std::runtime_error(fault->report());
  for (size_t i = 0; i < results.size(); ++i) {
    device.copy(reinterpret_cast<uint64_t>(results[i].data()), buffers.results[i],
                results[i].size());
  }
  return results;
}

}  // namespace slipstream::record_vectors
