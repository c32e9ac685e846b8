#include "emulator/decoder/program_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <vector>

#include "emulator/decoder/function_decoder.h"
#include "emulator/machine/access.h"
#include "emulator/machine/fault.h"
#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

bool calls_indirectly(const ptx::Function& function) {
  return std::any_of(function.operands.begin(), function.operands.end(),
                     [](const ptx::Operand& operand) {
                       return operand.kind == ptx::OperandKind::kPrototype ||
                              operand.kind == ptx::OperandKind::kBranchTargets;
                     });
}

// The functions that a kernel can reach, and the shared variables that they name.
class Reachable {
 public:
  Reachable(const LinkedModules& modules, const ptx::Function& kernel) : modules_(modules) {
    visit(kernel);
    // scan() makes the list longer.  NOLINTNEXTLINE(modernize-loop-convert)
    for (size_t i = 0; i < order_.size(); ++i) scan(*order_[i]);
  }

  const std::vector<const ptx::Function*>& functions() const { return order_; }
  const std::vector<const ptx::Variable*>& shared() const { return shared_; }
  bool indirect() const { return indirect_; }

 private:
  void visit(const ptx::Function& named) {
    const ptx::Function& function = modules_.definition(named);
    if (function.has_body && seen_.insert(&function).second) order_.push_back(&function);
  }

  void scan(const ptx::Function& function) {
    for (const ptx::Operand& operand : function.operands) {
      if (operand.kind == ptx::OperandKind::kFunction) {
        visit(*operand.function);
      } else if (names_variable(operand) && operand.variable->space == ptx::Space::kShared &&
                 seen_.insert(operand.variable).second) {
        shared_.push_back(operand.variable);
      }
    }
    if (calls_indirectly(function) && !indirect_) {
      indirect_ = true;
      for (const auto& module : modules_.all()) {
        for (const ptx::Function& candidate : module->functions) {
          if (!candidate.is_entry) visit(candidate);
        }
      }
    }
  }

  static bool names_variable(const ptx::Operand& operand) {
    return operand.kind == ptx::OperandKind::kSymbol ||
           (operand.kind == ptx::OperandKind::kAddress &&
            operand.base == ptx::AddressBase::kVariable);
  }

  const LinkedModules& modules_;
  std::vector<const ptx::Function*> order_;
  std::vector<const ptx::Variable*> shared_;
  std::set<const void*> seen_;
  bool indirect_ = false;
};

using Offsets = std::unordered_map<const ptx::Variable*, uint64_t>;

// Places static shared variables one after another, and all dynamic arrays after them.
Offsets lay_out_shared(const Reachable& reach, Program& program) {
  Offsets offsets;
  uint64_t end = 0;
  for (const ptx::Variable* const variable : reach.shared()) {
    const uint32_t alignment = std::max(variable->alignment, 1U);
    if (variable->size == 0) {
      program.shared_alignment = std::max(program.shared_alignment, alignment);
      continue;
    }
    end = round_up(end, alignment);
    offsets[variable] = end;
    program.shared_variables.push_back({variable->name, end, variable->size});
    end += variable->size;
  }
  program.static_shared_bytes = static_cast<uint32_t>(end);
  for (const ptx::Variable* const variable : reach.shared()) {
    if (variable->size == 0) offsets[variable] = program.dynamic_shared_offset();
  }
  return offsets;
}

// Whether is_one(text) for the name of an instruction, with its modifiers, in one of the functions.
template <class IsOne>
bool has_instruction(const Reachable& reach, IsOne is_one) {
  return std::ranges::any_of(reach.functions(), [&](const auto* function) {
    return std::ranges::any_of(function->instructions, [&](const ptx::Instruction& instruction) {
      return is_one(instruction.opcode->text);
    });
  });
}

bool waits_for_grids(std::string_view name) { return name == "griddepcontrol.wait"; }

// What may make an ordered access: atomic and strong ones, reductions, and functions that are built in.
bool may_be_ordered(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  return name.starts_with("atom") || name.starts_with("red") || name.starts_with("call") ||
         has(".reduce") || has(".volatile") || has(".mmio") || has(".relaxed") || has(".acquire") ||
         has(".release");
}

bool is_recursive(const Program& program) {
  // Without indirect calls, calls that go backwards in order of discovery may be recursion; deep
  // chains of calls without recursion just get more local memory than they need.
  return std::any_of(program.call_sites.begin(), program.call_sites.end(),
                     [](const CallSite& call) { return call.callee != nullptr; });
}

}  // namespace

uint64_t function_address(const LinkedModules& modules, const ptx::Function& function) {
  return kFunctionWindow + 16 * (modules.index_of(modules.definition(function)) + 1);
}

std::unique_ptr<Program> decode_program(
    const LinkedModules& modules, const ptx::Function& kernel,
    const std::function<uint64_t(const ptx::Variable&)>& address_of) {
  auto program = std::make_unique<Program>();
  program->kernel = &kernel;
  program->parameter_bytes = static_cast<uint32_t>(kernel.parameter_bytes);
  const Reachable reach(modules, kernel);
  const Offsets shared_offsets = lay_out_shared(reach, *program);
  std::unordered_map<const ptx::Function*, FunctionCode*> codes;
  for (const ptx::Function* const function : reach.functions()) {
    FunctionCode& code = program->functions.emplace_back();
    code.source = function;
    code.module = &modules.module_of(*function);
    codes[function] = &code;
    program->by_address[function_address(modules, *function)] = &code;
  }
  ProgramContext context;
  context.program = program.get();
  context.address_of = address_of;
  context.shared_address_of = [&](const ptx::Variable& variable) {
    return kSharedBase + shared_offsets.at(&variable);
  };
  context.code_of = [&](const ptx::Function& function) -> FunctionCode* {
    const auto found = codes.find(&modules.definition(function));
    return found == codes.end() ? nullptr : found->second;
  };
  context.function_address_of = [&](const ptx::Function& function) {
    return function_address(modules, function);
  };
  for (FunctionCode& code : program->functions) {
    FunctionDecoder(context, *code.source, code).decode();
    program->local_bytes += code.local_bytes;
  }
  program->waits_for_grids = has_instruction(reach, waits_for_grids);
  program->may_make_ordered_accesses = has_instruction(reach, may_be_ordered);
  program->has_recursion = reach.indirect() || is_recursive(*program);
  return program;
}

}  // namespace slipstream::emulator
