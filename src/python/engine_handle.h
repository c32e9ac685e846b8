// An engine as Python holds it: with its stream and its device, used by one thread at a time.
#pragma once

#include <cuda_runtime_api.h>
#include <tvm/ffi/object.h>

#include <mutex>
#include <optional>
#include <string>

#include "pdl/device.h"
#include "pdl/stream.h"
#include "slipstream/engine.h"

namespace slipstream::python {

class EngineObject : public tvm::ffi::Object {
 public:
  // On the device that is current now, or on that of the process that is a rank.
  EngineObject(const std::string& directory, engine::LoadOptions options);

  // What `body` makes of the engine. Python gives up its lock while it calls, so that two threads may come at once: the
  // second one gets an Error, as does a callback of the first.
  template <class Body>
  auto use(Body&& body) {
    const std::unique_lock lock(in_use_, std::try_to_lock);
    require_free(lock.owns_lock());
    const pdl::CurrentDevice current(device_);
    return std::forward<Body>(body)(opened());
  }
  // The same for what one other thread may ask meanwhile.
  template <class Body>
  auto use_meanwhile(Body&& body) {
    const std::lock_guard lock(in_use_meanwhile_);
    const pdl::CurrentDevice current(device_);
    return std::forward<Body>(body)(opened());
  }
  // Gives all memory back. Does nothing the second time.
  void close();

  static constexpr bool _type_mutable = true;
  TVM_FFI_DECLARE_OBJECT_INFO_FINAL("slipstream.Engine", EngineObject, tvm::ffi::Object);

 private:
  static void require_free(bool is_free);
  engine::Engine& opened();

  int device_;
  std::optional<pdl::Stream> stream_;  // none where ranks have their own
  std::optional<engine::Engine> engine_;
  std::mutex in_use_;
  std::mutex in_use_meanwhile_;
};

class EngineHandle : public tvm::ffi::ObjectRef {
 public:
  explicit EngineHandle(const tvm::ffi::ObjectPtr<EngineObject>& object)
      : tvm::ffi::ObjectRef(tvm::ffi::ObjectPtr<tvm::ffi::Object>(object)) {}
  TVM_FFI_DEFINE_OBJECT_REF_METHODS_NOTNULLABLE(EngineHandle, tvm::ffi::ObjectRef, EngineObject);
};

}  // namespace slipstream::python
