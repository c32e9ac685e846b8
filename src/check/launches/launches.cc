#include "check/launches/launches.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

namespace slipstream::check {
namespace {

using Json = nlohmann::json;

struct RoleName {
  std::string_view name;
  Role role;
};

constexpr auto kRoles = std::to_array<RoleName>({
    {"constant", Role::kConstant},
    {"private", Role::kPrivate},
    {"produced", Role::kProduced},
    {"written", Role::kWritten},
    {"handed-over", Role::kHandedOver},
    {"hands-over", Role::kHandsOver},
});

// Whether `text` matches `pattern`, where "*" stands for any text.
bool glob(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t i = star; i <= text.size(); ++i) {
    if (glob(rest, text.substr(i))) return true;
  }
  return false;
}

// "void ns::kernel<int>(float*)" -> "ns::kernel".
std::string_view base_name(std::string_view demangled) {
  std::string_view name = demangled.substr(0, demangled.find_first_of("(<"));
  const size_t space = name.rfind(' ');
  return space == std::string_view::npos ? name : name.substr(space + 1);
}

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw LaunchesError(fmt::format("{}: {}", where, what));
}

ParameterRole parse_role(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  ParameterRole result;
  for (const auto& [key, value] : json.items()) {
    if (key == "variable" && value.is_string()) {
      result.variable = value.get<std::string>();
    } else if (key == "index" && value.is_number_unsigned()) {
      result.index = value.get<uint32_t>();
    } else if (key == "offset" && value.is_number_unsigned()) {
      result.offset = value.get<uint32_t>();
    } else if (key == "role" && value.is_string()) {
      for (const RoleName& one : kRoles) {
        if (one.name == value.get<std::string>()) result.role = one.role;
      }
    } else if (key != "name") {
      fail(where, fmt::format("\"{}\" must be variable (text), index or offset (numbers), role or "
                              "name, not {}",
                              key, value.dump()));
    }
  }
  if (result.role == Role::kUnknown) {
    fail(where, "\"role\" must be constant, private, produced, written, handed-over or hands-over");
  }
  if (result.variable.empty() && !json.contains("index")) {
    fail(where, R"(must have "index" or "variable")");
  }
  return result;
}

KernelLaunch parse_kernel(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  KernelLaunch result;
  for (const auto& [key, value] : json.items()) {
    if (key == "name" && value.is_string()) {
      result.pattern = value.get<std::string>();
    } else if (key == "pdl" && value.is_boolean()) {
      result.pdl = value.get<bool>();
    } else if (key == "block" && value.is_number_unsigned()) {
      result.block_threads = value.get<uint32_t>();
    } else if (key == "parameters" && value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) {
        result.roles.push_back(parse_role(value[i], fmt::format("{}.parameters[{}]", where, i)));
      }
    } else {
      fail(where, fmt::format("\"{}\" must be name (text), pdl (true or false), block (a number) "
                              "or parameters (a list), not {}",
                              key, value.dump()));
    }
  }
  if (result.pattern.empty()) fail(where, R"(must have a "name")");
  return result;
}

GraphEdge parse_edge(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  GraphEdge result;
  bool has_kind = false;
  for (const auto& [key, value] : json.items()) {
    if (key == "from" && value.is_string()) {
      result.from = value.get<std::string>();
    } else if (key == "to" && value.is_string()) {
      result.to = value.get<std::string>();
    } else if (key == "kind" && (value == "programmatic" || value == "launch-completion")) {
      result.kind = value == "programmatic" ? EdgeKind::kProgrammatic : EdgeKind::kLaunchCompletion;
      has_kind = true;
    } else {
      fail(where, fmt::format("\"{}\" must be from or to (text) or kind (programmatic or "
                              "launch-completion), not {}",
                              key, value.dump()));
    }
  }
  if (result.from.empty() || result.to.empty() || !has_kind) {
    fail(where, R"(must have "from", "to" and "kind")");
  }
  return result;
}

bool names_kernel(const std::string& pattern, const std::string& mangled,
                  const std::string& demangled) {
  return glob(pattern, mangled) || glob(pattern, demangled) || glob(pattern, base_name(demangled));
}

}  // namespace

bool KernelLaunch::matches(const std::string& mangled, const std::string& demangled) const {
  return names_kernel(pattern, mangled, demangled);
}

const KernelLaunch* Launches::find(const std::string& mangled, const std::string& demangled) const {
  for (const KernelLaunch& kernel : kernels) {
    if (kernel.matches(mangled, demangled)) return &kernel;
  }
  return nullptr;
}

std::vector<GraphEdge> Launches::edges_to(const std::string& mangled,
                                          const std::string& demangled) const {
  std::vector<GraphEdge> result;
  std::copy_if(edges.begin(), edges.end(), std::back_inserter(result),
               [&](const GraphEdge& edge) { return names_kernel(edge.to, mangled, demangled); });
  return result;
}

Launches parse_launches(const std::string& text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) fail(name, "is not JSON");
  if (!json.is_object() || !json.contains("kernels") || !json["kernels"].is_array()) {
    fail(name, R"(must be an object with a list "kernels")");
  }
  Launches launches;
  const Json& kernels = json["kernels"];
  for (size_t i = 0; i < kernels.size(); ++i) {
    launches.kernels.push_back(parse_kernel(kernels[i], fmt::format("{}: kernels[{}]", name, i)));
  }
  const Json edges = json.value("edges", Json::array());
  if (!edges.is_array()) fail(name, R"("edges" must be a list)");
  for (size_t i = 0; i < edges.size(); ++i) {
    launches.edges.push_back(parse_edge(edges[i], fmt::format("{}: edges[{}]", name, i)));
  }
  return launches;
}

Launches read_launches(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  return parse_launches(text.str(), path);
}

}  // namespace slipstream::check
