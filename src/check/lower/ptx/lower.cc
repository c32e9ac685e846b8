#include "check/lower/ptx/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "check/lower/ptx/arithmetic.h"
#include "check/lower/ptx/memory.h"
#include "check/lower/ptx/operands.h"

namespace slipstream::check::from_ptx {
namespace {

constexpr int kMaxDepth = 12;
constexpr size_t kMaxInstructions = 1'000'000;

class Lowering {
 public:
  Lowering(const tree::Module& module, const tree::Function& entry)
      : module_(module), entry_(entry), reader_(module, function_), builder_(function_) {
    function_.name = entry.name;
    function_.code = CodeKind::kPtx;
    function_.architecture = architecture_of(module);
    function_.max_threads = launch_bound(entry.directives);
    const auto& bound =
        entry.directives.reqntid[0] != 0 ? entry.directives.reqntid : entry.directives.maxntid;
    const bool has_shape = bound[1] > 1 || bound[2] > 1 || entry.directives.reqntid[0] != 0;
    if (has_shape) function_.block_x = bound[0];
    for (const tree::Variable& parameter : entry.parameters) {
      function_.parameters.push_back({.offset = static_cast<uint32_t>(parameter.offset),
                                      .bytes = static_cast<uint32_t>(parameter.size)});
    }
  }

  Function run() {
    Frame frame{.function = &entry_, .is_entry = true, .aliases = {}};
    lower_body(frame, 0);
    return std::move(function_);
  }

 private:
  static uint32_t launch_bound(const tree::PerformanceDirectives& directives) {
    const auto& bound = directives.reqntid[0] != 0 ? directives.reqntid : directives.maxntid;
    uint64_t product = bound[0];
    for (const uint32_t one : {bound[1], bound[2]}) product *= std::max(1U, one);
    return static_cast<uint32_t>(std::min<uint64_t>(product, 1024));
  }

  // Branches name instructions of the PTX function; they are fixed once all are lowered.
  void lower_body(Frame& frame, int depth) {
    reader_.enter(frame);
    const tree::Function& function = *frame.function;
    std::vector<uint32_t> start(function.instructions.size() + 1);
    std::vector<std::pair<uint32_t, uint32_t>> fixups;  // index in targets, PTX instruction
    std::vector<uint32_t> returns;                      // index in targets
    for (size_t i = 0; i < function.instructions.size(); ++i) {
      start[i] = next();
      lower_one(function.instructions[i], frame, depth, fixups, returns);
    }
    start.back() = next();
    for (const auto& [target, instruction] : fixups) {
      function_.targets[target] = start[std::min<size_t>(instruction, start.size() - 1)];
    }
    for (const uint32_t target : returns) function_.targets[target] = next();
  }

  uint32_t next() const { return static_cast<uint32_t>(function_.instructions.size()); }

  void lower_one(const tree::Instruction& from, Frame& frame, int depth,
                 std::vector<std::pair<uint32_t, uint32_t>>& fixups,
                 std::vector<uint32_t>& returns) {
    Instruction& instruction = builder_.add(Action::kNone);
    instruction.position = from.line;
    instruction.location = location_of(from.location);
    if (from.guard != kNone) {
      instruction.guard = frame.first_register + from.guard;
      instruction.guard_negated = from.guard_negated;
    }
    const std::string_view head = from.opcode->head;
    const auto operands = frame.function->operands_of(from);
    const auto jump = [&](uint32_t to) {
      fixups.emplace_back(function_.targets.size(), to);
      builder_.target(0);
    };
    if (head == "bra" && !operands.empty()) {
      instruction.action = Action::kBranch;
      jump(operands[0].index);
    } else if (head == "brx") {
      instruction.action = Action::kBranch;
      for (const uint32_t to : indirect_targets(*frame.function, operands)) jump(to);
      if (!operands.empty()) builder_.place(reader_.value(frame, operands[0]));
    } else if (head == "ret" && !frame.is_entry) {
      instruction.action = Action::kBranch;
      returns.push_back(static_cast<uint32_t>(function_.targets.size()));
      builder_.target(0);
    } else if (head == "exit" || head == "ret") {
      instruction.action = Action::kExit;
    } else if (head == "trap") {
      instruction.action = Action::kTrap;
    } else if (head == "call") {
      lower_call(from, frame, depth);
    } else if (!lower_memory(from, frame, reader_, builder_)) {
      lower_arithmetic(from, frame, reader_, builder_);
    }
  }

