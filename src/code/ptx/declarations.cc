#include "code/ptx/declarations.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "code/ptx/constant.h"

namespace slipstream::ptx {
namespace {

constexpr uint64_t kLargestVariable = uint64_t{1} << 40;
// An initializer with nested braces may leave gaps; this is the most it may span.
constexpr uint64_t kLargestInitializer = uint64_t{64} << 20;
constexpr uint32_t kMaxDimensions = 16;

uint32_t parse_alignment(Cursor& cursor) {
  const uint32_t alignment = cursor.unsigned_integer("an alignment");
  if (!std::has_single_bit(alignment)) {
    cursor.fail(fmt::format(".align must be a power of two, not {}", alignment));
  }
  return alignment;
}

std::string_view parse_attribute(Cursor& cursor) {
  cursor.expect('(', ".attribute");
  cursor.peek();
  const uint32_t start = cursor.offset();
  cursor.skip_past(')', ".attribute");
  const std::string_view text = cursor.text_from(start);
  return text.substr(0, text.size() - 1);
}

// "[.global] [.align n]" after .ptr describes the memory that is pointed to. Only its place after
// .ptr tells it from the alignment of the parameter itself.
void parse_specifier(Cursor& cursor, Variable& variable) {
  const std::string_view word = cursor.directive();
  if (word == "align") {
    (variable.is_pointer ? variable.pointer_alignment : variable.alignment) =
        parse_alignment(cursor);
  } else if (word == "ptr") {
    variable.is_pointer = true;
  } else if (word == "attribute") {
    variable.attribute = parse_attribute(cursor);
  } else if (word == "v2" || word == "v4") {
    variable.vector = word == "v2" ? 2 : 4;
  } else if (variable.is_pointer && variable_space(word)) {
    variable.pointer_space = *variable_space(word);
  } else if (word == "texref" || word == "samplerref" || word == "surfref" || word == "tensormap") {
    variable.type = Type::kOpaque;
  } else {
    variable.type = type_from_name(word);
    if (variable.type == Type::kNone || variable.type == Type::kPred) {
      cursor.fail(fmt::format("a variable's type must be a memory type, not .{}", word));
    }
  }
}

// Everything before the name. The declared alignment is kept in `alignment`; 0 means "natural".
Variable parse_specifiers(Cursor& cursor, Space space) {
  Variable variable;
  variable.space = space;
  variable.alignment = 0;
  while (cursor.peek() == '.') parse_specifier(cursor, variable);
  if (variable.type == Type::kNone) {
    cursor.fail(fmt::format("a variable must have a type before {}", cursor.describe_next()));
  }
  return variable;
}

// "[4][]": the bytes from one element of each dimension to the next are what a nested initializer
// needs.
std::vector<uint64_t> parse_dimensions(Cursor& cursor, Variable& variable) {
  std::vector<uint64_t> dimensions;
  while (cursor.accept('[')) {
    uint64_t extent = 0;
    if (cursor.peek() != ']') {
      extent = static_cast<uint64_t>(parse_integer_constant(cursor, "an array dimension"));
    }
    cursor.expect(']', "an array dimension");
    dimensions.push_back(extent);
    if (dimensions.size() > kMaxDimensions || extent > kLargestVariable) {
      cursor.fail(fmt::format("{} must have at most {} dimensions of at most {} elements",
                              variable.name, kMaxDimensions, kLargestVariable));
    }
  }
  for (const uint64_t extent : dimensions) {
    variable.elements *= extent;
    if (variable.elements > kLargestVariable) {
      cursor.fail(fmt::format("{} must have at most {} elements", variable.name, kLargestVariable));
    }
  }
  return dimensions;
}

uint32_t element_bytes(const Variable& variable) {
  constexpr uint32_t kOpaqueBytes = 64;
  return (variable.type == Type::kOpaque ? kOpaqueBytes : size_of(variable.type)) * variable.vector;
}

// Name and dimensions; fills in sizes.
std::vector<uint64_t> parse_declarator(Cursor& cursor, Variable& variable) {
  variable.line = cursor.line();
  variable.name = cursor.expect_word("a variable's name");
  std::vector<uint64_t> dimensions = parse_dimensions(cursor, variable);
  if (variable.alignment == 0) variable.alignment = element_bytes(variable);
  variable.size = variable.elements * element_bytes(variable);
  return dimensions;
}

class InitializerParser {
 public:
  InitializerParser(Cursor& cursor, const ScopeStack& scopes, Variable& variable,
                    std::vector<uint64_t> dimensions)
      : cursor_(cursor), scopes_(scopes), variable_(variable), dimensions_(std::move(dimensions)) {
    if (variable_.vector > 1) dimensions_.push_back(variable_.vector);
  }

