// Shortcuts for tests that parse PTX.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "code/ptx/module.h"

namespace slipstream::ptx {

inline std::shared_ptr<const Module> parse_module(const std::string& text) {
  return Module::parse(".version 9.0\n.target sm_90a\n.address_size 64\n" + text, "test.ptx");
}

// A kernel "k" with this body, which starts in line 5.
inline std::shared_ptr<const Module> parse_kernel(const std::string& body) {
  return parse_module(".visible .entry k(.param .u64 pointer)\n{" + body + "\n}\n");
}

// The message with which parsing `text` fails; a test failure if it does not fail.
inline std::string message_of(const std::string& text) {
  try {
    Module::parse(text, "test.ptx");
  } catch (const ParseError& error) {
    return error.what();
  }
  ADD_FAILURE() << "parsed without an error: " << text;
  return {};
}

// The same for a kernel's body.
inline std::string kernel_message(const std::string& body) {
  return message_of(".version 9.0\n.target sm_90a\n.address_size 64\n.entry k()\n{" + body +
                    "\n}\n");
}

}  // namespace slipstream::ptx
