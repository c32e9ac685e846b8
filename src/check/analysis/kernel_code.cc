#include "check/analysis/kernel_code.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "check/analysis/fixpoint.h"
#include "check/analysis/flags.h"

namespace slipstream::check {
namespace {

// The types between the outermost parentheses of a demangled signature.
std::vector<std::string> split_parameters(const std::string& demangled) {
  std::vector<std::string> types;
  if (demangled.empty() || demangled.back() != ')') return types;
  int depth = 0;
  size_t end = demangled.size() - 1;
  for (size_t i = demangled.size(); i-- > 0;) {
    const char c = demangled[i];
    if (c == ')' || c == '>') ++depth;
    const bool separates = (c == ',' && depth == 1) || (c == '(' && depth == 1);
    if (separates) {
      const size_t first = demangled.find_first_not_of(' ', i + 1);
      if (first < end) types.push_back(demangled.substr(first, end - first));
      end = i;
    }
    if (c == '(' || c == '<') --depth;
    if (depth == 0 && c == '(') break;
  }
  std::reverse(types.begin(), types.end());
  return types;
}

bool is_pointer_to_constant(std::string_view type) { return type.ends_with(" const*"); }

// Types that hold no address. `unsigned long` may: std::uintptr_t is one.
bool is_number(std::string_view type) {
  constexpr auto kNumbers = std::to_array<std::string_view>(
      {"bool", "char", "signed char", "unsigned char", "short", "unsigned short", "int",
       "unsigned int", "long", "long long", "float", "double", "__half", "__nv_bfloat16",
       "__nv_fp8_e4m3", "c10::Half", "c10::BFloat16", "c10::Float8_e4m3fn"});
  return std::find(kNumbers.begin(), kNumbers.end(), type) != kNumbers.end();
}

// Orders roles by how much harm an early access does.
int danger(Role role) {
  switch (role) {
    case Role::kConstant:
      return 0;
    case Role::kPrivate:
      return 1;
    case Role::kSettled:
      return 2;
    case Role::kHandedOver:
      return 3;
    case Role::kUnknown:
      return 4;
    case Role::kHandsOver:
      return 5;
    case Role::kWritten:
      return 6;
    case Role::kProduced:
      return 7;
  }
  return 4;
}

// What a value may depend on.
struct Dependence {
  bool thread = false;
  bool block = false;
  bool memory = false;