  void parse() {
    parse_level(0, 0);
    // "x[] = {1, 2}" takes its size from the initializer.
    if (variable_.size == 0) {
      variable_.size = variable_.initializer.size();
      variable_.elements = variable_.size / element_bytes(variable_);
    }
  }

 private:
  [[nodiscard]] uint32_t scalar_bytes() const { return size_of(variable_.type); }

  // Bytes that one item of dimension `level` takes.
  [[nodiscard]] uint64_t stride(size_t level) const {
    uint64_t bytes = scalar_bytes();
    for (size_t inner = level + 1; inner < dimensions_.size(); ++inner) bytes *= dimensions_[inner];
    return bytes;
  }

  void parse_level(size_t level, uint64_t offset) {
    if (!cursor_.accept('{')) {
      parse_value(offset);
      return;
    }
    // A flat list is allowed for any number of dimensions.
    const bool nested = cursor_.peek() == '{';
    if (nested && level + 1 >= dimensions_.size()) {
      cursor_.fail(fmt::format("the initializer of {} must not nest deeper than {} levels",
                               variable_.name, dimensions_.size()));
    }
    const uint64_t step = nested ? stride(level) : scalar_bytes();
    if (cursor_.accept('}')) return;
    do {
      nested ? parse_level(level + 1, offset) : parse_value(offset);
      offset += step;
    } while (cursor_.accept(','));
    cursor_.expect('}', "an initializer");
  }

  void parse_value(uint64_t offset) {
    const char first = cursor_.peek();
    const bool is_symbol =
        first == '_' || first == '$' || first == '%' ||
        (static_cast<char>(first | 0x20) >= 'a' && static_cast<char>(first | 0x20) <= 'z');
    if (is_symbol) {
      parse_symbol(offset, cursor_.word(), 0);
      return;
    }
    const Number value = parse_constant(cursor_);
    if (value.kind == Number::Kind::kInteger && cursor_.accept('(')) {
      parse_masked_symbol(offset, value.bits);
    } else {
      store(offset, encode(value));
    }
  }

  // "0xFF00(symbol)": the byte of the address that the mask picks.
  void parse_masked_symbol(uint64_t offset, uint64_t mask) {
    if (mask == 0) cursor_.fail("an address mask must not be zero");
    parse_symbol(offset, cursor_.expect_word("a symbol"), std::countr_zero(mask));
    cursor_.expect(')', "a masked address");
  }

  // "name", "name + 8" or "generic(name) + 8".
  void parse_symbol(uint64_t offset, std::string_view name, uint32_t shift) {
    Relocation relocation{.offset = offset, .width = scalar_bytes(), .shift = shift};
    if (name == "generic" && cursor_.accept('(')) {
      relocation.generic = true;
      name = cursor_.expect_word("a symbol");
      relocation.addend = parse_addend();
      cursor_.expect(')', "generic()");
    }
    const Symbol symbol = scopes_.find(name);
    if (const auto* variable = std::get_if<const Variable*>(&symbol)) {
      relocation.variable = *variable;
    } else if (const auto* function = std::get_if<Function*>(&symbol)) {
      relocation.function = *function;
    } else {
      cursor_.fail(
          fmt::format("{} in the initializer of {} must be a variable or function declared before",
                      name, variable_.name));
    }
    relocation.addend += parse_addend();
    store(offset, 0);
    variable_.relocations.push_back(relocation);
  }

