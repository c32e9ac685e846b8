// Copies a box between a tensor and shared memory, and says element by element where each must be.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "emulator/machine/access.h"
#include "emulator/machine/tensor_map.h"
#include "lane_program.h"

namespace slipstream::emulator {

inline constexpr uint32_t kBoxBytes = 16384;  // of shared memory that a program copies in or out
inline constexpr uint32_t kBarrierBytes = 16;

using Bytes = std::vector<uint8_t>;

// A tensor in host memory, and the box of it that is copied.
struct TensorCase {
  TensorMap map;  // without address
  std::array<int32_t, 5> at{};
  uint32_t shared_offset = 0;  // of the box: a multiple of 128

  uint32_t steps(size_t i) const { return (map.box[i] + map.step[i] - 1) / map.step[i]; }
  uint32_t element_bytes() const { return bytes_of(map.type); }
  uint64_t tensor_bytes() const {
    return map.rank == 1 ? map.size[0] * element_bytes()
                         : map.size[map.rank - 1U] * map.strides[map.rank - 2U];
  }
  uint32_t box_bytes() const {
    uint32_t bytes = element_bytes();
    for (size_t i = 0; i < map.rank; ++i) bytes *= steps(i);
    return bytes;
  }
};

inline TensorCase make_case(TensorType type, std::vector<uint64_t> size, std::vector<uint32_t> box,
                            std::vector<int32_t> at) {
  TensorCase one;
  one.map.type = type;
  one.map.rank = static_cast<uint8_t>(size.size());
  uint64_t stride = size[0] * bytes_of(type);
  for (size_t i = 0; i < size.size(); ++i) {
    one.map.size[i] = size[i];
    one.map.box[i] = box[i];
    one.map.step[i] = 1;
    one.at[i] = at[i];
    if (i == 0) continue;
    one.map.strides[i - 1] = (stride + 31) / 32 * 32;  // a multiple of 32 serves every layout
    stride = one.map.strides[i - 1] * size[i];
  }
  return one;
}

// An element of the box: where it is in the tensor (nothing: outside), and in shared memory.
using Visit = std::function<void(std::optional<uint64_t> tensor, uint32_t shared)>;

inline void for_each_element(const TensorCase& one, const Visit& visit) {
  const TensorMap& map = one.map;
  std::array<uint32_t, 5> count{1, 1, 1, 1, 1};
  for (size_t i = 0; i < map.rank; ++i) count[i] = one.steps(i);
  const uint32_t span = span_of(map.swizzle);
  const uint32_t pitch = std::max(count[0] * one.element_bytes(), span);
  std::array<uint32_t, 5> i{};
  uint32_t row = 0;
  for (i[4] = 0; i[4] < count[4]; ++i[4])
    for (i[3] = 0; i[3] < count[3]; ++i[3])
      for (i[2] = 0; i[2] < count[2]; ++i[2])
        for (i[1] = 0; i[1] < count[1]; ++i[1], ++row)
          for (i[0] = 0; i[0] < count[0]; ++i[0]) {
            bool inside = true;
            uint64_t offset = 0;
            for (size_t k = 0; k < map.rank; ++k) {
              const int64_t at = int64_t{one.at[k]} + int64_t{i[k]} * map.step[k];
              inside = inside && at >= 0 && at < static_cast<int64_t>(map.size[k]);
              const auto stride =
                  static_cast<int64_t>(k == 0 ? one.element_bytes() : map.strides[k - 1]);
              offset += static_cast<uint64_t>(at * stride);
            }
            const uint32_t address =
                kSharedBase + one.shared_offset + row * pitch + i[0] * one.element_bytes();
            // Bits 4 and up are those of the 128-byte line, as many as the span has chunks.
            const uint32_t flipped = span == 0 ? 0 : (address >> 7U) % (span / 16) * 16;
            visit(inside ? std::optional(offset) : std::nullopt, (address ^ flipped) - kSharedBase);
          }
}

inline Bytes pattern(size_t size, uint32_t seed) {
  Bytes bytes(size);
  uint32_t state = seed * 2654435761U + 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<uint8_t>(state >> 24U);
  }
  return bytes;
}

