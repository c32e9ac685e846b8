// User objects.
#include <cuda_runtime_api.h>

#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/user_object.h"

using namespace slipstream::emulator::runtime;

extern "C" {

// The one flag says that nobody may wait for the destructor, and must be given.
cudaError_t cudaUserObjectCreate(cudaUserObject_t* object, void* value, cudaHostFn_t destroy,
                                 unsigned references, unsigned flags) {
  return api("cudaUserObjectCreate", [&] {
    require(object != nullptr && destroy != nullptr && references != 0 &&
            flags == cudaUserObjectNoDestructorSync);
    *object = UserObjects::handle(user_objects().create(value, destroy, references));
  });
}

cudaError_t cudaUserObjectRetain(cudaUserObject_t object, unsigned count) {
  return api("cudaUserObjectRetain", [&] {
    require(count != 0);
    user_objects().resolve(object).of_program += count;
  });
}

cudaError_t cudaUserObjectRelease(cudaUserObject_t object, unsigned count) {
  return api("cudaUserObjectRelease", [&] {
    require(count != 0);
    user_objects().release(user_objects().resolve(object), count);
  });
}

cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t object, unsigned count,
                                      unsigned flags) {
  return api("cudaGraphRetainUserObject", [&] {
    require(count != 0 && (flags & ~unsigned{cudaGraphUserObjectMove}) == 0);
    UserObject& held = user_objects().resolve(object);
    const auto holder = graphs().resolve(graph);
    const bool moves = flags == cudaGraphUserObjectMove;
    require(!moves || held.of_program >= count);
    holder->objects.retain(held, count);
    if (moves) user_objects().release(held, count);
  });
}

cudaError_t cudaGraphReleaseUserObject(cudaGraph_t graph, cudaUserObject_t object, unsigned count) {
  return api("cudaGraphReleaseUserObject", [&] {
    require(count != 0);
    graphs().resolve(graph)->objects.release(user_objects().resolve(object), count);
  });
}

}  // extern "C"