  int64_t parse_addend() {
    const char sign = cursor_.peek();
    return sign == '+' || sign == '-' ? parse_integer_constant(cursor_, "an address offset") : 0;
  }

  [[nodiscard]] uint64_t encode(const Number& value) const {
    const bool is_integer = value.kind == Number::Kind::kInteger;
    if (variable_.type == Type::kF32) {
      return value.kind == Number::Kind::kFloat64
                 ? std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(value.bits)))
             : is_integer
                 ? std::bit_cast<uint32_t>(static_cast<float>(static_cast<int64_t>(value.bits)))
                 : value.bits;
    }
    if (variable_.type == Type::kF64) {
      return value.kind == Number::Kind::kFloat32
                 ? std::bit_cast<uint64_t>(
                       static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(value.bits))))
             : is_integer
                 ? std::bit_cast<uint64_t>(static_cast<double>(static_cast<int64_t>(value.bits)))
                 : value.bits;
    }
    return value.bits;
  }

  void store(uint64_t offset, uint64_t bits) {
    const uint64_t stop = offset + scalar_bytes();
    if ((variable_.size != 0 && stop > variable_.size) || stop > kLargestInitializer) {
      cursor_.fail(fmt::format("the initializer of {} must fit its {} bytes", variable_.name,
                               variable_.size));
    }
    if (variable_.initializer.size() < stop) variable_.initializer.resize(stop);
    std::memcpy(variable_.initializer.data() + offset, &bits,
                std::min<uint64_t>(scalar_bytes(), sizeof(bits)));
  }

  Cursor& cursor_;
  const ScopeStack& scopes_;
  Variable& variable_;
  std::vector<uint64_t> dimensions_;
};

}  // namespace

std::optional<Space> variable_space(std::string_view directive) {
  if (directive == "global") {
    return Space::kGlobal;
  }
  if (directive == "shared") {
    return Space::kShared;
  }
  if (directive == "local") {
    return Space::kLocal;
  }
  if (directive == "param") {
    return Space::kParam;
  }
  if (directive == "const") {
    return Space::kConst;
  }
  return std::nullopt;
}

void parse_variables(Cursor& cursor, const ScopeStack& scopes, Space space, Linkage linkage,
                     const std::function<Variable*(const Variable&)>& declare) {
  Variable specifiers = parse_specifiers(cursor, space);
  specifiers.linkage = linkage;
  do {
    Variable variable = specifiers;
    std::vector<uint64_t> dimensions = parse_declarator(cursor, variable);
    Variable* kept = declare(variable);
    if (cursor.accept('=')) {
      if (kept->type == Type::kOpaque || kept->size != variable.size) {
        cursor.fail(fmt::format("{} must not have an initializer", variable.name));
      }
      InitializerParser(cursor, scopes, *kept, std::move(dimensions)).parse();
    }
  } while (cursor.accept(','));
  cursor.expect(';', "a variable's declaration");
}

uint64_t parse_parameters(Cursor& cursor, std::deque<Variable>& parameters) {
  parameters.clear();
  if (!cursor.accept('(') || cursor.accept(')')) return 0;
  uint64_t bytes = 0;
  do {
    const std::string_view space = cursor.directive();
    if (space != "param" && space != "reg") {
      cursor.fail(fmt::format("a parameter must be .param or .reg, not .{}", space));
    }
    Variable parameter =
        parse_specifiers(cursor, space == "param" ? Space::kParam : Space::kRegister);
    parse_declarator(cursor, parameter);
    bytes = (bytes + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
    parameter.offset = bytes;
    bytes += parameter.size;
    parameters.push_back(std::move(parameter));
  } while (cursor.accept(','));
  cursor.expect(')', "a parameter list");
  return bytes;
}

}  // namespace slipstream::ptx
