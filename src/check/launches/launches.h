// What the caller knows and the code does not say: which kernels are launched with the PDL
// attribute and what their pointers hold. Read from a JSON file; docs/check.md has the schema.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace slipstream::check {

enum class Role : uint8_t {
  kUnknown,
  kConstant,    // no kernel of the chain writes it
  kPrivate,     // only this kernel touches it, and no two launches of it overlap
  kProduced,    // an earlier kernel writes it
  kWritten,     // this kernel writes it, others read or write it
  kSettled,     // an earlier kernel writes it, but none that may still run; may be read early
  kHandedOver,  // an earlier kernel publishes it by a fence before its trigger; may be read early
  kHandsOver,   // this kernel publishes it so
};

// A pointer of a kernel that may still run when another one starts, and that had the same memory.
struct Sharer {
  std::string kernel;  // mangled
  uint32_t index = 0;
  uint32_t offset = 0;
  bool same_address = false;  // else: somewhere in the same allocation
};

struct ParameterRole {
  std::string variable;            // a __device__ variable, or empty
  uint32_t index = 0;              // else: the parameter's position
  std::optional<uint32_t> offset;  // the byte in it; absent: all of it
  Role role = Role::kUnknown;
  // Where a recorder saw what shares the memory, instead of a role: resolve_roles() finds that.
  std::optional<std::vector<Sharer>> sharers;
};

struct KernelLaunch {
  std::string pattern;  // mangled or demangled name; "*" stands for any text
  std::optional<bool> pdl;
  uint32_t block_threads = 0;
  std::vector<ParameterRole> roles;
  bool recorded = false;  // roles follow from addresses, and are exact
  // The recorded kernels, mangled, that may still run when it starts; absent: any of them.
  std::optional<std::vector<std::string>> beside;

  [[nodiscard]] bool matches(const std::string& mangled, const std::string& demangled) const;
};

enum class EdgeKind : uint8_t {
  kProgrammatic,      // cudaGraphDependencyTypeProgrammatic, from either port
  kLaunchCompletion,  // full type, launch completion port: no wait covers it
};

// An edge of a CUDA graph that releases a kernel before the kernel at its other end is complete.
struct GraphEdge {
  std::string from;  // patterns, as in KernelLaunch
  std::string to;
  EdgeKind kind = EdgeKind::kProgrammatic;
};

// Whether a name in the file is that of the kernel.
bool names_kernel(const std::string& pattern, const std::string& mangled,
                  const std::string& demangled);

struct Launches {
  std::string file;  // where it was read
  std::vector<KernelLaunch> kernels;
  std::vector<GraphEdge> edges;
  bool recorded = false;  // what is not among the kernels was not launched

  // The first that matches, or null.
  [[nodiscard]] const KernelLaunch* find(const std::string& mangled,
                                         const std::string& demangled) const;
  // The edges that lead to the kernel.
  [[nodiscard]] std::vector<GraphEdge> edges_to(const std::string& mangled,
                                                const std::string& demangled) const;
};

class LaunchesError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws LaunchesError, which names the place in the file.
Launches parse_launches(const std::string& text, const std::string& name);
Launches read_launches(const std::string& path);

}  // namespace slipstream::check
