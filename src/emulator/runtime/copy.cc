#include "emulator/runtime/copy.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "emulator/runtime/array.h"
#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {
namespace {

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// Bytes from the first to the end of the last one that rows and planes cover.
uint64_t extent(uint64_t width, uint64_t height, uint64_t depth, uint64_t pitch, uint64_t plane) {
  return plane * (depth - 1) + pitch * (height - 1) + width;
}

bool is_pageable(uint64_t address) { return !device().find(address).has_value(); }

void require_device_range(const char* what, uint64_t address, uint64_t size) {
  const std::optional<Allocation> allocation = device().find(address);
  if (!allocation.has_value()) {
    throw ApiError(
        cudaErrorInvalidValue,
        fmt::format("the {} {:#x} must be device memory, no allocation holds it", what, address));
  }
  const uint64_t left = allocation->address + allocation->size - address;
  if (size > left) {
    throw ApiError(cudaErrorInvalidValue,
                   fmt::format("the {} {:#x} must have {} bytes, {} of {} bytes has only {} left",
                               what, address, size, allocation->name, allocation->size, left));
  }
}

// Ranges of device memory must lie in one allocation, also where the kind does not say which side
// is the device.
void require_ranges(const CopyOperation& copy) {
  const uint64_t destination_bytes =
      extent(copy.width, copy.height, copy.depth, copy.destination_pitch, copy.destination_plane);
  const uint64_t source_bytes =
      extent(copy.width, copy.height, copy.depth, copy.source_pitch, copy.source_plane);
  const bool to_device =
      copy.kind == cudaMemcpyHostToDevice || copy.kind == cudaMemcpyDeviceToDevice;
  const bool from_device =
      copy.kind == cudaMemcpyDeviceToHost || copy.kind == cudaMemcpyDeviceToDevice;
  if (to_device || !is_pageable(copy.destination)) {
    require_device_range("destination", copy.destination, destination_bytes);
  }
  if (from_device || !is_pageable(copy.source)) {
    require_device_range("source", copy.source, source_bytes);
  }
}

CopyOperation checked(CopyOperation copy) {
  require(copy.kind >= cudaMemcpyHostToHost && copy.kind <= cudaMemcpyDefault,
          cudaErrorInvalidMemcpyDirection);
  const bool empty = copy.width == 0 || copy.height == 0 || copy.depth == 0;
  if (empty) {
    copy.width = 0;
    return copy;
  }
  require(copy.destination != 0 && copy.source != 0);
  const bool rows = copy.height > 1 || copy.depth > 1;
  if (rows) {
    require(copy.width <= copy.destination_pitch && copy.width <= copy.source_pitch,
            cudaErrorInvalidPitchValue);
  }
  require_ranges(copy);
  return copy;
}

// Takes the bytes of a pageable source now, packed.
void stage_source(CopyOperation& copy) {
  auto bytes = std::make_shared<std::vector<uint8_t>>(copy.width * copy.height * copy.depth);
  uint8_t* to = bytes->data();
  for (uint64_t z = 0; z < copy.depth; ++z) {
    for (uint64_t y = 0; y < copy.height; ++y, to += copy.width) {
      const uint64_t from = copy.source + z * copy.source_plane + y * copy.source_pitch;
      std::memcpy(to, pointer_to(from), copy.width);
    }
  }
  copy.source = address_of(bytes->data());
  copy.source_pitch = copy.width;
  copy.source_plane = copy.width * copy.height;
  copy.staged = std::move(bytes);
}

}  // namespace

void run_copy(const CopyOperation& operation) {
  if (operation.width == 0) return;
  for (uint64_t z = 0; z < operation.depth; ++z) {
    for (uint64_t y = 0; y < operation.height; ++y) {
      device().copy(
          operation.destination + z * operation.destination_plane + y * operation.destination_pitch,
          operation.source + z * operation.source_plane + y * operation.source_pitch,
          operation.width);
    }
  }
}

void run_fill(const FillOperation& operation) {
  if (operation.width == 0) return;
  for (uint64_t z = 0; z < operation.depth; ++z) {
    for (uint64_t y = 0; y < operation.height; ++y) {
      device().fill(operation.destination + z * operation.plane + y * operation.pitch,
                    operation.value, operation.element_bytes, operation.width);
    }
  }
}

CopyOperation flat_copy(void* destination, const void* source, uint64_t size, cudaMemcpyKind kind) {
  return row_copy(destination, size, source, size, size, 1, kind);
}

CopyOperation row_copy(void* destination, uint64_t destination_pitch, const void* source,
                       uint64_t source_pitch, uint64_t width, uint64_t height,
                       cudaMemcpyKind kind) {
  CopyOperation copy;
  copy.destination = address_of(destination);
  copy.destination_pitch = destination_pitch;
  copy.source = address_of(source);
  copy.source_pitch = source_pitch;
  copy.width = width;
  copy.height = height;
  copy.kind = kind;
  return checked(std::move(copy));
}

