// Which loads and stores there are, and what executes each.
#include <algorithm>

#include "emulator/decoder/function_decoder.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/memory_access.h"
#include "emulator/instructions/memory_load.h"
#include "emulator/instructions/memory_store.h"
#include "emulator/instructions/parameter_block.h"
#include "emulator/instructions/plain_memory.h"

namespace slipstream::emulator {
namespace {

AddressSpace space_of(const Builder& builder) {
  const auto has = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return builder.has(name); });
  };
  if (has({".global", ".const"})) {
    return AddressSpace::kGlobal;
  }
  if (has({".shared", ".shared::cta", ".shared::cluster"})) {
    return AddressSpace::kShared;
  }
  if (has({".local"})) {
    return AddressSpace::kLocal;
  }
  return has({".param", ".param::entry", ".param::func"}) ? AddressSpace::kParameter
                                                          : AddressSpace::kGeneric;
}

bool is_ordered(const Builder& builder, AddressSpace space) {
  const bool strong =
      builder.has(".volatile") || builder.has(".mmio") ||
      ((builder.has(".relaxed") || builder.has(".acquire") || builder.has(".release")) &&
       (builder.has(".gpu") || builder.has(".sys")));
  return strong && (space == AddressSpace::kGlobal || space == AddressSpace::kGeneric);
}

std::optional<ParameterBlock> block_of(Builder& builder, const ptx::Operand& address) {
  if (address.kind != ptx::OperandKind::kAddress || address.base != ptx::AddressBase::kVariable ||
      address.variable->space != ptx::Space::kParam) {
    return std::nullopt;
  }
  return builder.decoder().parameter_block(*address.variable);
}

// nvcc marks wide loads of which it uses only some bytes.
bool is_partial(Builder& builder) {
  const ptx::Function& function = builder.decoder().function();
  const auto index = static_cast<uint32_t>(&builder.instruction() - function.instructions.data());
  return std::any_of(function.pragmas.begin(), function.pragmas.end(), [&](const ptx::Pragma& p) {
    return p.instruction == index && p.text.find("used_bytes_mask") != std::string_view::npos;
  });
}

// The registers of a vector operand, or the one that it is.
std::span<const ptx::Operand> elements(Builder& builder, const ptx::Operand& operand) {
  return operand.kind == ptx::OperandKind::kVector ? builder.children(operand)
                                                   : std::span(&operand, 1);
}

template <class T, size_t kCount>
Handler load_handler(const Access& access) {
  const auto path = path_of(access);
  if (path == Path::kGlobal) return &load_memory<T, kCount, Path::kGlobal>;
  if (path == Path::kGeneric) return &load_memory<T, kCount, Path::kGeneric>;
  if (path == Path::kLocal) return &load_local<T, kCount>;
  return path == Path::kShared ? &load_memory<T, kCount, Path::kShared> : &load_any<T, kCount>;
}
template <class T, size_t kCount>
Handler store_handler(const Access& access) {
  const auto path = path_of(access);
  if (path == Path::kGlobal) return &store_memory<T, kCount, Path::kGlobal>;
  if (path == Path::kGeneric) return &store_memory<T, kCount, Path::kGeneric>;
  if (path == Path::kLocal) return &store_local<T, kCount>;
  return path == Path::kShared ? &store_memory<T, kCount, Path::kShared> : &store_any<T, kCount>;
}

