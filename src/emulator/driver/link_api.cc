// cuLink*: links PTX to PTX, which the driver loads as it would a cubin.
#include <cuda.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "emulator/driver/call.h"
#include "emulator/driver/compiler_log.h"
#include "emulator/linker/device_link.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using namespace slipstream::emulator::runtime;

struct CUlinkState_st {
  linker::DeviceLink link;
  CompilerLog log;
};

namespace {

template <class Action>
CUresult with_link(const char* function, CUlinkState state, Action&& action) {
  return answer(function, [&] {
    require(state != nullptr, cudaErrorInvalidResourceHandle);
    try {
      action(state->link);
    } catch (const ApiError& error) {
      state->log.write(error.what());
      throw;
    }
  });
}

}  // namespace

extern "C" {

CUresult cuLinkCreate(unsigned count, CUjit_option* options, void** values, CUlinkState* state) {
  return answer("cuLinkCreate", [&] {
    require(state != nullptr && (count == 0 || (options != nullptr && values != nullptr)));
    linker::DeviceLink link({"-arch=sm_90"});
    *state =
        new CUlinkState_st{.link = std::move(link), .log = CompilerLog(count, options, values)};
  });
}

// What the data is shows in its first bytes, whatever the type says. Options for one input are a compiler's.
CUresult cuLinkAddData(CUlinkState state, CUjitInputType /*type*/, void* data, size_t size,
                       const char* name, unsigned /*count*/, CUjit_option* /*options*/,
                       void** /*values*/) {
  return with_link("cuLinkAddData", state, [&](linker::DeviceLink& link) {
    require(data != nullptr && size != 0);
    link.add({static_cast<const std::byte*>(data), size}, name == nullptr ? "unnamed data" : name);
  });
}

CUresult cuLinkAddFile(CUlinkState state, CUjitInputType /*type*/, const char* path,
                       unsigned /*count*/, CUjit_option* /*options*/, void** /*values*/) {
  return with_link("cuLinkAddFile", state, [&](linker::DeviceLink& link) {
    require(path != nullptr);
    link.add_file(path);
  });
}

// The result belongs to the state.
CUresult cuLinkComplete(CUlinkState state, void** cubin, size_t* size) {
  return with_link("cuLinkComplete", state, [&](linker::DeviceLink& link) {
    require(cubin != nullptr);
    const std::string& image = link.complete();
    *cubin = const_cast<char*>(image.c_str());
    if (size != nullptr) *size = image.size() + 1;
  });
}

CUresult cuLinkDestroy(CUlinkState state) {
  return answer_always("cuLinkDestroy", [&] {
    require(state != nullptr, cudaErrorInvalidResourceHandle);
    const std::unique_ptr<CUlinkState_st> ends_here(state);
  });
}

}  // extern "C"
