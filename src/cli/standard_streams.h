// What a command may rely on of standard input, output and error, and what it owes them.
#pragma once

namespace slipstream::cli {

// For the beginning of main(). Where a standard stream is closed, its number is taken, so that no
// file of ours gets it and with it what is printed; and a limit of file sizes is an error of the
// write, not the end of the process.
void prepare_standard_streams();

// Undoes what a program that takes this one's place must not inherit.
void restore_signals();

// Flushes standard output. False, with a message, if anything printed to it was lost.
[[nodiscard]] bool flush_standard_output(const char* program);

}  // namespace slipstream::cli