  static std::vector<uint32_t> indirect_targets(const tree::Function& function,
                                                std::span<const tree::Operand> operands) {
    for (const tree::Operand& operand : operands) {
      if (operand.kind == tree::OperandKind::kBranchTargets &&
          operand.index < function.branch_targets.size()) {
        return function.branch_targets[operand.index].instructions;
      }
    }
    return {};
  }

  // A direct call becomes the callee's body; what has no body (printf, assert) touches nothing that
  // another grid sees.
  void lower_call(const tree::Instruction& from, Frame& frame, int depth) {
    const auto operands = frame.function->operands_of(from);
    const tree::Function* callee = nullptr;
    std::vector<const tree::Operand*> lists;
    for (const tree::Operand& operand : operands) {
      if (operand.kind == tree::OperandKind::kFunction) callee = operand.function;
      if (operand.kind == tree::OperandKind::kList) lists.push_back(&operand);
    }
    builder_.last().action = Action::kCall;
    const bool has_results = !lists.empty() && lists.front() == operands.data();
    if (callee == nullptr || !callee->has_body) {
      if (callee == nullptr) {
        not_understood("a call through a pointer");
      } else if (!is_system_function(callee->name)) {
        not_understood(fmt::format("a call of {}, which is defined elsewhere", callee->name));
      }
      return;
    }
    if (depth == kMaxDepth || function_.instructions.size() > kMaxInstructions) {
      not_understood(fmt::format("a call of {}, nested too deeply", callee->name));
      return;
    }
    builder_.last().action = Action::kNone;
    Frame inner{.function = callee, .aliases = {}};
    if (has_results) bind(frame, *lists.front(), callee->results, inner);
    if (lists.size() > (has_results ? 1U : 0U))
      bind(frame, *lists.back(), callee->parameters, inner);
    lower_body(inner, depth + 1);
  }

  template <class Variables>
  void bind(const Frame& frame, const tree::Operand& list, const Variables& variables,
            Frame& inner) {
    size_t i = 0;
    for (const tree::Operand& argument : frame.function->children_of(list)) {
      if (i == variables.size()) break;
      const tree::Variable* variable = &variables[i++];
      if (argument.kind != tree::OperandKind::kSymbol || argument.variable == nullptr) continue;
      const auto alias = frame.aliases.find(argument.variable);
      inner.aliases[variable] = alias == frame.aliases.end() ? argument.variable : alias->second;
    }
  }

  void not_understood(std::string what) {
    auto& list = function_.not_understood;
    if (std::find(list.begin(), list.end(), what) == list.end()) list.push_back(std::move(what));
  }

  // Copies the module's location, and its call sites, on first use.
  uint32_t location_of(uint32_t index) {
    if (index == 0 || index >= module_.locations.size()) return 0;
    if (const auto known = locations_.find(index); known != locations_.end()) return known->second;
    const tree::Location& from = module_.locations[index];
    locations_[index] = 0;  // ends a chain that bites its tail
    Location location;
    location.file = file_of(from.file);
    location.line = from.line;
    location.inlined_at = location_of(from.inlined_at);
    function_.locations.push_back(location);
    return locations_[index] = static_cast<uint32_t>(function_.locations.size() - 1);
  }

  uint32_t file_of(uint32_t key) {
    const auto [file, is_new] = files_.try_emplace(key, 0);
    if (is_new) {
      const auto name = module_.files.find(key);
      if (name != module_.files.end()) {
        file->second = static_cast<uint32_t>(function_.files.size());
        function_.files.push_back(name->second);
      }
    }
    return file->second;
  }

  const tree::Module& module_;
  const tree::Function& entry_;
  Function function_;
  OperandReader reader_;
  FunctionBuilder builder_;
  std::unordered_map<uint32_t, uint32_t> locations_;
  std::unordered_map<uint32_t, uint32_t> files_;
};

}  // namespace

Function lower(const tree::Module& module, const tree::Function& entry) {
  return Lowering(module, entry).run();
}

uint32_t architecture_of(const tree::Module& module) {
  const size_t digits = module.target.find('_');
  if (digits == std::string_view::npos) return 0;
  return static_cast<uint32_t>(std::atoi(std::string(module.target.substr(digits + 1)).c_str()));
}

}  // namespace slipstream::check::from_ptx
