#include "emulator/driver/context.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/error.h"

namespace slipstream::emulator::driver {
namespace {

using runtime::require;

// Contexts of this thread under the current one. One of them may be destroyed meanwhile.
std::vector<CUcontext>& under_current() {
  thread_local std::vector<CUcontext> all;
  return all;
}

}  // namespace

Contexts::Contexts() {
  for (uint32_t device = 0; device < kMaxDevices; ++device) {
    primary_.push_back({device, CU_CTX_SCHED_AUTO, next_id_++});
  }
}

Context& Contexts::primary(uint32_t device) { return *std::next(primary_.begin(), device); }

Context& Contexts::create(uint32_t device, unsigned flags) {
  return created_.emplace_back(Context{device, flags, next_id_++});
}

void Contexts::destroy(Context& context) {
  require(!is_primary(context), cudaErrorDeviceUninitialized);
  if (current_context() == &context) pop();
  std::erase_if(created_, [&](const Context& held) { return &held == &context; });
}

Context* Contexts::find(CUcontext handle) {
  for (std::list<Context>* all : {&primary_, &created_}) {
    for (Context& context : *all) {
      if (handle_of(context) == handle) return &context;
    }
  }
  return nullptr;
}

Context& Contexts::resolve(CUcontext handle) {
  Context* const context = find(handle);
  require(context != nullptr, cudaErrorDeviceUninitialized);
  return *context;
}

bool Contexts::is_primary(const Context& context) const {
  return std::ranges::any_of(primary_, [&](const Context& held) { return &held == &context; });
}

Contexts& contexts() {
  static auto* all = new Contexts;  // outlives every static object of the program
  return *all;
}

Context* current_context() {
  const runtime::CurrentDevice& current = runtime::current();
  if (!current.has_context) return nullptr;
  if (current.created_context == nullptr) return &contexts().primary(current.number);
  // Another thread may have destroyed it.
  return contexts().find(static_cast<CUcontext>(const_cast<void*>(current.created_context)));
}

void make_current(const Context& context) {
  const bool is_primary = contexts().is_primary(context);
  runtime::current() = {context.device, true, is_primary ? nullptr : &context};
}

void push(const Context& context) {
  if (const Context* const before = current_context())
    under_current().push_back(handle_of(*before));
  make_current(context);
}

Context& pop() {
  Context* const top = current_context();
  require(top != nullptr, cudaErrorDeviceUninitialized);
  if (under_current().empty()) {
    runtime::current().has_context = false;
  } else {
    const CUcontext next = under_current().back();
    under_current().pop_back();
    make_current(contexts().resolve(next));
  }
  return *top;
}

}  // namespace slipstream::emulator::driver
