// What the recorder uses of CUPTI, which is loaded at run time: a library of the toolkit that a machine
// with a GPU need not have. Layouts and numbers are those of cupti_callbacks.h, which never change.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slipstream::record::cupti {

constexpr uint32_t kDriverApi = 1;  // CUPTI_CB_DOMAIN_DRIVER_API
constexpr uint32_t kResource = 3;   // CUPTI_CB_DOMAIN_RESOURCE

constexpr uint32_t kModuleLoaded = 6;     // CUPTI_CBID_RESOURCE_MODULE_LOADED
constexpr uint32_t kModuleUnloading = 7;  // CUPTI_CBID_RESOURCE_MODULE_UNLOAD_STARTING

constexpr int kEnter = 0;  // CUPTI_API_ENTER

// CUpti_CallbackData, of calls.
struct CallData {
  int site;
  const char* function_name;
  const void* parameters;
  void* result;
  const char* symbol_name;  // of launches: the kernel's
  void* context;
  uint32_t context_number;
  uint64_t* correlation_data;
  uint32_t correlation_number;
};

// CUpti_ResourceData and, of modules, what `descriptor` points to.
struct ResourceData {
  void* context;
  void* handle;
  void* descriptor;
};
struct ModuleData {
  uint32_t number;
  size_t cubin_bytes;
  const char* cubin;
};

using Subscriber = void*;
using Callback = void (*)(void* user, uint32_t domain, uint32_t id, const void* data);
using Subscribe = int (*)(Subscriber*, Callback, void* user);
using EnableDomain = int (*)(uint32_t enable, Subscriber, uint32_t domain);

}  // namespace slipstream::record::cupti
