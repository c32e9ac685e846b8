// What of its parameters' memory a kernel writes, and what a recorder's file means with that.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "check/analysis/kernel_code.h"
#include "check/launches/launches.h"

namespace slipstream::check {

struct Written {
  using Pointers = std::set<std::pair<uint32_t, uint32_t>>;  // by parameter and byte in it

  Pointers certain;
  Pointers possible;       // those, and others where a store goes through one of several
  bool elsewhere = false;  // a store may go through a pointer that is no parameter
};

struct WrittenForm {
  CodeKind code = CodeKind::kPtx;
  Written what;
};

[[nodiscard]] WrittenForm written_by(const KernelCode& code);

// Of every kernel whose code was found, by mangled name.
using WrittenByKernel = std::map<std::string, Written>;

// Puts together what the forms of kernels say: PTX where there is any, which names the parameter more
// often.
class WrittenForms {
 public:
  void add(const std::string& kernel, const WrittenForm& form);
  [[nodiscard]] WrittenByKernel take();

 private:
  WrittenByKernel ptx_;
  WrittenByKernel sass_;
};

// Gives every parameter that a recorder saw the role that follows: produced, if a kernel writes it that
// may still run then; written, if its own kernel does; constant or private, if it is certain that no
// other one writes it, or has it. Else it stays unknown.
void resolve_roles(Launches& launches, const WrittenByKernel& written);

}  // namespace slipstream::check
