// What the kernels promise in their declarations, against the code that is really embedded in this
// program: PTX and SASS.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "check/analysis/kernel_code.h"
#include "check/analysis/origins.h"
#include "check/checker.h"
#include "check/lower/ir.h"
#include "check/lower/ptx/lower.h"
#include "check/lower/sass/lower.h"
#include "check/rules/rules.h"
#include "code/fatbin.h"
#include "code/ptx/module.h"
#include "slipstream/ops.h"
#include "step/kernels/registry.h"

namespace slipstream {
namespace {

using check::Action;
using pdl::Role;
using Declarations = std::vector<pdl::KernelDeclaration>;

// One compiled form of one kernel.
struct CompiledKernel {
  std::string name;   // demangled
  std::string image;  // "sm_90a"
  check::Function code;
};

std::vector<CompiledKernel> kernels_in_this_program() {
  std::vector<CompiledKernel> kernels;
  for (const auto& image : code::read_image_file("/proc/self/exe")) {
    const std::string name = code::architecture_name(image);
    if (image.kind == code::ImageKind::kPtx) {
      const auto module = ptx::Module::parse(image.bytes, name);
      for (const auto& function : module->functions) {
        if (!function.is_entry) continue;
        kernels.push_back({check::demangle(std::string(function.name)), name,
                           check::from_ptx::lower(*module, function)});
      }
    } else {
      const auto bytes = std::as_bytes(std::span(image.bytes));
      const auto cubin = sass::read_cubin(bytes, name);
      for (const auto& kernel : cubin.kernels) {
        kernels.push_back({check::demangle(kernel.name), name,
                           check::from_sass::lower(kernel, cubin.architecture)});
      }
    }
  }
  return kernels;
}

const std::vector<CompiledKernel>& compiled_kernels() {
  static const std::vector<CompiledKernel> kernels = kernels_in_this_program();
  return kernels;
}

Declarations declarations() {
  Declarations all;
  for (const auto& part : {ops::kernel_declarations(), step::kernel_declarations()}) {
    for (const pdl::KernelDeclaration* declaration : part) all.push_back(*declaration);
  }
  return all;
}

// "void slipstream::ops::f_kernel<int>(P)" is the kernel slipstream::ops::f_kernel, and also
// slipstream::ops::f_kernel<int.
bool declares(const pdl::KernelDeclaration& declaration, const CompiledKernel& kernel) {
  const size_t begin = kernel.name.find(declaration.symbol);
  if (begin == std::string::npos) return false;
  if (begin != 0 && kernel.name[begin - 1] != ' ') return false;
  const char next = kernel.name[begin + std::string(declaration.symbol).size()];
  return next == '<' || next == '(' || next == ',' || next == '>';
}

size_t count(const check::Function& code, Action action) {
  return static_cast<size_t>(
      std::count_if(code.instructions.begin(), code.instructions.end(),
                    [&](const check::Instruction& i) { return i.action == action; }));
}

bool is_constant_field(const pdl::KernelDeclaration& declaration, const check::Origin& origin) {
  if (origin.kind != check::OriginKind::kParameter) return false;
  return std::any_of(declaration.fields.begin(), declaration.fields.end(), [&](const auto& field) {
    return field.role == Role::kConstant && static_cast<int64_t>(field.offset) == origin.value;
  });
}

// Loads on the read-only path that may touch anything but a constant of the declaration. In machine
// code registers are used again, so that addresses seem to have further origins: there, one
// constant must be among them.
size_t read_only_loads_of_produced_memory(const pdl::KernelDeclaration& declaration,
                                          const check::Function& code) {
  const check::Origins origins = check::find_origins(code);
  size_t wrong = 0;
  for (uint32_t i = 0; i < code.instructions.size(); ++i) {
    if (!code.instructions[i].non_coherent) continue;
    const auto memory = origins.memory_of(i);
    const auto constants = std::count_if(memory.begin(), memory.end(), [&](const auto& origin) {
      return is_constant_field(declaration, origin);
    });
    const bool exact = code.code == check::CodeKind::kPtx;
    if (constants == 0 || (exact && constants != std::ssize(memory))) ++wrong;
  }
  return wrong;
}

bool is_declared(const pdl::KernelDeclaration& declaration, const check::Origin& origin) {
  return std::any_of(declaration.fields.begin(), declaration.fields.end(), [&](const auto& field) {
    return static_cast<int64_t>(field.offset) == origin.value;
  });
}

// A generic address that is made of one in shared memory.
bool may_be_shared(const check::Origins& origins, uint32_t instruction) {
  for (size_t i = 0; i < origins.table.size(); ++i) {
    const bool present = ((origins.of_address[instruction] >> i) & 1U) != 0;
    if (present && origins.table[i].kind == check::OriginKind::kShared) return true;
  }
  return false;
}

// Bytes of the parameters that addresses are made of, where no field names a pointer among them:
// strides and offsets are parts of addresses as well. Judged on PTX, which tells shared from global
// memory.
std::set<int64_t> undeclared_pointers(const pdl::KernelDeclaration& declaration,
                                      const check::Function& code) {
  if (code.code != check::CodeKind::kPtx) return {};
  const check::Origins origins = check::find_origins(code);
  std::set<int64_t> found;
  for (uint32_t i = 0; i < code.instructions.size(); ++i) {
    if (!check::touches_memory(code.instructions[i].action)) continue;
    std::vector<check::Origin> parameters = origins.memory_of(i);
    std::erase_if(parameters, [](const check::Origin& origin) {
      return origin.kind != check::OriginKind::kParameter;
    });
    if (may_be_shared(origins, i) ||
        std::any_of(parameters.begin(), parameters.end(),
                    [&](const auto& origin) { return is_declared(declaration, origin); })) {
      continue;
    }
    for (const check::Origin& origin : parameters) found.insert(origin.value);
  }
  return found;
}

// Every way in which declarations and code differ, in words.
std::vector<std::string> differences(const Declarations& all) {
  std::vector<std::string> found;
  for (const CompiledKernel& kernel : compiled_kernels()) {
    size_t matches = 0;
    for (const pdl::KernelDeclaration& declaration : all) {
      if (!declares(declaration, kernel)) continue;
      ++matches;
      const bool waits = count(kernel.code, Action::kWait) > 0;
      if (waits != declaration.waits) {
        found.push_back(fmt::format("{}: {} is declared to {}wait, its code does {}", kernel.image,
                                    kernel.name, declaration.waits ? "" : "not ",
                                    waits ? "" : "not"));
      }
      if (read_only_loads_of_produced_memory(declaration, kernel.code) > 0) {
        found.push_back(fmt::format("{}: {} reads produced memory through the read-only path",
                                    kernel.image, kernel.name));
      }
      for (const int64_t offset : undeclared_pointers(declaration, kernel.code)) {
        found.push_back(
            fmt::format("{}: {} uses a pointer at byte {} of its parameters that no "
                        "field names",
                        kernel.image, kernel.name, offset));
      }
    }
    if (matches != 1) {
      found.push_back(
          fmt::format("{}: {} has {} declarations", kernel.image, kernel.name, matches));
    }
  }
  return found;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

check::Role checked_role(Role role) {
  switch (role) {
    case Role::kConstant:
      return check::Role::kConstant;
    case Role::kSettled:
      return check::Role::kSettled;
    case Role::kProduced:
      break;
  }
  return check::Role::kProduced;
}

// The checker's view of the declarations: all are launched with the PDL attribute.
check::Launches launches_of(const Declarations& all) {
  check::Launches launches;
  for (const pdl::KernelDeclaration& declaration : all) {
    check::KernelLaunch launch;
    launch.pattern = fmt::format("*{}*", declaration.symbol);
    launch.pdl = true;
    for (const pdl::Field& field : declaration.fields) {
      check::ParameterRole role;
      role.offset = static_cast<uint32_t>(field.offset);
      role.role = checked_role(field.role);
      launch.roles.push_back(role);
    }
    launches.kernels.push_back(std::move(launch));
  }
  return launches;
}

TEST(Images, HoldPtxAndMachineCodeOfEveryKernel) {
  for (const pdl::KernelDeclaration& declaration : declarations()) {
    size_t ptx = 0;
    size_t sass = 0;
    for (const CompiledKernel& kernel : compiled_kernels()) {
      if (!declares(declaration, kernel)) continue;
      ++(kernel.code.code == check::CodeKind::kPtx ? ptx : sass);
    }
    EXPECT_GT(ptx, 0U) << declaration.name;
    EXPECT_GE(sass, ptx) << declaration.name;
  }
}

TEST(Images, AgreeWithTheDeclarations) { EXPECT_EQ(joined(differences(declarations())), ""); }

bool touches_field(const check::Origins& origins, uint32_t instruction, const pdl::Field& field) {
  const auto memory = origins.memory_of(instruction);
  return std::any_of(memory.begin(), memory.end(), [&](const check::Origin& origin) {
    return origin.kind == check::OriginKind::kParameter &&
           origin.value == static_cast<int64_t>(field.offset);
  });
}

// What other ranks or the host read and write while a kernel runs: pointers to it in parameter
// structs have these names.
TEST(Images, TouchMemoryThatRanksShareByOrderedAccessesOnly) {
  const std::set<std::string> shared{"pairs", "emptied", "picks", "head", "record"};
  std::set<std::string> touched;
  for (const CompiledKernel& kernel : compiled_kernels()) {
    // Machine code uses registers again, so that addresses seem to have further origins.
    if (kernel.code.code != check::CodeKind::kPtx) continue;
    const check::Origins origins = check::find_origins(kernel.code);
    for (const pdl::KernelDeclaration& declaration : declarations()) {
      if (!declares(declaration, kernel)) continue;
      for (const pdl::Field& field : declaration.fields) {
        if (!shared.contains(field.name)) continue;
        for (uint32_t i = 0; i < kernel.code.instructions.size(); ++i) {
          const check::Instruction& instruction = kernel.code.instructions[i];
          if (!check::touches_memory(instruction.action)) continue;
          if (!touches_field(origins, i, field)) continue;
          touched.insert(field.name);
          EXPECT_TRUE(instruction.synchronizing || instruction.action == Action::kAtomic)
              << kernel.name << ", " << field.name << ": PTX line " << instruction.position;
        }
      }
    }
  }
  EXPECT_EQ(touched, shared);
}

TEST(Images, TriggerInEveryKernelThatWaits) {
  for (const CompiledKernel& kernel : compiled_kernels()) {
    EXPECT_EQ(count(kernel.code, Action::kTrigger) > 0, count(kernel.code, Action::kWait) > 0)
        << kernel.image << ": " << kernel.name;
  }
}

// What comes before the wait relies on it, polls above all (docs/ranks.md): none of them is behind one of
// those that trigger early.
TEST(Images, TriggerAfterTheWaitInEveryKernelOfAStepButThoseThatPrepareOrPoll) {
  std::map<std::string, size_t> early = {{"::prepare_kernel<", 0}, {"::polling_linear_kernel<", 0}};
  for (const CompiledKernel& kernel : compiled_kernels()) {
    if (kernel.name.find("step::kernels::") == std::string::npos) continue;
    const check::KernelCode code(kernel.code, kernel.image, nullptr);
    const auto& instructions = code.function().instructions;
    bool triggers_early = false;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      triggers_early |=
          instructions[i].action == Action::kTrigger && code.ordering().reachable_before(i);
    }
    if (!triggers_early) continue;
    const auto kind = std::find_if(early.begin(), early.end(), [&](const auto& one) {
      return kernel.name.find(one.first) != std::string::npos;
    });
    ASSERT_NE(kind, early.end()) << kernel.image << ": " << kernel.name;
    ++kind->second;
  }
  for (const auto& [kind, count] : early) EXPECT_GT(count, 0U) << kind;
}

TEST(Images, ShowAKernelThatWaitsButIsNotDeclaredTo) {
  Declarations wrong = declarations();
  wrong.front().waits = false;
  EXPECT_NE(joined(differences(wrong)).find("is declared to not wait, its code does"),
            std::string::npos);
}

TEST(Images, ShowAPointerThatIsNotDeclared) {
  Declarations wrong = declarations();
  wrong.back().fields = wrong.back().fields.subspan(1);
  EXPECT_NE(joined(differences(wrong)).find("that no field names"), std::string::npos);
}

TEST(Images, ShowAKernelWithoutADeclaration) {
  Declarations wrong = declarations();
  wrong.pop_back();
  EXPECT_NE(joined(differences(wrong)).find("has 0 declarations"), std::string::npos);
}

// What the checker says against kernels that are declared so, notes and what is excused aside.
std::string complaints(const Declarations& all) {
  const check::Report report = check::check_paths({"/proc/self/exe"}, launches_of(all), {"/"});
  EXPECT_GT(report.kernels, 0U);
  EXPECT_TRUE(report.problems.empty());
  std::string text;
  for (const check::Finding& finding : report.findings) {
    if (finding.severity == check::Severity::kNote || !finding.allowed.empty()) continue;
    text += fmt::format("{} {}: {}\n", check::info_of(finding.rule).id, finding.kernel,
                        finding.message);
  }
  return text;
}

TEST(Images, PassTheRaceChecker) { EXPECT_EQ(complaints(declarations()), ""); }

TEST(Images, WouldNotPassWithWeightsThatAKernelWrites) {
  Declarations all = declarations();
  std::list<std::vector<pdl::Field>> fields;
  for (pdl::KernelDeclaration& declaration : all) {
    auto& own = fields.emplace_back(declaration.fields.begin(), declaration.fields.end());
    for (pdl::Field& field : own) field.role = Role::kProduced;
    declaration.fields = own;
  }
  const std::string text = complaints(all);
  for (const char* kernel :
       {"skinny_gemm_kernel", "skinny_stream_kernel", "score_kernel", "routed_kernel"}) {
    EXPECT_NE(text.find(kernel), std::string::npos) << kernel;
  }
}

}  // namespace
}  // namespace slipstream
