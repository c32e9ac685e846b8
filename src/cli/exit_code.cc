#include "cli/exit_code.h"

#include <cstdio>
#include <exception>
#include <new>

namespace slipstream::cli {
namespace {

void print(const std::string& program, const char* message) {
  static_cast<void>(std::fprintf(stderr, "%s: %s\n", program.c_str(), message));
}

}  // namespace

std::string exit_codes_text() {
  return "Exit codes: 0 done, 1 something was found, 2 an input or output cannot be used, 3 wrong "
         "command line, 4 the device or another rank failed, 124 over --timeout.";
}

int report_exception(const std::string& program) {
  try {
    throw;
  } catch (const CudaError& error) {
    print(program, error.what());
    return kDevice;
  } catch (const RankError& error) {
    print(program, error.what());
    return kDevice;
  } catch (const Found& error) {
    print(program, error.what());
    return kFound;
  } catch (const std::bad_alloc&) {
    print(program, "the host has too little memory for this");
  } catch (const std::exception& error) {
    print(program, error.what());
  }
  return kCannot;
}

}  // namespace slipstream::cli
