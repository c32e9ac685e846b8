#include "code/ptx/module_parser.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "code/ptx/declarations.h"
#include "code/ptx/function_parser.h"

namespace slipstream::ptx {
namespace {

constexpr size_t kLongestText = size_t{1} << 31;

std::optional<Linkage> linkage_from_name(std::string_view directive) {
  if (directive == "visible") {
    return Linkage::kVisible;
  }
  if (directive == "extern") {
    return Linkage::kExtern;
  }
  if (directive == "weak") {
    return Linkage::kWeak;
  }
  if (directive == "common") {
    return Linkage::kCommon;
  }
  return std::nullopt;
}

}  // namespace

void Parser::parse() {
  if (module_.source.size() > kLongestText) {
    cursor_.fail(fmt::format("a module must be at most {} bytes long", kLongestText));
  }
  while (!cursor_.at_end()) parse_directive();
  if (module_.version == 0) cursor_.fail("a module must have a .version");
  module_.locations = locations_.finish(module_.strings_);
}

void Parser::parse_directive() {
  if (cursor_.peek() != '.') {
    cursor_.fail(fmt::format("a directive must stand here, not {}", cursor_.describe_next()));
  }
  std::string_view word = cursor_.directive();
  Linkage linkage = Linkage::kLocal;
  if (const auto named = linkage_from_name(word)) {
    linkage = *named;
    word = cursor_.directive();
  }
  if (word == "entry" || word == "func") {
    parse_function(word == "entry", linkage);
  } else if (const auto space = variable_space(word); space && *space != Space::kParam) {
    parse_variable(*space, linkage);
  } else if (word == "version") {
    parse_version();
  } else if (word == "target") {
    parse_target();
  } else if (word == "address_size") {
    module_.address_size = cursor_.unsigned_integer(".address_size");
    if (module_.address_size != 64) {
      cursor_.fail(fmt::format(".address_size must be 64, not {}", module_.address_size));
    }
  } else if (word == "file") {
    locations_.parse_file(cursor_, module_.files);
  } else if (word == "loc") {
    locations_.parse_location(cursor_);
  } else if (word == "section") {
    locations_.parse_section(cursor_);
  } else if (word == "pragma") {
    cursor_.quoted_string();
    cursor_.expect(';', ".pragma");
  } else {
    cursor_.fail(fmt::format("a module must not have .{} here", word));
  }
}

// "9.0": one number to the cursor, whose digits stand on both sides of the point.
void Parser::parse_version() {
  const std::string_view text = cursor_.decimal_text("a .version");
  const size_t point = text.find('.');
  const std::string_view minor = point == text.npos ? "" : text.substr(point + 1);
  if (point == 0 || point > 3 || minor.size() != 1) {
    cursor_.fail(fmt::format(".version must read like 9.0, not {}", text));
  }
  for (const char digit : text.substr(0, point)) {
    module_.version = module_.version * 10 + static_cast<uint32_t>(digit - '0');
  }
  module_.version = module_.version * 10 + static_cast<uint32_t>(minor[0] - '0');
}

void Parser::parse_target() {
  module_.target = cursor_.expect_word("a target");
  while (cursor_.accept(',')) {
    module_.target_options.push_back(cursor_.expect_word("a target option"));
  }
}

void Parser::parse_variable(Space space, Linkage linkage) {
  parse_variables(cursor_, scopes_, space, linkage,
                  [this](const Variable& variable) { return declare_variable(variable); });
}

// A declaration with .extern and the definition are one variable.
Variable* Parser::declare_variable(const Variable& variable) {
  const auto known = module_.variables_by_name_.find(variable.name);
  if (known == module_.variables_by_name_.end()) {
    Variable& kept = module_.variables.emplace_back(variable);
    module_.variables_by_name_.emplace(kept.name, &kept);
    if (!scopes_.module().declare(kept.name, &kept)) {
      cursor_.fail(fmt::format("{} must be declared once", kept.name));
    }
    return &kept;
  }
  Variable& kept = *known->second;
  if (kept.linkage == Linkage::kExtern) {
    kept = variable;
  } else if (variable.linkage != Linkage::kExtern) {
    cursor_.fail(fmt::format("{}, defined in line {}, must be defined once", kept.name, kept.line));
  }
  return &kept;
}

Function& Parser::declare_function(std::string_view name) {
  const auto known = module_.functions_by_name_.find(name);
  if (known != module_.functions_by_name_.end()) return *known->second;
  Function& function = module_.functions.emplace_back();
  function.name = name;
  module_.functions_by_name_.emplace(name, &function);
  if (!scopes_.module().declare(name, &function)) {
    cursor_.fail(fmt::format("{} must be declared once", name));
  }
  return function;
}

// ".func (.param .b32 result) name (parameters) .directives { body }", or ";" for a body.
void Parser::parse_function(bool is_entry, Linkage linkage) {
  Function signature;
  signature.is_entry = is_entry;
  signature.linkage = linkage;
  signature.line = cursor_.line();
  parse_signature(signature);
  Function& function = declare_function(signature.name);
  const bool is_declaration = cursor_.accept(';');
  if (function.has_body) {
    if (!is_declaration) {
      cursor_.fail(fmt::format("{}, defined in line {}, must be defined once", function.name,
                               function.line));
    }
    return;
  }
  function = std::move(signature);
  if (!is_declaration) {
    cursor_.expect('{', "a function");
    parse_body(function);
  }
}

void Parser::parse_signature(Function& function) {
  parse_parameters(cursor_, function.results);
  function.name = cursor_.expect_word("a function's name");
  function.parameter_bytes = parse_parameters(cursor_, function.parameters);
  while (cursor_.peek() == '.') parse_function_directives(function);
}

void Parser::parse_function_directives(Function& function) {
  PerformanceDirectives& directives = function.directives;
  const std::string_view word = cursor_.directive();
  if (word == "maxntid") {
    parse_dimensions(directives.maxntid);
  } else if (word == "reqntid") {
    parse_dimensions(directives.reqntid);
  } else if (word == "reqnctapercluster") {
    parse_dimensions(directives.reqnctapercluster);
  } else if (word == "maxclusterrank") {
    directives.maxclusterrank = cursor_.unsigned_integer(".maxclusterrank");
  } else if (word == "minnctapersm" || word == "maxnctapersm") {
    directives.minnctapersm = cursor_.unsigned_integer(".minnctapersm");
  } else if (word == "maxnreg") {
    directives.maxnreg = cursor_.unsigned_integer(".maxnreg");
  } else if (word == "explicitcluster") {
    directives.explicitcluster = true;
  } else if (word == "blocksareclusters") {
    directives.blocksareclusters = true;
  } else if (word == "noreturn") {
    directives.noreturn = true;
  } else if (word == "pragma") {
    function.pragmas.push_back({cursor_.quoted_string(), 0});
    cursor_.expect(';', ".pragma");
  } else {
    cursor_.fail(fmt::format("the function {} must not have .{}", function.name, word));
  }
}

void Parser::parse_dimensions(std::array<uint32_t, 3>& dimensions) {
  dimensions = {1, 1, 1};
  size_t given = 0;
  do {
    if (given == dimensions.size()) cursor_.fail("a shape must have at most three dimensions");
    dimensions[given++] = cursor_.unsigned_integer("a dimension");
  } while (cursor_.accept(','));
}

void Parser::declare_parameters(const std::deque<Variable>& parameters) {
  for (const Variable& parameter : parameters) {
    if (!scopes_.innermost().declare(parameter.name, &parameter)) {
      cursor_.fail(fmt::format("the parameter {} must be declared once", parameter.name));
    }
  }
}

void Parser::parse_body(Function& function) {
  function.has_body = true;
  scopes_.open();
  for (std::deque<Variable>* parameters : {&function.results, &function.parameters}) {
    for (Variable& parameter : *parameters) parameter.function = &function;
    declare_parameters(*parameters);
  }
  FunctionParser(cursor_, scopes_, opcodes_, locations_, function).parse_body();
  scopes_.close();
}

}  // namespace slipstream::ptx