  void add(const Dependence& other) {
    thread = thread || other.thread;
    block = block || other.block;
    memory = memory || other.memory;
  }
  bool operator==(const Dependence&) const = default;
};

Dependence dependence_of(const Operand& operand, const std::vector<Dependence>& registers) {
  switch (operand.kind) {
    case OperandKind::kRegister:
      return registers[operand.index];
    case OperandKind::kThreadX:
    case OperandKind::kThreadY:
    case OperandKind::kThreadZ:
    case OperandKind::kLane:
    case OperandKind::kWarp:
      return {.thread = true};
    case OperandKind::kBlockIndex:
    case OperandKind::kClusterRank:
      return {.block = true};
    default:
      return {};
  }
}

// By register.
std::vector<Dependence> find_dependences(const Function& function) {
  std::vector<Dependence> registers(function.register_count);
  until_nothing_changes(function, [&](uint32_t i, auto&& changed) {
    const Instruction& instruction = function.instructions[i];
    Dependence result{.thread = instruction.compute == Compute::kElect,
                      .memory = reads_memory(instruction.action)};
    for (const Operand& source : function.sources_of(instruction)) {
      result.add(dependence_of(source, registers));
    }
    for (const uint32_t reg : function.destinations_of(instruction)) {
      const Dependence before = registers[reg];
      registers[reg].add(result);
      if (registers[reg] != before) changed(reg);
    }
  });
  return registers;
}

ControlFlow flow_of(Function& function) {
  find_flags(function);
  return build_control_flow(function);
}

}  // namespace

bool Subject::operator<(const Subject& other) const {
  return std::lexicographical_compare(origins.begin(), origins.end(), other.origins.begin(),
                                      other.origins.end(), [](const Origin& a, const Origin& b) {
                                        return std::tie(a.kind, a.value) <
                                               std::tie(b.kind, b.value);
                                      });
}

KernelCode::KernelCode(Function function, std::string image, const KernelLaunch* launch,
                       std::vector<GraphEdge> edges)
    : function_(std::move(function)),
      image_(std::move(image)),
      demangled_(demangle(function_.name)),
      launch_(launch),
      edges_(std::move(edges)),
      gates_(open_wait_gates(function_)),
      flow_(flow_of(function_)) {
  read_parameter_types();
  origins_ = find_origins(function_);
  find_written();
  analysis_ = std::make_unique<OrderingAnalysis>(function_, flow_,
                                                 launch_ == nullptr ? 0 : launch_->block_threads);
  ordering_ = analysis_->run();
}

std::optional<bool> KernelCode::pdl() const {
  return launch_ == nullptr ? std::nullopt : launch_->pdl;
}

void KernelCode::read_parameter_types() {
  parameter_types_ = split_parameters(demangled_);
  if (parameter_types_.size() != function_.parameters.size()) parameter_types_.clear();
}

std::string KernelCode::describe_parameter(int64_t offset) const {
  for (size_t i = 0; i < function_.parameters.size(); ++i) {
    const code::Parameter& parameter = function_.parameters[i];
    const int64_t inside = offset - parameter.offset;
    if (inside < 0 || inside >= parameter.bytes) continue;
    const std::string type =
        i < parameter_types_.size() ? fmt::format(" ({})", parameter_types_[i]) : std::string();
    const std::string part = parameter.bytes > 8 ? fmt::format(", byte {}", inside) : std::string();
    return fmt::format("parameter {}{}{}", i, type, part);
  }
  return fmt::format("the parameter at byte {}", offset);
}

std::string KernelCode::describe(const Origin& origin) const {
  switch (origin.kind) {
    case OriginKind::kParameter:
      return describe_parameter(origin.value);
    case OriginKind::kVariable:
      return "variable " + demangle(function_.variables[static_cast<size_t>(origin.value)]);
    case OriginKind::kParameterBlock:
      return origin.value < 0 ? "a tensor map in the parameters"
                              : "the tensor map in " + describe_parameter(origin.value);
    case OriginKind::kLoaded:
      return "a pointer read through " +
             describe(origins_.table[static_cast<size_t>(origin.value)]);
    default:
      return "a pointer that could not be traced";
  }
}

std::string KernelCode::describe(const Subject& subject) const {
  std::vector<std::string> texts;
  for (const Origin& origin : subject.origins) texts.push_back(describe(origin));
  constexpr size_t kMostTold = 4;
  const size_t told = std::min(texts.size(), kMostTold);
  std::string text =
      fmt::format("{}", fmt::join(texts.begin(), texts.begin() + static_cast<long>(told), " or "));
  if (texts.size() > told) text += fmt::format(" or one of {} more pointers", texts.size() - told);
  return text;
}

Role KernelCode::role_of(const Origin& origin) const {
  if (launch_ == nullptr) return Role::kUnknown;
  for (const ParameterRole& role : launch_->roles) {
    if (!role.variable.empty()) {
      if (origin.kind == OriginKind::kVariable &&
          function_.variables[static_cast<size_t>(origin.value)] == role.variable) {
        return role.role;
      }
      continue;
    }
    if (origin.kind == OriginKind::kLoaded) {
      const Origin& through = origins_.table[static_cast<size_t>(origin.value)];
      // What a table of constant pointers points to is not told by the table's own role, except
      // that memory produced by others stays so.
      if (role_of(through) == Role::kProduced) return Role::kProduced;
      continue;
    }
    const bool by_offset = origin.kind == OriginKind::kParameter ||
                           (origin.kind == OriginKind::kParameterBlock && origin.value >= 0);
    if (!by_offset || role.index >= function_.parameters.size()) continue;
    const code::Parameter& parameter = function_.parameters[role.index];
    const int64_t inside = origin.value - parameter.offset;
    const bool matches =
        role.offset ? inside == *role.offset : inside >= 0 && inside < parameter.bytes;
    if (matches) return role.role;
  }
  return Role::kUnknown;
}

Role KernelCode::role_of(const Subject& subject) const {
  Role worst = Role::kConstant;
  for (const Origin& origin : subject.origins) {
    const Role role = role_of(origin);
    if (danger(role) > danger(worst)) worst = role;
  }
  // Whoever writes down roles warns of memory; a recorder knows the role of every pointer, but not which
  // one of several it is.
  const bool certain = danger(worst) < danger(Role::kUnknown) || subject.origins.size() == 1;
  return launch_ != nullptr && launch_->recorded && !certain ? Role::kUnknown : worst;
}

std::string_view KernelCode::type_at(int64_t offset) const {
  for (size_t i = 0; i < parameter_types_.size(); ++i) {
    if (function_.parameters[i].offset == offset) return parameter_types_[i];
  }
  return {};
}

bool KernelCode::is_one_pointer(const Subject& subject) {
  if (subject.origins.size() != 1) return false;
  const OriginKind kind = subject.origins.front().kind;
  return kind == OriginKind::kParameter || kind == OriginKind::kVariable;
}

bool KernelCode::is_declared_mutable(const Subject& subject) const {
  if (!is_one_pointer(subject) || subject.origins.front().kind != OriginKind::kParameter) {
    return false;
  }
  const std::string_view type = type_at(subject.origins.front().value);
  // `void*` says nothing: whoever uses it makes another pointer of it.
  return type.ends_with('*') && type != "void*" && !is_pointer_to_constant(type);
}

bool KernelCode::is_declared_constant(const Subject& subject) const {
  return is_one_pointer(subject) && subject.origins.front().kind == OriginKind::kParameter &&
         is_pointer_to_constant(type_at(subject.origins.front().value));
}

// Strides and indices are added to pointers; what is read through `long const*` is an index.
bool KernelCode::is_integer(const Origin& origin) const {
  if (origin.kind == OriginKind::kParameter) return is_number(type_at(origin.value));
  if (origin.kind != OriginKind::kLoaded) return false;
  const Origin& through = origins_.table[static_cast<size_t>(origin.value)];
  if (through.kind != OriginKind::kParameter) return false;
  std::string_view type = type_at(through.value);
  if (is_number(type)) return true;
  if (!type.ends_with('*')) return false;
  type.remove_suffix(1);
  if (type.ends_with(" const")) type.remove_suffix(6);
  return is_number(type);
}

Subject KernelCode::subject_of(uint32_t i) const {
  Subject subject{origins_.memory_of(i)};
  const auto integer = [&](const Origin& origin) { return is_integer(origin); };
  const bool all = std::all_of(subject.origins.begin(), subject.origins.end(), integer);
  if (!all) std::erase_if(subject.origins, integer);
  return subject;
}

bool KernelCode::may_write(const Subject& subject) const {
  return std::any_of(subject.origins.begin(), subject.origins.end(), [&](const Origin& origin) {
    return std::find(written_.begin(), written_.end(), origin) != written_.end();
  });
}

bool KernelCode::surely_writes(const Subject& subject) const {
  return is_one_pointer(subject) && std::find(surely_written_.begin(), surely_written_.end(),
                                              subject.origins.front()) != surely_written_.end();
}

void KernelCode::find_written() {
  const auto note = [](const Origin& origin, std::vector<Origin>& list) {
    if (std::find(list.begin(), list.end(), origin) == list.end()) list.push_back(origin);
  };
  for (uint32_t i = 0; i < function_.instructions.size(); ++i) {
    if (!writes_memory(function_.instructions[i].action)) continue;
    const Subject subject = subject_of(i);
    for (const Origin& origin : subject.origins) {
      if (origin.kind != OriginKind::kUnknown) note(origin, written_);
    }
    if (is_one_pointer(subject)) note(subject.origins.front(), surely_written_);
  }
}

namespace {

// The instructions around one.
std::vector<CodeLine> excerpt_of(const Function& function, uint32_t position) {
  constexpr std::ptrdiff_t kAround = 5;
  const std::vector<ListingLine>& listing = function.listing;
  const auto at = std::lower_bound(
      listing.begin(), listing.end(), position,
      [](const ListingLine& line, uint32_t sought) { return line.position < sought; });
  if (at == listing.end() || at->position != position) return {};
  const auto first = at - std::min(kAround, at - listing.begin());
  const auto last = at + std::min(kAround, listing.end() - at - 1);
  std::vector<CodeLine> lines;
  for (auto line = first; line <= last; ++line) {
    const bool is_ptx = function.code == CodeKind::kPtx;
    lines.push_back({is_ptx ? std::to_string(line->position) : fmt::format("{:#x}", line->position),
                     line->text, line == at});
  }
  return lines;
}

}  // namespace

Place place_in(const Function& function, uint32_t index) {
  const Instruction& instruction = function.instructions[index];
  Place place;
  place.code = function.code == CodeKind::kPtx ? fmt::format("PTX line {}", instruction.position)
                                               : fmt::format("SASS {:#x}", instruction.position);
  place.instruction = instruction.name;
  if (!function.listing.empty()) place.excerpt = excerpt_of(function, instruction.position);
  const auto& locations = function.locations;
  if (instruction.location == 0 || instruction.location >= locations.size()) return place;
  const Location& location = locations[instruction.location];
  place.file = function.files[location.file];
  place.line = location.line;
  uint32_t at = location.inlined_at;
  for (int depth = 0; at != 0 && depth < 32; ++depth) {
    place.inlined_at.push_back(
        fmt::format("{}:{}", function.files[locations[at].file], locations[at].line));
    at = locations[at].inlined_at;
  }
  return place;
}

std::vector<std::string> KernelCode::path_to(uint32_t instruction) const {
  std::vector<std::string> steps;
  for (const Decision& decision : analysis_->path_to(instruction, ordering_)) {
    std::string step = fmt::format("{} ({})", place_of(decision.instruction).text(),
                                   decision.taken ? "branch taken" : "branch not taken");
    if (steps.empty() || steps.back() != step) steps.push_back(std::move(step));
  }
  return steps;
}

uint32_t KernelCode::last_decision_before(uint32_t instruction) const {
  if (function_.instructions[instruction].guard != kNone) return instruction;
  const std::vector<Decision> path = analysis_->path_to(instruction, ordering_);
  return path.empty() ? instruction : path.back().instruction;
}

bool KernelCode::depends_on_block(uint32_t instruction) const {
  const std::vector<Dependence> registers = find_dependences(function_);
  const auto decided_by_thread = [&](uint32_t i) {
    const Instruction& one = function_.instructions[i];
    Dependence all;
    if (one.guard != kNone) all.add(registers[one.guard]);
    for (const Operand& source : function_.sources_of(one)) {
      all.add(dependence_of(source, registers));
    }
    // Of a count that was read, every thread's number may be too large.
    return all.block || (all.thread && !all.memory);
  };
  if (decided_by_thread(instruction)) return true;
  const std::vector<Decision> path = analysis_->path_to(instruction, ordering_);
  return std::any_of(path.begin(), path.end(),
                     [&](const Decision& one) { return decided_by_thread(one.instruction); });
}

}  // namespace slipstream::check
