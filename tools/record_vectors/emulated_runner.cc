#include "emulated_runner.h"

#include <cstring>
#include <stdexcept>

#include "emulator/device/device.h"
#include "emulator/machine/image.h"
#include "image_spec.h"

namespace slipstream::record_vectors {

using emulator::AddressMode;
using emulator::Device;
using emulator::Image;
using emulator::MemoryKind;
namespace {

uint64_t upload(Device& device, const void* data, uint64_t size, MemoryKind kind,
                const char* what) {
  const uint64_t address = device.allocate(size, kind, what);
  device.copy(address, reinterpret_cast<uint64_t>(data), size);
  return address;
}

AddressMode mode_of(const std::string& mode) {
  return mode == "wrap"     ? AddressMode::kWrap
         : mode == "mirror" ? AddressMode::kMirror
         : mode == "border" ? AddressMode::kBorder
                            : AddressMode::kClamp;
}

// The object of an image; its handle.
uint64_t make_image(Device& device, const ImageSpec& spec) {
  const Bytes bytes = image_bytes(spec);
  Image image;
  image.base = upload(device, bytes.data(), bytes.size(), MemoryKind::kDevice, "image");
  image.pitch = spec.row_bytes();
  image.plane = uint64_t{spec.row_bytes()} * spec.size[1];
  image.size = {spec.size[0], spec.size[1], spec.size[2]};
  image.channels = spec.channels;
  image.channel_bytes = spec.channel_bytes;
  image.kind = spec.kind == 'f'   ? emulator::ChannelKind::kFloat
               : spec.kind == 's' ? emulator::ChannelKind::kSigned
                                  : emulator::ChannelKind::kUnsigned;
  image.is_surface = spec.surface;
  image.layered = spec.layered() || spec.cube();
  image.cube = spec.cube();
  image.modes.fill(mode_of(spec.mode));
  image.linear = spec.linear;
  image.normalized = spec.normalized;
  image.reads_normalized = spec.fractions;
  image.border = kBorder;
  return upload(device, &image, sizeof(image), MemoryKind::kModule, "object");
}

}  // namespace

std::vector<Bytes> run_emulated(const Form& form, const std::vector<Bytes>& operands,
                                unsigned count) {
  Device device{{}};
  Buffers buffers{};
  for (size_t i = 0; i < operands.size(); ++i) {
    buffers.operands[i] =
        upload(device, operands[i].data(), operands[i].size(), MemoryKind::kDevice, "operand");
  }
  if (const auto image = image_of(form)) buffers.image = make_image(device, *image);
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
