// User objects: what a program gives graphs to keep, and is told of when no graph needs it any more.
#pragma once

#include <driver_types.h>

#include <map>
#include <memory>

namespace slipstream::emulator::runtime {

struct UserObject {
  void* value = nullptr;
  cudaHostFn_t destroy = nullptr;
  unsigned of_program = 0;  // references
  unsigned of_graphs = 0;
};

// References that a graph holds. A copy holds as many of its own.
class HeldObjects {
 public:
  HeldObjects() = default;
  HeldObjects(const HeldObjects& other);
  HeldObjects& operator=(const HeldObjects&) = delete;
  ~HeldObjects();

  void retain(UserObject& object, unsigned count);
  // Throws ApiError cudaErrorInvalidValue where it has not that many.
  void release(UserObject& object, unsigned count);
  bool empty() const { return counts_.empty(); }

 private:
  std::map<UserObject*, unsigned> counts_;
};

class UserObjects {
 public:
  UserObject& create(void* value, cudaHostFn_t destroy, unsigned references);
  // Throws ApiError cudaErrorInvalidValue where there is no such object.
  UserObject& resolve(cudaUserObject_t handle);
  static cudaUserObject_t handle(UserObject& object) {
    return reinterpret_cast<cudaUserObject_t>(&object);
  }

  // The program's references. Throws ApiError cudaErrorInvalidValue where it has not that many.
  void release(UserObject& object, unsigned count);
  void destroy_if_unused(UserObject& object) noexcept;

 private:
  std::map<const void*, std::unique_ptr<UserObject>> objects_;
};

UserObjects& user_objects();

}  // namespace slipstream::emulator::runtime
