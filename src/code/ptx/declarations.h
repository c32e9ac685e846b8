// Variables and parameters: ".global .align 16 .b8 table[48] = {...};" and the parameters of
// functions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "code/ptx/cursor.h"
#include "code/ptx/module.h"
#include "code/ptx/scope.h"

namespace slipstream::ptx {

// The state space that a directive names ("global"), if it is one a variable may live in.
std::optional<Space> variable_space(std::string_view directive);

// Reads "[.align n] [.attribute(...)] .type name[dims] [= initializer] {, name...};" after the
// state space and hands each variable to `declare`, which returns where it is kept; the initializer
// is filled in there.
void parse_variables(Cursor& cursor, const ScopeStack& scopes, Space space, Linkage linkage,
                     const std::function<Variable*(const Variable&)>& declare);

// Reads "(.param .u64 .ptr .global .align 16 a, .param .b8 b[48])", laying parameters out one after
// the other. An empty or missing list is accepted. Returns the bytes of the whole block.
uint64_t parse_parameters(Cursor& cursor, std::deque<Variable>& parameters);

}  // namespace slipstream::ptx
