#include "python/engine_handle.h"

#include <utility>

#include "slipstream/error.h"

namespace slipstream::python {
namespace {

int device_of(const engine::LoadOptions& options) {
  return options.ranks.process ? options.ranks.process->device : pdl::current_device();
}

}  // namespace

EngineObject::EngineObject(const std::string& directory, engine::LoadOptions options)
    : device_(device_of(options)) {
  const pdl::CurrentDevice current(device_);
  if (options.ranks.count == 1) options.stream = stream_.emplace().get();
  engine_.emplace(engine::Engine::load(directory, options));
}

void EngineObject::close() {
  const std::unique_lock lock(in_use_, std::try_to_lock);
  const std::unique_lock meanwhile(in_use_meanwhile_, std::try_to_lock);
  require_free(lock.owns_lock() && meanwhile.owns_lock());
  const pdl::CurrentDevice current(device_);
  engine_.reset();
  stream_.reset();
}

void EngineObject::require_free(bool is_free) {
  if (is_free) return;
  throw Error("an engine is used by one call at a time, and this one is in a call now");
}

engine::Engine& EngineObject::opened() {
  if (!engine_) throw InvalidArgument("the engine must be open, was closed");
  return *engine_;
}

}  // namespace slipstream::python
