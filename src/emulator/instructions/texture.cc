// Textures and surfaces: tex, tld4, suld, sust, and what they are asked by txq and suq. machine/image.h samples.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"
#include "emulator/machine/access.h"
#include "emulator/machine/image.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

// What an instruction does, small enough for Operation::immediate.
struct Access {
  uint8_t dimensions = 1;
  bool layered = false;
  uint8_t coordinates = 1;  // registers, the layer among them
  bool integers = false;    // coordinates
  uint8_t channel = 0;      // of tld4
  uint8_t registers = 4;    // of the value
  uint8_t bytes = 4;        // of each in memory: surfaces
  enum class Outside : uint8_t { kTrap, kClamp, kZero } outside = Outside::kTrap;
};
static_assert(sizeof(Access) == sizeof(int64_t));

// The image of a handle; raises a fault where it is none, or its memory has gone.
const Image& image_of(Warp& warp, uint32_t lane, uint64_t handle, bool is_surface) {
  Worker& worker = *warp.cta->cluster->worker;
  const Operation* const key = &warp.cta->cluster->grid->program->operations[warp.pc];
  const char* const what = is_surface ? "surface" : "texture";
  if (const MemoryRange range = worker.range_of(key, handle);
      range.begin != handle || range.size != sizeof(Image)) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("{:#x} is not the handle of a {} object", handle, what), handle);
  }
  const Image& image = *reinterpret_cast<const Image*>(handle);
  if (image.magic != Image::kMagic || image.is_surface != is_surface) {
    raise(FaultKind::kOutOfBounds, lane,
          fmt::format("{:#x} is not the handle of a {} object", handle, what), handle);
  }
  if (worker.range_of(key, image.base).size == 0) {
    raise(FaultKind::kUseAfterFree, lane,
          fmt::format("the memory of {} {:#x} has been freed", what, handle), image.base);
  }
  return image;
}

// Operands: value registers, the handle, coordinates.
struct Registers {
  const Operation& operation;
  Warp& warp;
  Access access;

  template <class T>
  T* value(size_t index) const {
    return listed_operand<T>(operation, warp, index);
  }
  uint64_t handle(uint32_t lane) const {
    return listed_operand<const uint64_t>(operation, warp, access.registers)[lane];
  }
  // Coordinate `index` after the layer.
  template <class T>
  T coordinate(size_t index, uint32_t lane) const {
    const size_t first = access.registers + 1U + (access.layered ? 1 : 0);
    return listed_operand<const T>(operation, warp, first + index)[lane];
  }
  int32_t layer(uint32_t lane) const {
    return access.layered
               ? listed_operand<const int32_t>(operation, warp, access.registers + 1U)[lane]
               : 0;
  }
};

SamplePoint cube_point_of(const Image& image, const Registers& registers, uint32_t lane) {
  if (!image.cube) raise(FaultKind::kOutOfBounds, lane, "the texture is no cube", image.base);
  return cube_point(image,
                    {registers.coordinate<float>(0, lane), registers.coordinate<float>(1, lane),
                     registers.coordinate<float>(2, lane)},
                    registers.layer(lane));
}

SamplePoint point_of(const Registers& registers, uint32_t lane) {
  SamplePoint point;
  point.dimensions = registers.access.dimensions;
  point.layer = registers.layer(lane);
  for (size_t i = 0; i < point.dimensions; ++i) point.at[i] = registers.coordinate<float>(i, lane);
  return point;
}

enum class Read : uint8_t { kSample, kCube, kGather };

template <Read kRead>
Step read_texture(const Operation& operation, Warp& warp, uint32_t executing) {
  const Registers registers{operation, warp, std::bit_cast<Access>(operation.immediate)};
  for_each_lane(executing, [&](uint32_t lane) {
    const Image& image = image_of(warp, lane, registers.handle(lane), false);
    Texel texel;
    if (kRead == Read::kGather) {
      texel = gather(image, point_of(registers, lane), registers.access.channel);
    } else if (kRead == Read::kCube) {
      texel = sample(image, cube_point_of(image, registers, lane));
    } else if (registers.access.integers) {
      std::array<int32_t, 3> at{};
      for (size_t i = 0; i < registers.access.dimensions; ++i)
        at[i] = registers.coordinate<int32_t>(i, lane);
      texel = fetch(image, at, registers.layer(lane));
    } else {
      texel = sample(image, point_of(registers, lane));
    }
    for (size_t i = 0; i < texel.size(); ++i) registers.value<uint32_t>(i)[lane] = texel[i];
  });
  return Step::kNext;
}