namespace {

// One side of a copy: an array, whose positions count elements, or memory, whose positions count bytes.
struct Side {
  uint64_t start = 0;
  uint64_t pitch = 0;
  uint64_t plane = 0;
  uint64_t rows = 0;
  uint64_t planes = 0;
  uint64_t row_bytes = 0;
};

Side array_side(const Array& array, const cudaPos& position) {
  const uint64_t byte = position.x * array.element_bytes;
  return {array.at(byte, position.y, position.z),
          array.pitch(),
          array.plane(),
          array.rows() - position.y,
          array.planes() - position.z,
          array.pitch() - byte};
}

Side memory_side(const cudaPitchedPtr& pointer, const cudaPos& position) {
  const uint64_t plane = pointer.pitch * pointer.ysize;
  return {address_of(pointer.ptr) + position.z * plane + position.y * pointer.pitch + position.x,
          pointer.pitch,
          plane,
          UINT64_MAX,
          UINT64_MAX,
          UINT64_MAX};
}

}  // namespace

CopyOperation volume_copy(const cudaMemcpy3DParms& parameters) {
  const Array* const to =
      parameters.dstArray == nullptr ? nullptr : &arrays().resolve(parameters.dstArray);
  const Array* const from =
      parameters.srcArray == nullptr ? nullptr : &arrays().resolve(parameters.srcArray);
  const Side destination = to == nullptr ? memory_side(parameters.dstPtr, parameters.dstPos)
                                         : array_side(*to, parameters.dstPos);
  const Side source = from == nullptr ? memory_side(parameters.srcPtr, parameters.srcPos)
                                      : array_side(*from, parameters.srcPos);
  CopyOperation copy;
  copy.destination = destination.start;
  copy.destination_pitch = destination.pitch;
  copy.destination_plane = destination.plane;
  copy.source = source.start;
  copy.source_pitch = source.pitch;
  copy.source_plane = source.plane;
  // With an array the extent counts its elements.
  const uint64_t unit = to != nullptr     ? to->element_bytes
                        : from != nullptr ? from->element_bytes
                                          : 1;
  require(to == nullptr || from == nullptr || to->element_bytes == from->element_bytes);
  copy.width = parameters.extent.width * unit;
  copy.height = parameters.extent.height;
  copy.depth = parameters.extent.depth;
  for (const Side& side : {destination, source}) {
    require(copy.width <= side.row_bytes && copy.height <= side.rows && copy.depth <= side.planes);
  }
  copy.kind = parameters.kind;
  return checked(std::move(copy));
}

FillOperation row_fill(void* destination, uint64_t pitch, uint32_t value, uint32_t element_bytes,
                       uint64_t width, uint64_t height) {
  require(element_bytes == 1 || element_bytes == 2 || element_bytes == 4);
  FillOperation fill;
  fill.destination = address_of(destination);
  fill.pitch = pitch;
  fill.value = value;
  fill.element_bytes = element_bytes;
  fill.width = height == 0 ? 0 : width;
  fill.height = height;
  if (fill.width == 0) return fill;
  require(fill.destination % element_bytes == 0);
  const uint64_t bytes = width * element_bytes;
  require(height == 1 || pitch >= bytes, cudaErrorInvalidPitchValue);
  require_device_range("destination", fill.destination, extent(bytes, height, 1, pitch, 0));
  return fill;
}

FillOperation volume_fill(const cudaPitchedPtr& destination, uint32_t value,
                          const cudaExtent& extents) {
  FillOperation fill = row_fill(destination.ptr, destination.pitch, value, 1, extents.width,
                                extents.depth == 0 ? 0 : extents.height);
  if (fill.width == 0) return fill;
  fill.plane = destination.pitch * destination.ysize;
  fill.depth = extents.depth;
  require_device_range("destination", fill.destination,
                       extent(fill.width, fill.height, fill.depth, fill.pitch, fill.plane));
  return fill;
}

void enqueue_copy(Stream& stream, CopyOperation operation) {
  if (operation.width == 0) return;
  const bool captured = stream.capture != nullptr;
  const bool to_pageable = is_pageable(operation.destination);
  if (!captured && is_pageable(operation.source)) stage_source(operation);
  enqueue(stream, std::move(operation));
  if (!captured && to_pageable) streams().synchronize(stream);
}

void enqueue_copy_and_wait(Stream& stream, CopyOperation operation) {
  forbid_if_captured(stream);
  if (operation.width > 0) enqueue(stream, std::move(operation));
  streams().synchronize(stream);
}

void enqueue_fill(Stream& stream, FillOperation operation) {
  if (operation.width == 0) return;
  enqueue(stream, operation);
}

}  // namespace slipstream::emulator::runtime
