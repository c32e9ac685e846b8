// wmma.load and wmma.store: fragments from memory and back. See wmma.cc for where elements lie.
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/matrix_operands.h"
#include "emulator/machine/access.h"

namespace slipstream::emulator {
namespace {

// How a fragment is used in the tiles of a product.
enum class Use : uint8_t { kRows, kColumns, kSumsBelow, kSumsBeside };

// A fragment, small enough for Operation::immediate. Its elements have an outer and an inner index: row or column and
// depth, of sums row and column (of the transposed matrix for m8n32).
struct Fragment {
  Use use = Use::kRows;
  AddressSpace space = AddressSpace::kGeneric;
  uint8_t registers = 0;  // that differ
  uint8_t copies = 1;     // how often they come
  uint8_t tile_registers = 0;
  uint8_t row_groups = 2;  // of a tile: 8 rows each
  uint8_t element_bits = 0;
  bool inner_contiguous = true;  // in memory; the other index is multiplied by the stride

  uint32_t register_bytes() const { return element_bits == 64 ? 8 : 4; }
  uint32_t per_register() const { return 8 * register_bytes() / element_bits; }
  // Elements of a register that are next to each other in memory.
  uint32_t chunk() const { return inner_contiguous ? per_register() : 1; }
};
static_assert(sizeof(Fragment) == sizeof(int64_t));

struct Position {
  uint32_t outer = 0;
  uint32_t inner = 0;
};

Position position_of(const Fragment& fragment, uint32_t index, uint32_t element, uint32_t lane) {
  const uint32_t tile = index / fragment.tile_registers;
  const uint32_t in_tile = index % fragment.tile_registers;
  const uint32_t elements = fragment.per_register();
  const uint32_t group = lane / 4;
  const uint32_t thread = lane % 4;
  const uint32_t tile_rows = 8U * fragment.row_groups;
  if (fragment.use == Use::kRows) {
    return {tile * tile_rows + 8 * (in_tile % fragment.row_groups) + group,
            (4 * (in_tile / fragment.row_groups) + thread) * elements + element};
  }
  if (fragment.use == Use::kColumns)
    return {8 * tile + group, (4 * in_tile + thread) * elements + element};
  const uint32_t sum = in_tile * elements + element;
  const bool below = fragment.use == Use::kSumsBelow;
  return {(below ? tile * tile_rows : 0) + 8 * (sum / 2) + group,
          (below ? 0 : 8 * tile) + 2 * thread + sum % 2};
}

// Calls visit(register, lane, byte in the register, address, bytes) for what is contiguous in memory. Operands: the
// registers, then base, offset and stride.
template <class Visit>
void for_each_chunk(const Operation& operation, Warp& warp, const Fragment& fragment, Visit visit) {
  const uint32_t first = fragment.registers * fragment.copies;
  const auto* const base = listed_operand<const uint64_t>(operation, warp, first);
  const auto* const offset = listed_operand<const uint64_t>(operation, warp, first + 1);
  const auto* const stride = listed_operand<const uint32_t>(operation, warp, first + 2);
  const uint32_t bytes = fragment.chunk() * fragment.element_bits / 8;
  for (uint32_t index = 0; index < fragment.registers; ++index) {
    for_each_lane(warp.live, [&](uint32_t lane) {
      for (uint32_t element = 0; element < fragment.per_register(); element += fragment.chunk()) {
        const auto [outer, inner] = position_of(fragment, index, element, lane);
        const uint64_t place = fragment.inner_contiguous ? uint64_t{outer} * stride[lane] + inner
                                                         : uint64_t{inner} * stride[lane] + outer;
        visit(index, lane, element * fragment.element_bits / 8,
              base[lane] + offset[lane] + place * fragment.element_bits / 8, bytes);
      }
    });
  }
}

void load_fragment(const Operation& operation, Warp& warp) {
  const auto fragment = std::bit_cast<Fragment>(operation.immediate);
  for_each_chunk(
      operation, warp, fragment,
      [&](uint32_t index, uint32_t lane, uint32_t byte, uint64_t address, uint32_t bytes) {
        auto* const target = listed_operand<std::byte>(operation, warp, index);
        load(warp, lane, fragment.space, address, target + lane * fragment.register_bytes() + byte,
             bytes, bytes);
      });
  for (uint32_t index = fragment.registers; index < fragment.registers * fragment.copies; ++index) {
    std::memcpy(listed_operand<std::byte>(operation, warp, index),
                listed_operand<const std::byte>(operation, warp, index % fragment.registers),
                kWarpSize * fragment.register_bytes());
  }
}

void store_fragment(const Operation& operation, Warp& warp) {
  const auto fragment = std::bit_cast<Fragment>(operation.immediate);
  for_each_chunk(
      operation, warp, fragment,
      [&](uint32_t index, uint32_t lane, uint32_t byte, uint64_t address, uint32_t bytes) {
        const auto* const source = listed_operand<const std::byte>(operation, warp, index);
        store(warp, lane, fragment.space, address, source + lane * fragment.register_bytes() + byte,
              bytes, bytes);
      });
}

// --- Building.

struct Shape {
  uint32_t m = 0;
  uint32_t n = 0;
  uint32_t k = 0;
};

// Slots of the patterns.
constexpr size_t kMatrix = 1;
constexpr size_t kLayout = 4;
constexpr size_t kShape = 5;

Shape shape_of(const Builder& builder) {
  const std::string_view text = builder.slot(kShape);  // ".m16n16k8"
  const auto number_after = [&](char letter) {
    uint32_t number = 0;
    std::from_chars(text.data() + text.find(letter) + 1, text.data() + text.size(), number);
    return number;
  };
  return {number_after('m'), number_after('n'), number_after('k')};
}

uint8_t bits_of(std::string_view type) {
  const std::string_view digits = type.substr(type.find_first_of("0123456789"));  // ".tf32"
  uint32_t bits = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  return static_cast<uint8_t>(bits);
}

AddressSpace space_of(const Builder& builder) {
  if (builder.has(".global")) return AddressSpace::kGlobal;
  return builder.has(".shared") || builder.has(".shared::cta") ? AddressSpace::kShared
                                                               : AddressSpace::kGeneric;
}

Fragment fragment_of(const Builder& builder) {
  const Shape shape = shape_of(builder);
  const std::string_view matrix = builder.slot(kMatrix);
  const bool row_major = builder.slot(kLayout) == ".row";
  const bool transposed = shape.m == 8 && shape.n == 32;
  Fragment fragment;
  fragment.space = space_of(builder);
  fragment.element_bits = bits_of(builder.last_slot());
  fragment.row_groups = shape.m == 8 && shape.n == 8 ? 1 : 2;
  const uint32_t lane_elements = kWarpSize * fragment.per_register();
  if (matrix == ".c" || matrix == ".d") {
    fragment.use = shape.m == 32 || transposed ? Use::kSumsBelow : Use::kSumsBeside;
    fragment.inner_contiguous = row_major != transposed;
    fragment.registers = static_cast<uint8_t>(shape.m * shape.n / lane_elements);
    fragment.tile_registers = static_cast<uint8_t>(fragment.row_groups * 64 / lane_elements);
    return fragment;
  }
  const bool is_a = matrix == ".a";
  fragment.use = is_a != transposed ? Use::kRows : Use::kColumns;
  fragment.inner_contiguous = row_major == is_a;
  fragment.registers = static_cast<uint8_t>((is_a ? shape.m : shape.n) * shape.k / lane_elements);
  const uint32_t tile_height = fragment.use == Use::kRows ? 8 * fragment.row_groups : 8;
  fragment.tile_registers = static_cast<uint8_t>(tile_height * shape.k / lane_elements);
  // Fragments of f16 have eight registers whatever the shape.
  if (builder.last_slot() == ".f16") fragment.copies = static_cast<uint8_t>(8 / fragment.registers);
  return fragment;
}

// What the stride is where it is not given: matrices without gaps.
uint32_t packed_stride(const Builder& builder) {
  const Shape shape = shape_of(builder);
  const std::string_view matrix = builder.slot(kMatrix);
  const uint32_t rows = matrix == ".b" ? shape.k : shape.m;
  const uint32_t columns = matrix == ".a" ? shape.k : shape.n;
  return builder.slot(kLayout) == ".row" ? columns : rows;
}

template <bool kIsLoad>
void build_transfer(Builder& builder) {
  builder.expect_operands(2, 3);
  const Fragment fragment = fragment_of(builder);
  const size_t count = size_t{fragment.registers} * fragment.copies;
  const ptx::Type type = fragment.element_bits == 64 ? ptx::Type::kB64 : ptx::Type::kB32;
  for (const ptx::Operand& one : registers_of(builder, kIsLoad ? 0 : 1, count)) {
    kIsLoad ? builder.write(one, type) : builder.read(one, type);
  }
  builder.read_address_and_offset(kIsLoad ? 1 : 0);
  if (builder.count() == 3) {
    builder.read(2, ptx::Type::kU32);
  } else {
    builder.read_constant(packed_stride(builder), ptx::Type::kU32);
  }
  builder.set_immediate(std::bit_cast<int64_t>(fragment));
  builder.set_handler(kIsLoad ? &execute_aligned<load_fragment> : &execute_aligned<store_fragment>);
}
constexpr auto kLoad = &build_transfer<true>;
constexpr auto kStore = &build_transfer<false>;

constexpr auto kWmmaMemoryForms = std::to_array<Form>({
    {"wmma .load (.a|.b) .sync .aligned (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) "
     "[.global|.shared|.shared::cta] (.f16|.bf16|.s8|.u8)",
     kLoad, "elements lie as on an H200"},
    {"wmma .load (.a|.b) .sync .aligned (.row|.col) .m16n16k8 [.global|.shared|.shared::cta] .tf32",
     kLoad},
    {"wmma .load (.a|.b) .sync .aligned (.row|.col) .m8n8k4 [.global|.shared|.shared::cta] .f64",
     kLoad},
    {"wmma .load .a .sync .aligned .row .m8n8k32 [.global|.shared|.shared::cta] (.s4|.u4)", kLoad},
    {"wmma .load .b .sync .aligned .col .m8n8k32 [.global|.shared|.shared::cta] (.s4|.u4)", kLoad},
    {"wmma .load .a .sync .aligned .row .m8n8k128 [.global|.shared|.shared::cta] .b1", kLoad},
    {"wmma .load .b .sync .aligned .col .m8n8k128 [.global|.shared|.shared::cta] .b1", kLoad},
    {"wmma .load .c .sync .aligned (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) "
     "[.global|.shared|.shared::cta] (.f16|.f32|.s32)",
     kLoad},
    {"wmma .load .c .sync .aligned (.row|.col) .m16n16k8 [.global|.shared|.shared::cta] .f32",
     kLoad},
    {"wmma .load .c .sync .aligned (.row|.col) .m8n8k4 [.global|.shared|.shared::cta] .f64", kLoad},
    {"wmma .load .c .sync .aligned (.row|.col) (.m8n8k32|.m8n8k128) [.global|.shared|.shared::cta] "
     ".s32",
     kLoad},
    {"wmma .store .d .sync .aligned (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) "
     "[.global|.shared|.shared::cta] (.f16|.f32|.s32)",
     kStore},
    {"wmma .store .d .sync .aligned (.row|.col) .m16n16k8 [.global|.shared|.shared::cta] .f32",
     kStore},
    {"wmma .store .d .sync .aligned (.row|.col) .m8n8k4 [.global|.shared|.shared::cta] .f64",
     kStore},
    {"wmma .store .d .sync .aligned (.row|.col) (.m8n8k32|.m8n8k128) "
     "[.global|.shared|.shared::cta] .s32",
     kStore},
});

}  // namespace

Family wmma_memory_family() { return {"Fragments in memory", "wmma_memory.cc", kWmmaMemoryForms}; }

}  // namespace slipstream::emulator
