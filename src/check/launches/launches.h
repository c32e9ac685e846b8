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
  kHandedOver,  // an earlier kernel publishes it by a fence before its trigger; may be read early
  kHandsOver,   // this kernel publishes it so
};

struct ParameterRole {
  std::string variable;            // a __device__ variable, or empty
  uint32_t index = 0;              // else: the parameter's position
  std::optional<uint32_t> offset;  // the byte in it; absent: all of it
  Role role = Role::kUnknown;
};

struct KernelLaunch {
  std::string pattern;  // mangled or demangled name; "*" stands for any text
  std::optional<bool> pdl;
  uint32_t block_threads = 0;
  std::vector<ParameterRole> roles;

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

struct Launches {
  std::vector<KernelLaunch> kernels;
  std::vector<GraphEdge> edges;

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
