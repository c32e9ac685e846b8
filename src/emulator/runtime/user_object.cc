#include "emulator/runtime/user_object.h"

#include "emulator/runtime/error.h"

namespace slipstream::emulator::runtime {

struct UserObject {
  void* value = nullptr;
  cudaHostFn_t destroy = nullptr;
  unsigned references = 0;
};

HeldObjects::HeldObjects(const HeldObjects& other) : counts_(other.counts_) {
  for (const auto& [object, count] : counts_) UserObjects::retain(*object, count);
}

HeldObjects::~HeldObjects() {
  for (const auto& [object, count] : counts_) user_objects().release(*object, count);
}

void HeldObjects::release(UserObject& object, unsigned count) {
  const auto held = counts_.find(&object);
  require(held != counts_.end() && held->second >= count);
  held->second -= count;
  if (held->second == 0) counts_.erase(held);
  user_objects().release(object, count);
}

UserObjects& user_objects() {
  static auto* all = new UserObjects;  // outlives every static object of the program
  return *all;
}

UserObject& UserObjects::create(void* value, cudaHostFn_t destroy, unsigned references) {
  auto made = std::make_unique<UserObject>(UserObject{value, destroy, references});
  UserObject& object = *made;
  objects_.emplace(&object, std::move(made));
  return object;
}

UserObject& UserObjects::resolve(cudaUserObject_t handle) {
  const auto found = objects_.find(handle);
  require(found != objects_.end());
  return *found->second;
}

void UserObjects::retain(UserObject& object, unsigned count) { object.references += count; }

void UserObjects::release(UserObject& object, unsigned count) {
  require(object.references >= count);
  object.references -= count;
  if (object.references != 0) return;
  const auto last = objects_.extract(&object);
  const InsideHostFunction no_api;
  object.destroy(object.value);
}

}  // namespace slipstream::emulator::runtime