// The kernel: thread 0 runs `body`, then all of shared memory goes to `out`. %r1 is the box, %r2 an
// mbarrier for one arrival, %rd5 the map's generic address, %r10 and up are the coordinates.
inline std::string tensor_module(const TensorCase& one, std::string_view body) {
  std::string coordinates;
  for (size_t i = 0; i < one.map.rank; ++i) {
    coordinates += fmt::format("  mov.b32 %r{}, {};\n", 10 + i, one.at[i]);
  }
  return module_of(".param .align 128 .b8 map[128], .param .u64 in, .param .u64 out",
                   fmt::format(R"(
  ld.param.u64 %rd1, [in];
  ld.param.u64 %rd2, [out];
  mov.u32 %r0, dynamic_shared;
  add.u32 %r1, %r0, {offset};
  add.u32 %r2, %r0, {bytes};
  mov.u32 %r3, %tid.x;
  mov.b64 %rd5, map;
  cvta.param.u64 %rd5, %rd5;
  mul.wide.u32 %rd6, %r3, 16;
  add.s64 %rd1, %rd1, %rd6;
  add.s64 %rd2, %rd2, %rd6;
  shl.b32 %r4, %r3, 4;
  add.u32 %r4, %r4, %r0;
  mov.u32 %r5, 0;
fill:
  ld.global.v4.u32 {{%r20, %r21, %r22, %r23}}, [%rd1];
  st.shared.v4.u32 [%r4], {{%r20, %r21, %r22, %r23}};
  add.s64 %rd1, %rd1, 512;
  add.u32 %r4, %r4, 512;
  add.u32 %r5, %r5, 512;
  setp.lt.u32 %p1, %r5, {bytes};
  @%p1 bra fill;
  fence.proxy.async.shared::cta;
  setp.ne.u32 %p1, %r3, 0;
  @!%p1 mbarrier.init.shared::cta.b64 [%r2], 1;
  bar.sync 0;
  @%p1 bra done;
{coordinates}
{body}
done:
  bar.sync 0;
  shl.b32 %r4, %r3, 4;
  add.u32 %r4, %r4, %r0;
  mov.u32 %r5, 0;
drain:
  ld.shared.v4.u32 {{%r20, %r21, %r22, %r23}}, [%r4];
  st.global.v4.u32 [%rd2], {{%r20, %r21, %r22, %r23}};
  add.s64 %rd2, %rd2, 512;
  add.u32 %r4, %r4, 512;
  add.u32 %r5, %r5, 512;
  setp.lt.u32 %p1, %r5, {bytes};
  @%p1 bra drain;
  ret;
)",
                               fmt::arg("offset", one.shared_offset), fmt::arg("bytes", kBoxBytes),
                               fmt::arg("coordinates", coordinates), fmt::arg("body", body)));
}

// "{%r10, %r11}"
inline std::string coordinates_of(const TensorCase& one) {
  std::string text = "{%r10";
  for (size_t i = 1; i < one.map.rank; ++i) text += fmt::format(", %r{}", 10 + i);
  return text + "}";
}

inline std::string load_box(const TensorCase& one) {
  return fmt::format(R"(
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], {};
  cp.async.bulk.tensor.{}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd5, {}], [%r2];
wait:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r2], 0;
  @!%p2 bra wait;
)",
                     one.box_bytes(), one.map.rank, coordinates_of(one));
}

inline std::string store_box(const TensorCase& one) {
  return fmt::format(R"(
  cp.async.bulk.tensor.{}d.global.shared::cta.bulk_group [%rd5, {}], [%r1];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)",
                     one.map.rank, coordinates_of(one));
}

inline std::string reduce_box(const TensorCase& one, std::string_view operation) {
  return fmt::format(R"(
  cp.reduce.async.bulk.tensor.{}d.global.shared::cta.{}.tile.bulk_group [%rd5, {}], [%r1];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)",
                     one.map.rank, operation, coordinates_of(one));
}

// What a program has left behind.
struct TensorResult {
  std::optional<Fault> fault;
  Bytes tensor;
  Bytes shared;
  std::vector<RaceFinding> races;
};

// `written`: bytes of the tensor that are there before; nobody has written the rest.
inline TensorResult run_tensor_program(const TensorCase& one, std::string_view body,
                                       const Bytes& tensor, const Bytes& shared,
                                       Settings settings = {}, Dim3 grid = {},
                                       size_t written = std::numeric_limits<size_t>::max()) {
  TestDevice test(tensor_module(one, body), std::move(settings));
  TensorMap map = one.map;
  map.address = test.device.allocate(tensor.size(), MemoryKind::kDevice, "tensor");
  test.device.copy(map.address, reinterpret_cast<uint64_t>(tensor.data()),
                   std::min(written, tensor.size()));
  const std::array<uint64_t, 2> pointers = {test.upload(shared, "shared in"),
                                            test.upload(Bytes(kBoxBytes), "shared out")};
  KernelLaunch launch = test.launch({}, grid, {32, 1, 1});
  launch.dynamic_shared_bytes = kBoxBytes + kBarrierBytes;
  launch.parameters.resize(kTensorMapBytes + sizeof(pointers));
  const auto packed = pack(map);
  std::memcpy(launch.parameters.data(), packed.data(), kTensorMapBytes);
  std::memcpy(launch.parameters.data() + kTensorMapBytes, pointers.data(), sizeof(pointers));
  TensorResult result;
  result.fault = test.run(std::move(launch));
  result.tensor = test.download<uint8_t>(map.address, tensor.size());
  result.shared = test.download<uint8_t>(pointers[1], kBoxBytes);
  result.races = test.device.race_findings();
  return result;
}

}  // namespace slipstream::emulator
