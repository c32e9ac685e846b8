// One compiled form of a kernel, PTX or SASS, with everything the rules look at.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check/analysis/ordering.h"
#include "check/analysis/origins.h"
#include "check/analysis/wait_gates.h"
#include "check/findings/finding.h"
#include "check/launches/launches.h"
#include "check/lower/control_flow.h"
#include "check/lower/ir.h"

namespace slipstream::check {

// A set of memory that a rule speaks about: where an access may go.
struct Subject {
  std::vector<Origin> origins;

  bool operator<(const Subject& other) const;
};

// Where an instruction of `function` stands.
Place place_in(const Function& function, uint32_t instruction);

class KernelCode {
 public:
  // `image` says where the code was found: "program: sm_90a SASS". `launch` may be null.
  KernelCode(Function function, std::string image, const KernelLaunch* launch,
             std::vector<GraphEdge> edges = {});

  KernelCode(const KernelCode&) = delete;
  KernelCode& operator=(const KernelCode&) = delete;

  [[nodiscard]] const Function& function() const { return function_; }
  [[nodiscard]] const ControlFlow& flow() const { return flow_; }
  // Whether any thread may come to the instruction.
  [[nodiscard]] bool is_reached(uint32_t instruction) const {
    return ordering_.reachable_before(instruction) || ordering_.after[instruction].any();
  }
  [[nodiscard]] const Ordering& ordering() const { return ordering_; }
  [[nodiscard]] const std::string& image() const { return image_; }
  [[nodiscard]] const std::string& demangled() const { return demangled_; }
  [[nodiscard]] const KernelLaunch* launch() const { return launch_; }
  // Graph edges that lead to it and release it early.
  [[nodiscard]] const std::vector<GraphEdge>& edges() const { return edges_; }
  // Whether it is launched with the attribute, if the caller said so.
  [[nodiscard]] std::optional<bool> pdl() const;

  // What other grids may see of the memory that instruction `i` touches; empty if nothing.
  [[nodiscard]] Subject subject_of(uint32_t i) const;
  [[nodiscard]] std::string describe(const Subject& subject) const;
  // What the caller said of it. Of several origins, the most dangerous.
  [[nodiscard]] Role role_of(const Subject& subject) const;
  // Whether its type in the signature is a pointer that may be written through.
  [[nodiscard]] bool is_declared_mutable(const Subject& subject) const;
  // Whether the kernel may write memory of one of these origins, and whether it writes through the
  // subject's one pointer and through no other that it might be instead.
  [[nodiscard]] bool may_write(const Subject& subject) const;
  [[nodiscard]] bool surely_writes(const Subject& subject) const;
  // Whether the origin is one pointer, traced back to a parameter or a variable.
  [[nodiscard]] static bool is_one_pointer(const Subject& subject);
  // Whether its type in the signature says that this kernel does not write through it.
  [[nodiscard]] bool is_declared_constant(const Subject& subject) const;

  // Waits that a parameter switches on, which the analysis takes as executed.
  [[nodiscard]] const std::vector<WaitGate>& wait_gates() const { return gates_; }
  // "parameter 9 (bool)".
  [[nodiscard]] std::string describe_parameter(int64_t offset) const;

  [[nodiscard]] Place place_of(uint32_t instruction) const {
    return place_in(function_, instruction);
  }
  // "file.cu:12 (branch taken)" for each branch that leads there unordered.
  [[nodiscard]] std::vector<std::string> path_to(uint32_t instruction) const;
  // The last branch that leads there unordered; `instruction` itself if it decides, or nothing
  // does.
  [[nodiscard]] uint32_t last_decision_before(uint32_t instruction) const;
  // Whether reaching `instruction` unordered depends on which thread or CTA it is, so that never all
  // of a grid do, rather than on data and parameters.
  [[nodiscard]] bool depends_on_block(uint32_t instruction) const;

 private:
  [[nodiscard]] std::string describe(const Origin& origin) const;
  [[nodiscard]] Role role_of(const Origin& origin) const;
  // The type of the parameter that begins at this byte; empty if there is none or it is not known.
  [[nodiscard]] std::string_view type_at(int64_t offset) const;
  [[nodiscard]] bool is_integer(const Origin& origin) const;
  void read_parameter_types();
  void find_written();

  Function function_;
  std::string image_;
  std::string demangled_;
  const KernelLaunch* launch_;
  std::vector<GraphEdge> edges_;
  std::vector<WaitGate> gates_;
  ControlFlow flow_;
  Origins origins_;
  std::vector<Origin>
      written_;  // what any instruction may write, unknown origins aside: at most 63
  std::vector<Origin> surely_written_;  // what one writes through one traced pointer
  std::unique_ptr<OrderingAnalysis> analysis_;
  Ordering ordering_;
  std::vector<std::string> parameter_types_;  // empty if the name does not tell
};

}  // namespace slipstream::check
