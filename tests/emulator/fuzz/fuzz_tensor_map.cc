// Any arguments make a tensor map or are refused with a reason, and any 128 bytes are a map or none.
//
// The input is the arguments, 8 bytes each where they are numbers; what is left of it is taken for a
// map that a program has made by itself.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulator/device/tensor_map_encoding.h"

namespace emulator = slipstream::emulator;

namespace {

// Takes numbers from the input; zeros after its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint64_t number() {
    uint64_t value = 0;
    const size_t count = std::min(size_, sizeof(value));
    std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }
  template <class Number, size_t kCount>
  void fill(std::array<Number, kCount>& numbers) {
    for (Number& value : numbers) value = static_cast<Number>(number());
  }
  [[nodiscard]] std::array<std::byte, emulator::kTensorMapBytes> rest() const {
    std::array<std::byte, emulator::kTensorMapBytes> bytes{};
    if (size_ > 0) std::memcpy(bytes.data(), data_, std::min(size_, bytes.size()));
    return bytes;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

// What copies ask of a map that is well.
void use(const emulator::TensorMap& map) {
  if (map.rank < 1 || map.rank > emulator::kMaxTensorRank) __builtin_trap();
  for (size_t i = 1; i < map.rank; ++i) (void)emulator::count_of(map, i);
  if (emulator::shared_bytes_of(map) == 0 || emulator::row_pitch_of(map) == 0) __builtin_trap();
  const auto again = emulator::unpack(emulator::pack(map));
  if (!again || !(*again == map)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  std::array<uint64_t, emulator::kMaxTensorRank> sizes{};
  std::array<uint64_t, emulator::kMaxTensorRank - 1> strides{};
  std::array<uint32_t, emulator::kMaxTensorRank> box{};
  std::array<uint32_t, emulator::kMaxTensorRank> step{};
  emulator::TensorMapArguments arguments;
  arguments.type = static_cast<uint32_t>(input.number());
  arguments.rank = static_cast<uint32_t>(input.number());
  arguments.address = input.number();
  arguments.interleave = static_cast<uint32_t>(input.number());
  arguments.swizzle = static_cast<uint32_t>(input.number());
  arguments.fill = static_cast<uint32_t>(input.number());
  input.fill(sizes);
  input.fill(strides);
  input.fill(box);
  input.fill(step);
  arguments.size = sizes.data();
  arguments.strides = strides.data();
  arguments.box = box.data();
  arguments.step = step.data();
  try {
    const emulator::TensorMap map = emulator::encode_tensor_map(arguments);
    use(map);
    use(emulator::move_tensor_map(map, input.number()));
  } catch (const emulator::TensorMapError&) {
    // Refused, with a reason: that is right.
  }
  const auto bytes = input.rest();
  if (const auto map = emulator::unpack(bytes)) {
    if (emulator::pack(*map) != bytes) __builtin_trap();
  }
  return 0;
}