// The address of the element that a surface access is to: x counts bytes. 0: outside, and to be ignored.
uint64_t surface_address(const Image& image, const Registers& registers, uint32_t lane) {
  const Access& access = registers.access;
  const int64_t bytes = access.registers * access.bytes;
  std::array<int64_t, 3> at{};
  for (size_t i = 0; i < access.dimensions; ++i) at[i] = registers.coordinate<int32_t>(i, lane);
  if (access.layered) at[2] = static_cast<uint32_t>(registers.layer(lane));
  const std::array<int64_t, 3> last = {int64_t{image.size[0]} * image.element_bytes() - bytes,
                                       int64_t{image.size[1]} - 1, int64_t{image.size[2]} - 1};
  if (at[0] % access.bytes != 0) {
    raise(FaultKind::kMisaligned, lane,
          fmt::format("byte {} of a surface's row is not a multiple of {}", at[0], access.bytes),
          image.base);
  }
  for (size_t i = 0; i < at.size(); ++i) {
    if (at[i] >= 0 && at[i] <= last[i]) continue;
    if (access.outside == Access::Outside::kZero) return 0;
    if (access.outside == Access::Outside::kTrap) {
      raise(FaultKind::kOutOfBounds, lane,
            fmt::format("access of {} bytes at ({}, {}, {}) of a surface of ({}, {}, {}) elements "
                        "of {} bytes; x counts "
                        "bytes",
                        bytes, at[0], at[1], at[2], image.size[0], image.size[1], image.size[2],
                        image.element_bytes()),
            image.base);
    }
    at[i] = std::clamp<int64_t>(at[i], 0, last[i]);
  }
  return image.base + static_cast<uint64_t>(at[2]) * image.plane +
         static_cast<uint64_t>(at[1]) * image.pitch + static_cast<uint64_t>(at[0]);
}

template <class T>
Step load_surface(const Operation& operation, Warp& warp, uint32_t executing) {
  const Registers registers{operation, warp, std::bit_cast<Access>(operation.immediate)};
  for_each_lane(executing, [&](uint32_t lane) {
    const Image& image = image_of(warp, lane, registers.handle(lane), true);
    const uint64_t address = surface_address(image, registers, lane);
    for (uint32_t i = 0; i < registers.access.registers; ++i) {
      T value{};
      if (address != 0)
        load(warp, lane, AddressSpace::kGlobal, address + i * sizeof(T), &value, sizeof(T),
             sizeof(T));
      registers.value<Lane<T>>(i)[lane] = value;
    }
  });
  return Step::kNext;
}

template <class T>
Step store_surface(const Operation& operation, Warp& warp, uint32_t executing) {
  const Registers registers{operation, warp, std::bit_cast<Access>(operation.immediate)};
  for_each_lane(executing, [&](uint32_t lane) {
    const Image& image = image_of(warp, lane, registers.handle(lane), true);
    const uint64_t address = surface_address(image, registers, lane);
    for (uint32_t i = 0; address != 0 && i < registers.access.registers; ++i) {
      const T value = static_cast<T>(registers.value<const Lane<T>>(i)[lane]);
      store(warp, lane, AddressSpace::kGlobal, address + i * sizeof(T), &value, sizeof(T),
            sizeof(T));
    }
  });
  return Step::kNext;
}

// --- Queries. immediate: 0 to 2 for width, height and depth.

template <bool kIsSurface>
Step query(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const handles = operand<const uint64_t>(operation, warp, 1);
  for_each_lane(executing, [&](uint32_t lane) {
    const Image& image = image_of(warp, lane, handles[lane], kIsSurface);
    operand<uint32_t>(operation, warp, 0)[lane] =
        image.size[static_cast<size_t>(operation.immediate)];
  });
  return Step::kNext;
}

template <bool kIsSurface>
void build_query(Builder& builder) {
  builder.expect_operands(2, 2);
  builder.write(0, ptx::Type::kB32);
  builder.read_address(1);
  builder.set_immediate(builder.has(".width") ? 0 : builder.has(".height") ? 1 : 2);
  builder.set_handler(&query<kIsSurface>);
}

// --- Building.

std::span<const ptx::Operand> parts_of(const Builder& builder, const ptx::Operand& operand) {
  return operand.kind == ptx::OperandKind::kVector ? builder.children(operand)
                                                   : std::span<const ptx::Operand>(&operand, 1);
}

// The coordinates of [handle, {x, y}].
std::span<const ptx::Operand> coordinates_of(const Builder& builder, const ptx::Operand& place) {
  const auto children = builder.children(place);
  if (children.size() != 1) builder.reject("it needs coordinates: [object, {x, ...}]");
  return parts_of(builder, children.front());
}

