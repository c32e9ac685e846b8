// A program run as a child of this one, for the commands that have something to do after it.
#pragma once

#include <string>
#include <vector>

namespace slipstream::cli {

inline constexpr int kCannotExecute =
    126;                               // what a shell answers for a program that it cannot start
inline constexpr int kNotFound = 127;  // and for one that is not there
inline constexpr int kEndedBySignal = 128;  // plus its number

// Replaces this process. Returns only where that fails: a message has been printed, and one of the
// first two codes above is what to end with.
[[nodiscard]] int replace_by_program(const std::vector<std::string>& program);

struct EndOfChild {
  int exit_code = 0;
  bool timed_out = false;
};

// Runs the program to its end. It ends with this process, however that ends, and signals that ask
// this process to end or to hang up are passed on to it. After `timeout_seconds` (0: never) it is
// asked to end, and made to soon after.
[[nodiscard]] EndOfChild run_program(const std::vector<std::string>& program,
                                     double timeout_seconds);

}  // namespace slipstream::cli
