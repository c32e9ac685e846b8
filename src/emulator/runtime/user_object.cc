#include "emulator/runtime/user_object.h"

#include "emulator/runtime/error.h"

namespace slipstream::emulator::runtime {

HeldObjects::HeldObjects(const HeldObjects& other) : counts_(other.counts_) {
  for (const auto& [object, count] : counts_) object->of_graphs += count;
}

HeldObjects::~HeldObjects() {
  for (const auto& [object, count] : counts_) {
    object->of_graphs -= count;
    user_objects().destroy_if_unused(*object);
  }
}

void HeldObjects::retain(UserObject& object, unsigned count) {
  counts_[&object] += count;
  object.of_graphs += count;
}

void HeldObjects::release(UserObject& object, unsigned count) {
  const auto held = counts_.find(&object);
  require(held != counts_.end() && held->second >= count);
  held->second -= count;
  if (held->second == 0) counts_.erase(held);
  object.of_graphs -= count;
  user_objects().destroy_if_unused(object);
}

UserObjects& user_objects() {
  static auto* all = new UserObjects;  // outlives every static object of the program
  return *all;
}

UserObject& UserObjects::create(void* value, cudaHostFn_t destroy, unsigned references) {
  auto made = std::make_unique<UserObject>(UserObject{value, destroy, references, 0});
  UserObject& object = *made;
  objects_.emplace(&object, std::move(made));
  return object;
}

UserObject& UserObjects::resolve(cudaUserObject_t handle) {
  const auto found = objects_.find(handle);
  require(found != objects_.end());
  return *found->second;
}

void UserObjects::release(UserObject& object, unsigned count) {
  require(object.of_program >= count);
  object.of_program -= count;
  destroy_if_unused(object);
}

void UserObjects::destroy_if_unused(UserObject& object) noexcept {
  if (object.of_program != 0 || object.of_graphs != 0) return;
  const auto last = objects_.extract(&object);
  const InsideHostFunction no_api;
  object.destroy(object.value);
}

}  // namespace slipstream::emulator::runtime
