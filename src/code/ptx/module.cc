#include "code/ptx/module.h"

#include <fmt/format.h>

#include <algorithm>

#include "code/ptx/module_parser.h"

namespace slipstream::ptx {
namespace {

struct TypeTraits {
  std::string_view name;  // with its dot
  uint32_t bytes;
};

// In the order of Type.
constexpr std::array<TypeTraits, 22> kTypes{{
    {".none", 0},   {".pred", 0}, {".b8", 1},  {".b16", 2},    {".b32", 4},   {".b64", 8},
    {".b128", 16},  {".u8", 1},   {".u16", 2}, {".u32", 4},    {".u64", 8},   {".s8", 1},
    {".s16", 2},    {".s32", 4},  {".s64", 8}, {".f16", 2},    {".f16x2", 4}, {".bf16", 2},
    {".bf16x2", 4}, {".f32", 4},  {".f64", 8}, {".opaque", 0},
}};
static_assert(kTypes.size() == static_cast<size_t>(Type::kOpaque) + 1);

const TypeTraits& traits(Type type) { return kTypes[static_cast<size_t>(type)]; }

}  // namespace

uint32_t size_of(Type type) { return traits(type).bytes; }

std::string_view name_of(Type type) { return traits(type).name; }

Type type_from_name(std::string_view modifier) {
  for (auto i = static_cast<size_t>(Type::kPred); i < static_cast<size_t>(Type::kOpaque); ++i) {
    if (kTypes[i].name.substr(1) == modifier) return static_cast<Type>(i);
  }
  return Type::kNone;
}

std::string_view name_of(Space space) {
  constexpr std::array<std::string_view, 7> kNames{"generic", "reg",   "global", "const",
                                                   "shared",  "local", "param"};
  return kNames[static_cast<size_t>(space)];
}

bool Opcode::has(std::string_view modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
}

std::string Function::register_name(uint32_t index) const {
  for (const RegisterDeclaration& declaration : register_declarations) {
    if (index - declaration.first < declaration.count) {
      return declaration.numbered ? fmt::format("{}{}", declaration.name, index - declaration.first)
                                  : std::string(declaration.name);
    }
  }
  return fmt::format("register {}", index);
}

const Variable* Function::find_parameter(std::string_view parameter_name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Variable& one) { return one.name == parameter_name; });
  return found == parameters.end() ? nullptr : &*found;
}

ParseError::ParseError(const std::string& file, uint32_t line, const std::string& what)
    : std::runtime_error(fmt::format("{}:{}: {}", file, line, what)), line_(line) {}

std::shared_ptr<const Module> Module::parse(std::string text, std::string name) {
  const std::shared_ptr<Module> module(new Module);
  module->name = std::move(name);
  module->source = std::move(text);
  Parser(*module).parse();
  return module;
}

const Function* Module::find_function(std::string_view function_name) const {
  const auto found = functions_by_name_.find(function_name);
  return found == functions_by_name_.end() ? nullptr : found->second;
}

const Variable* Module::find_variable(std::string_view variable_name) const {
  const auto found = variables_by_name_.find(variable_name);
  return found == variables_by_name_.end() ? nullptr : found->second;
}

std::string Module::describe_location(const Instruction& instruction) const {
  if (instruction.location == 0) return fmt::format("{}:{}", name, instruction.line);
  std::string result;
  for (uint32_t index = instruction.location; index != 0; index = locations[index].inlined_at) {
    const Location& location = locations[index];
    const auto file = files.find(location.file);
    result += fmt::format("{}{}:{}:{}", result.empty() ? "" : " inlined at ",
                          file == files.end() ? "?" : file->second, location.line, location.column);
  }
  return result;
}

}  // namespace slipstream::ptx
