#include <memory>
#include <utility>

#include "emulator/runtime/error.h"
#include "emulator/runtime/library_call.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/submit.h"

using namespace slipstream::emulator::runtime;

cudaError_t slipstream_enqueue_library_call(cudaStream_t stream, LibraryCall* call) {
  const std::string function = call->function;
  return api(function.c_str(), [&] {
    Stream& target = streams().resolve(stream);
    const LibraryOperation operation{std::make_shared<const LibraryCall>(std::move(*call)),
                                     target.device};
    if (target.capture == nullptr) check_library_call(operation);
    enqueue(target, operation);
  });
}
