// Runs a program on the emulated device and collects what it says.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

struct Outcome {
  std::string text;  // stdout and stderr
  bool exited_well = false;
};

// `settings` are assignments of environment variables, `command` is the program with its arguments.
inline Outcome run_emulated(const std::string& settings, const std::string& command) {
  const std::string line = std::string("LD_LIBRARY_PATH=") + EMULATOR_DIRECTORY + " " + settings +
                           " " + command + " 2>&1";
  Outcome outcome;
  std::FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer{};
  size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    outcome.text.append(buffer.data(), got);
  }
  outcome.exited_well = pclose(pipe) == 0;
  return outcome;
}

inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no '" << part << "' in:\n" << text;
}