template <class T, size_t kCount>
void build_access(Builder& builder, bool is_load, ptx::Type type) {
  const size_t address_index = is_load ? 1 : 0;
  const size_t value_index = is_load ? 0 : 1;
  const auto values = elements(builder, builder.operand(value_index));
  if (values.size() != kCount) {
    builder.reject("the number of registers does not fit .v2, .v4 or .v8");
  }
  const auto add_values = [&] {
    for (const ptx::Operand& value : values) {
      is_load ? builder.write(value, type) : builder.read(value, type);
    }
  };
  const ptx::Operand& address = builder.operand(address_index);
  if (const auto block = block_of(builder, address)) {
    add_values();
    builder.set_immediate(encode_block(*block, address.value));
    builder.set_handler(is_load ? &load_parameter<T, kCount> : &store_parameter<T, kCount>);
    return;
  }
  Access access;
  access.space = space_of(builder);
  access.ordered = is_ordered(builder, access.space);
  access.system =
      builder.has(".volatile") || builder.has(".mmio") || (access.ordered && builder.has(".sys"));
  access.strong = access.system || builder.has(".relaxed") || builder.has(".acquire") ||
                  builder.has(".release");
  access.releases = builder.has(".release");
  access.acquires = builder.has(".acquire");
  access.partial = is_load && is_partial(builder);
  access.word = is_load && kCount == 1 && sizeof(T) == sizeof(uint32_t) &&
                (builder.has(".relaxed") || builder.has(".acquire"));
  if (is_load) {
    add_values();
    access.wide_base = builder.read_raw_address(address_index) == 8;
  } else {
    access.wide_base = builder.read_raw_address(address_index) == 8;
    add_values();
  }
  access.offset = builder.immediate();
  builder.set_immediate(encode(access));
  builder.set_handler(is_load ? load_handler<T, kCount>(access) : store_handler<T, kCount>(access));
  if (!is_load) builder.set_passing(Passing::kHandlerDecides);
}

template <size_t kCount>
void build_with_type(Builder& builder, bool is_load, std::string_view type) {
  const ptx::Type ptx_type = ptx::type_from_name(type.substr(1));
  if (type == ".s8") {
    build_access<int8_t, kCount>(builder, is_load, ptx_type);
    return;
  }
  switch (ptx::size_of(ptx_type)) {
    case 1:
      return build_access<uint8_t, kCount>(builder, is_load, ptx_type);
    case 2:
      return build_access<uint16_t, kCount>(builder, is_load, ptx_type);
    case 4:
      return build_access<uint32_t, kCount>(builder, is_load, ptx_type);
    case 8:
      if constexpr (kCount <= 4) return build_access<uint64_t, kCount>(builder, is_load, ptx_type);
      break;
    case 16:
      if constexpr (kCount == 1) return build_access<Bits128, kCount>(builder, is_load, ptx_type);
      break;
    default:
      break;
  }
  builder.reject("no such combination of vector and type");
}

// The last slot of the pattern is the type, the one before it the vector.
void build_memory(Builder& builder, bool is_load) {
  // A third operand is a cache policy, which means nothing here.
  builder.expect_operands(2, 3);
  const std::string_view type = builder.last_slot();
  if (builder.has(".v2")) {
    build_with_type<2>(builder, is_load, type);
  } else if (builder.has(".v4")) {
    build_with_type<4>(builder, is_load, type);
  } else {
    build_with_type<1>(builder, is_load, type);
  }
}
void build_load(Builder& builder) { build_memory(builder, true); }
void build_store(Builder& builder) { build_memory(builder, false); }

constexpr auto kMemoryForms = std::to_array<Form>({
    {"ld [.weak|.volatile|.relaxed|.acquire] [.mmio] [.cta|.cluster|.gpu|.sys] "
     "[.const|.global|.local|.param|.param::entry|.param::func|.shared|.shared::cta|"
     ".shared::cluster] [.nc] [.ca|.cg|.cs|.lu|.cv] "
     "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate] "
     "[.L2::evict_normal|.L2::evict_first|.L2::evict_last] [.L2::cache_hint] "
     "[.L2::64B|.L2::128B|.L2::256B] [.v2|.v4] "
     "(.b8|.b16|.b32|.b64|.b128|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_load, "cache hints have no effect; .nc reads what any load would"},
    {"ldu [.global] [.v2|.v4] (.b8|.b16|.b32|.b64|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_load},
    {"st [.weak|.volatile|.relaxed|.release] [.mmio] [.cta|.cluster|.gpu|.sys] "
     "[.global|.local|.param|.param::func|.shared|.shared::cta|.shared::cluster] "
     "[.wb|.cg|.cs|.wt] "
     "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate] "
     "[.L2::cache_hint] [.v2|.v4] "
     "(.b8|.b16|.b32|.b64|.b128|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64)",
     &build_store, "cache hints have no effect"},
});

}  // namespace

Family memory_family() { return {"Loads and stores", "memory.cc", kMemoryForms}; }

}  // namespace slipstream::emulator
