#include "check/launches/launches.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "io/file.h"
#include "io/json_reader.h"
#include "slipstream/error.h"

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
    {"settled", Role::kSettled},
    {"handed-over", Role::kHandedOver},
    {"hands-over", Role::kHandsOver},
});

constexpr uint32_t kMostThreads = 1024;             // of a block
constexpr uint32_t kLastParameterByte = 32764 - 1;  // so many bytes may a kernel's parameters have

// Whether `text` matches `pattern`, where "*" stands for any text. What lies between two stars may as
// well stand at the first place where it does, so none is looked for twice.
bool glob(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  while ((star = pattern.find('*')) != std::string_view::npos) {
    const size_t found = text.find(pattern.substr(0, star));
    if (found == std::string_view::npos) return false;
    text.remove_prefix(found + star);
    pattern.remove_prefix(star + 1);
  }
  return text.ends_with(pattern);
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

uint32_t parse_number(const Json& json, const std::string& key, uint32_t least, uint32_t most,
                      const std::string& where) {
  const auto value = json.is_number_unsigned() ? json.get<uint64_t>() : uint64_t{most} + 1;
  if (value < least || value > most) {
    fail(where, fmt::format("\"{}\" must be a whole number from {} to {}, is {}", key, least, most,
                            json.dump()));
  }
  return static_cast<uint32_t>(value);
}

Sharer parse_sharer(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  Sharer result;
  bool has_same = false;
  for (const auto& [key, value] : json.items()) {
    if (key == "kernel" && value.is_string()) {
      result.kernel = value.get<std::string>();
    } else if (key == "index") {
      result.index = parse_number(value, key, 0, kLastParameterByte, where);
    } else if (key == "offset") {
      result.offset = parse_number(value, key, 0, kLastParameterByte, where);
    } else if (key == "same" && (value == "address" || value == "allocation")) {
      result.same_address = value == "address";
      has_same = true;
    } else {
      fail(where, fmt::format("\"{}\" must be kernel (text), index or offset (numbers) or same "
                              "(address or allocation), not {}",
                              key, value.dump()));
    }
  }
  if (result.kernel.empty() || !has_same) fail(where, R"(must have "kernel" and "same")");
  return result;
}

std::vector<Sharer> parse_sharers(const Json& json, const std::string& where) {
  std::vector<Sharer> result;
  for (size_t i = 0; i < json.size(); ++i) {
    result.push_back(parse_sharer(json[i], fmt::format("{}.shared[{}]", where, i)));
  }
  return result;
}

ParameterRole parse_role(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  ParameterRole result;
  for (const auto& [key, value] : json.items()) {
    if (key == "variable" && value.is_string()) {
      result.variable = value.get<std::string>();
    } else if (key == "index") {
      result.index = parse_number(value, key, 0, kLastParameterByte, where);
    } else if (key == "offset") {
      result.offset = parse_number(value, key, 0, kLastParameterByte, where);
    } else if (key == "role" && value.is_string()) {
      for (const RoleName& one : kRoles) {
        if (one.name == value.get<std::string>()) result.role = one.role;
      }
    } else if (key == "shared" && value.is_array()) {
      result.sharers = parse_sharers(value, where);
    } else if (key != "name") {
      fail(where, fmt::format("\"{}\" must be variable (text), index or offset (numbers), role, "
                              "shared (a list) or name, not {}",
                              key, value.dump()));
    }
  }
  if (result.role == Role::kUnknown && !result.sharers) {
    fail(where,
         "\"role\" must be constant, private, produced, written, settled, handed-over or "
         "hands-over");
  }
  if (result.variable.empty() && !json.contains("index")) {
    fail(where, R"(must have "index" or "variable")");
  }
  return result;
}

std::vector<std::string> parse_names(const Json& json, const std::string& where) {
  const bool is_list =
      json.is_array() &&
      std::all_of(json.begin(), json.end(), [](const Json& one) { return one.is_string(); });
  if (!is_list) {
    fail(where, fmt::format("\"beside\" must be a list of names of kernels, is {}", json.dump()));
  }
  return json.get<std::vector<std::string>>();
}

KernelLaunch parse_kernel(const Json& json, const std::string& where) {
  if (!json.is_object()) fail(where, "must be an object");
  KernelLaunch result;
  for (const auto& [key, value] : json.items()) {
    if (key == "name" && value.is_string()) {
      result.pattern = value.get<std::string>();
    } else if (key == "pdl" && value.is_boolean()) {
      result.pdl = value.get<bool>();
    } else if (key == "block") {
      result.block_threads = parse_number(value, key, 1, kMostThreads, where);
    } else if (key == "launches") {
      parse_number(value, key, 1, std::numeric_limits<uint32_t>::max() - 1, where);  // a comment
    } else if (key == "parameters" && value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) {
        result.roles.push_back(parse_role(value[i], fmt::format("{}.parameters[{}]", where, i)));
      }
    } else if (key == "beside") {
      result.beside = parse_names(value, where);
    } else {
      fail(where, fmt::format("\"{}\" must be name (text), pdl (true or false), block or launches "
                              "(numbers) or parameters or beside (lists), not {}",
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

}  // namespace

bool names_kernel(const std::string& pattern, const std::string& mangled,
                  const std::string& demangled) {
  return glob(pattern, mangled) || glob(pattern, demangled) || glob(pattern, base_name(demangled));
}

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
  Json json;
  try {
    json = io::parse_json_object(text, name);
  } catch (const Error& error) {
    throw LaunchesError(error.what());
  }
  if (!json.contains("kernels") || !json["kernels"].is_array()) {
    fail(name, R"(must be an object with a list "kernels")");
  }
  Launches launches;
  launches.file = name;
  launches.recorded = json.contains("recorded");
  const Json& kernels = json["kernels"];
  for (size_t i = 0; i < kernels.size(); ++i) {
    launches.kernels.push_back(parse_kernel(kernels[i], fmt::format("{}: kernels[{}]", name, i)));
    launches.kernels.back().recorded = launches.recorded;
  }
  const Json edges = json.value("edges", Json::array());
  if (!edges.is_array()) fail(name, R"("edges" must be a list)");
  for (size_t i = 0; i < edges.size(); ++i) {
    launches.edges.push_back(parse_edge(edges[i], fmt::format("{}: edges[{}]", name, i)));
  }
  return launches;
}

Launches read_launches(const std::string& path) {
  std::string text;
  try {
    text = io::read_file(path);
  } catch (const Error& error) {
    throw LaunchesError(error.what());
  }
  return parse_launches(text, path);
}

}  // namespace slipstream::check
