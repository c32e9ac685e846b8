// A PTX module as parsed: declarations, functions and instructions with every name resolved to an
// index or a pointer.
//
// The tree keeps what the text says and nothing of what it means: opcodes are strings with their
// modifiers split off, so an instruction that is not implemented still parses and becomes an error
// only when its kernel is decoded for a launch.
//
// A Module is immutable once parsed and is shared by pointer. Views and pointers inside it live as
// long as it does.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace slipstream::ptx {

// Scalar types of registers, variables and parameters.
enum class Type : uint8_t {
  kNone,
  kPred,
  kB8,
  kB16,
  kB32,
  kB64,
  kB128,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kF16,
  kF16x2,
  kBf16,
  kBf16x2,
  kF32,
  kF64,
  kOpaque,  // .texref, .samplerref, .surfref, .tensormap
};

// Bytes of one element in memory; 0 for kNone and kPred, which have no memory form.
uint32_t size_of(Type type);
std::string_view name_of(Type type);  // ".u32"
// The type that `modifier` ("u32", no dot) names, or kNone.
Type type_from_name(std::string_view modifier);

enum class Space : uint8_t { kGeneric, kRegister, kGlobal, kConst, kShared, kLocal, kParam };
std::string_view name_of(Space space);

enum class Linkage : uint8_t { kLocal, kVisible, kExtern, kWeak, kCommon };

inline constexpr uint32_t kNoIndex = 0xffffffffU;

// One address that an initializer puts into a variable: `symbol + addend`, as a generic address if
// `generic`.
struct Function;
struct Variable;
struct Relocation {
  uint64_t offset = 0;  // byte in the variable
  uint32_t width = 8;   // bytes written there
  // Mask operators such as 0xFF00(symbol): the address is shifted right by this many bits.
  uint32_t shift = 0;
  const Variable* variable = nullptr;  // exactly one of the two is set
  const Function* function = nullptr;
  int64_t addend = 0;
  bool generic = false;
};

// A .global, .const, .shared, .local or .param variable, at module or function scope.
struct Variable {
  std::string_view name;
  Space space = Space::kGlobal;
  Linkage linkage = Linkage::kLocal;
  Type type = Type::kNone;
  uint32_t vector = 1;      // 2 or 4 for .v2 and .v4 elements
  uint32_t alignment = 1;   // declared, or natural
  uint64_t elements = 1;    // product of the array dimensions; 0 for an extern array without a size
  uint64_t size = 0;        // bytes; 0 for an extern array without a size (dynamic shared memory)
  uint64_t offset = 0;      // kernel and function parameters: byte offset in the parameter block
  bool is_pointer = false;  // parameters: .ptr
  Space pointer_space = Space::kGeneric;
  uint32_t pointer_alignment = 1;
  std::string_view attribute;        // text inside .attribute(...), e.g. ".managed"
  std::vector<uint8_t> initializer;  // empty: zeros. Never longer than `size`; the rest is zero.
  std::vector<Relocation> relocations;
  const Function* function = nullptr;  // the function that declares it, or null at module scope
  uint32_t line = 0;
};

// An opcode spelling, kept once per module: "ld.global.nc.v4.u32" is head "ld" and five modifiers.
struct Opcode {
  std::string_view text;
  std::string_view head;
  std::vector<std::string_view> modifiers;  // without dots; "L2::128B" is one
  uint32_t index = 0;                       // position in Module::opcodes, for tables on the side

  [[nodiscard]] bool has(std::string_view modifier) const;
};

enum class OperandKind : uint8_t {
  kRegister,         // index: register
  kInteger,          // value: the constant, sign-extended to 64 bits
  kFloat32,          // value: its 32 bits (0f3F800000)
  kFloat64,          // value: its 64 bits (0d..., or a decimal constant such as 1.5)
  kSymbol,           // variable, value: byte offset. The address of a variable as a value
  kFunction,         // function: a call target, or the address of a function as a value
  kLabel,            // index: instruction the label stands before (may equal instructions.size())
  kAddress,          // [base + value]: see `base`; children: tensor coordinates of [base, {c0, c1}]
  kVector,           // {a, b, ...}: children
  kList,             // (a, b, ...) of a call: children
  kPair,             // p|q: two children
  kSpecialRegister,  // Module::text(operand): "%tid.x"
  kSink,             // _
  kPrototype,        // index: Function::prototypes (indirect call)
  // index: Function::branch_targets (brx.idx, or an indirect call's .calltargets)
  kBranchTargets,
};

enum class AddressBase : uint8_t { kRegister, kVariable, kAbsolute };

struct Operand {
  OperandKind kind = OperandKind::kSink;
  AddressBase base = AddressBase::kAbsolute;  // kAddress only
  bool negated = false;                       // !p, or -%r in the few places that allow it
  uint8_t component = 0;  // 1 to 4 for .x .y .z .w (or .r .g .b .a) of a vector register, else 0
  uint16_t count = 0;     // children; they are operands [first, first + count) of the function
  uint16_t text_length = 0;
  uint32_t text_offset = 0;
  // Register of kRegister and of an address with a register base; others as above.
  uint32_t index = kNoIndex;
  uint32_t first = kNoIndex;  // first child
  int64_t value = 0;
  union {
    const Variable* variable = nullptr;  // kSymbol, kAddress with a variable base
    const Function* function;            // kFunction
  };
};

