// Prints docs/emulator-instructions.md from the table that the decoder uses.
#include <cstdio>

#include "emulator/decoder/table.h"

int main() {
  std::fputs(slipstream::emulator::support_matrix().c_str(), stdout);
  return 0;
}