Access access_of(const Builder& builder, const ptx::Operand& address) {
  Access access;
  const auto has_any = [&](auto... geometries) { return (builder.has(geometries) || ...); };
  access.layered = has_any(".a1d", ".a2d", ".acube");
  access.dimensions = has_any(".1d", ".a1d") ? 1 : has_any(".3d", ".cube", ".acube") ? 3 : 2;
  const size_t given = coordinates_of(builder, address).size();
  access.coordinates = static_cast<uint8_t>(access.dimensions + (access.layered ? 1 : 0));
  if (given < access.coordinates)
    builder.reject("it has fewer coordinates than its geometry needs");
  return access;
}

void read_place(Builder& builder, size_t index, const Access& access) {
  builder.read_address(index);
  const auto coordinates = coordinates_of(builder, builder.operand(index));
  for (size_t i = 0; i < access.coordinates; ++i) builder.read(coordinates[i], ptx::Type::kB32);
}

// More operands than the two, level of detail or gradients, choose among images that are not there.
template <Read kRead>
void build_texture(Builder& builder) {
  builder.expect_operands(2, 4);
  const auto results = parts_of(builder, builder.operand(0));
  Access access = access_of(builder, builder.operand(1));
  if (results.size() != access.registers) builder.reject("its result must have four registers");
  for (const ptx::Operand& result : results) builder.write(result, ptx::Type::kB32);
  read_place(builder, 1, access);
  access.integers = builder.last_slot() == ".s32";
  access.channel = builder.has(".g") ? 1 : builder.has(".b") ? 2 : builder.has(".a") ? 3 : 0;
  builder.set_immediate(std::bit_cast<int64_t>(access));
  builder.set_handler(&read_texture<kRead>);
}

template <bool kIsLoad, class T>
void build_surface_of(Builder& builder) {
  const size_t place = kIsLoad ? 1 : 0;
  const auto values = parts_of(builder, builder.operand(1 - place));
  Access access = access_of(builder, builder.operand(place));
  access.registers = static_cast<uint8_t>(values.size());
  access.bytes = sizeof(T);
  access.outside = builder.has(".clamp")  ? Access::Outside::kClamp
                   : builder.has(".zero") ? Access::Outside::kZero
                                          : Access::Outside::kTrap;
  for (const ptx::Operand& value : values) {
    kIsLoad ? builder.write(value, kPtxType<Lane<T>>) : builder.read(value, kPtxType<Lane<T>>);
  }
  read_place(builder, place, access);
  builder.set_immediate(std::bit_cast<int64_t>(access));
  builder.set_handler(kIsLoad ? &load_surface<T> : &store_surface<T>);
}

template <bool kIsLoad>
void build_surface(Builder& builder) {
  builder.expect_operands(2, 2);
  if (builder.has(".b8")) return build_surface_of<kIsLoad, uint8_t>(builder);
  if (builder.has(".b16")) return build_surface_of<kIsLoad, uint16_t>(builder);
  if (builder.has(".b32")) return build_surface_of<kIsLoad, uint32_t>(builder);
  build_surface_of<kIsLoad, uint64_t>(builder);
}

constexpr std::string_view kNote = "no mipmaps; not seen by the race check";
constexpr std::string_view kCubeNote = "filters within a face; no mipmaps";

constexpr auto kTextureForms = std::to_array<Form>({
    {"tex (.1d|.2d|.3d|.a1d|.a2d) .v4 (.f32|.s32|.u32) (.f32|.s32)", &build_texture<Read::kSample>,
     kNote},
    {"tex .level (.1d|.2d|.3d|.a1d|.a2d) .v4 (.f32|.s32|.u32) (.f32|.s32)",
     &build_texture<Read::kSample>, kNote},
    {"tex .grad (.1d|.2d|.3d|.a1d|.a2d) .v4 (.f32|.s32|.u32) .f32", &build_texture<Read::kSample>,
     kNote},
    {"tex [.level] (.cube|.acube) .v4 (.f32|.s32|.u32) .f32", &build_texture<Read::kCube>,
     kCubeNote},
    {"tld4 (.r|.g|.b|.a) (.2d|.a2d) .v4 (.f32|.s32|.u32) .f32", &build_texture<Read::kGather>,
     kNote},
    {"suld .b (.1d|.2d|.3d|.a1d|.a2d) [.v2|.v4] (.b8|.b16|.b32|.b64) [.trap|.clamp|.zero]",
     &build_surface<true>},
    {"sust .b (.1d|.2d|.3d|.a1d|.a2d) [.v2|.v4] (.b8|.b16|.b32|.b64) [.trap|.clamp|.zero]",
     &build_surface<false>},
    {"txq (.width|.height|.depth) .b32", &build_query<false>},
    {"suq (.width|.height|.depth) .b32", &build_query<true>},
});

}  // namespace

Family texture_family() { return {"Textures and surfaces", "texture.cc", kTextureForms}; }

}  // namespace slipstream::emulator