struct Instruction {
  const Opcode* opcode = nullptr;
  uint32_t guard = kNoIndex;  // predicate register of @p, or kNoIndex
  bool guard_negated = false;
  uint16_t operand_count = 0;
  uint32_t first_operand = 0;  // operands [first_operand, + operand_count) of the function
  uint32_t location = 0;       // index into Module::locations; 0 is "unknown"
  uint32_t line = 0;           // of the PTX text, 1-based
  uint32_t text_offset = 0;
  uint32_t text_length = 0;  // from guard to semicolon, for messages
};

// One `.reg` declaration: registers [first, first + count) of the function, named prefix0.. or, if
// count is 1 and `numbered` is false, just `name`.
struct RegisterDeclaration {
  std::string_view name;
  Type type = Type::kNone;
  uint8_t vector = 1;
  bool numbered = false;
  uint32_t first = 0;
  uint32_t count = 1;
};

struct Label {
  std::string_view name;
  uint32_t instruction = 0;  // the instruction it stands before
};

// Launch-shape directives; zeros mean "not given".
struct PerformanceDirectives {
  std::array<uint32_t, 3> maxntid{};
  std::array<uint32_t, 3> reqntid{};
  std::array<uint32_t, 3> reqnctapercluster{};
  uint32_t maxclusterrank = 0;
  uint32_t minnctapersm = 0;
  uint32_t maxnreg = 0;
  bool explicitcluster = false;
  bool blocksareclusters = false;
  bool noreturn = false;
};

// Shape of an indirect call, from .callprototype.
struct Prototype {
  std::string_view name;
  std::deque<Variable> results;
  std::deque<Variable> parameters;
  bool noreturn = false;
};

struct BranchTargets {
  std::string_view name;
  std::vector<uint32_t> instructions;      // .branchtargets
  std::vector<const Function*> functions;  // .calltargets
};

// A .pragma string and the instruction it stands before, e.g. "used_bytes_mask 2047" before a wide
// load of which only those bytes are used.
struct Pragma {
  std::string_view text;
  uint32_t instruction = 0;
};

struct Function {
  std::string_view name;
  bool is_entry = false;
  bool has_body = false;
  Linkage linkage = Linkage::kLocal;
  std::deque<Variable> results;     // (device functions) return parameters
  std::deque<Variable> parameters;  // offset and size filled in
  uint64_t parameter_bytes = 0;
  PerformanceDirectives directives;
  std::vector<RegisterDeclaration> register_declarations;
  std::vector<Type> register_types;  // by register index: the declared element type
  // .local, .shared, .param, .const and .global variables declared in the body, in any scope.
  std::deque<Variable> variables;
  std::vector<Instruction> instructions;
  std::vector<Operand> operands;  // pool; see Instruction::first_operand and Operand::first
  std::vector<Label> labels;      // ordered by instruction
  std::vector<Prototype> prototypes;
  std::vector<BranchTargets> branch_targets;
  std::vector<Pragma> pragmas;  // ordered by instruction
  uint32_t line = 0;

  [[nodiscard]] std::span<const Operand> operands_of(const Instruction& instruction) const {
    return {operands.data() + instruction.first_operand, instruction.operand_count};
  }
  [[nodiscard]] std::span<const Operand> children_of(const Operand& operand) const {
    return operand.count == 0
               ? std::span<const Operand>{}
               : std::span<const Operand>{operands.data() + operand.first, operand.count};
  }
  // "%r12", rebuilt from the declaration.
  [[nodiscard]] std::string register_name(uint32_t index) const;
  [[nodiscard]] const Variable* find_parameter(std::string_view parameter_name) const;
};

// A .loc: where in the CUDA source an instruction comes from. `inlined_at` is the call site's own
// location index, or 0.
struct Location {
  uint32_t file = 0;  // key of Module::files
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t inlined_at = 0;
  std::string_view function_name;  // mangled name of the inlined function, or empty

  bool operator==(const Location&) const = default;
};

class ParseError : public std::runtime_error {
 public:
  ParseError(const std::string& file, uint32_t line, const std::string& what);
  [[nodiscard]] uint32_t line() const { return line_; }

 private:
  uint32_t line_;
};

class Module {
 public:
  // Parses `text`; `name` stands for the file in messages. Throws ParseError.
  static std::shared_ptr<const Module> parse(std::string text, std::string name);

  std::string name;
  std::string source;                            // the whole text
  uint32_t version = 0;                          // 90 for .version 9.0 (major * 10 + minor)
  std::string_view target;                       // "sm_90a"
  std::vector<std::string_view> target_options;  // "debug", "texmode_independent", ...
  uint32_t address_size = 64;

  std::deque<Opcode> opcodes;
  // In order of first mention; a declaration and its definition are one.
  std::deque<Function> functions;
  std::deque<Variable> variables;                   // module scope, in order
  std::unordered_map<uint32_t, std::string> files;  // .file table
  std::vector<Location> locations;                  // [0] is "unknown"

  const Function* find_function(std::string_view function_name) const;
  const Variable* find_variable(std::string_view variable_name) const;

  std::string_view text(const Instruction& instruction) const {
    return std::string_view(source).substr(instruction.text_offset, instruction.text_length);
  }
  std::string_view text(const Operand& operand) const {
    return std::string_view(source).substr(operand.text_offset, operand.text_length);
  }
  // "file.cu:12:3", then " inlined at file.cu:40:7" per level; without .loc, "name.ptx:line".
  std::string describe_location(const Instruction& instruction) const;

 private:
  friend class Parser;
  Module() = default;

  std::unordered_map<std::string_view, Function*> functions_by_name_;
  std::unordered_map<std::string_view, Variable*> variables_by_name_;
  std::deque<std::string> strings_;  // decoded texts that views point into
};

}  // namespace slipstream::ptx
