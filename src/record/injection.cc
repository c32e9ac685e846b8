// libslipstream_recorder.so: the driver loads it into a process where CUDA_INJECTION64_PATH names it, and
// calls InitializeInjection() before anything else. CUPTI then reports every call of the driver, by
// whatever runtime it was made.
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "record/cupti.h"
#include "record/recorder.h"

namespace slipstream::record {
namespace {

enum class Call : uint8_t {
  kUnknown,
  kOther,
  kLaunch,
  kLaunchEx,
  kInstantiate,
  kCopyOrFill,
  kFree,
};

// The parameters of calls, as CUPTI passes them on: in the order of the function's.
struct LaunchCall {
  CUfunction function;
  unsigned int grid[3];
  unsigned int block[3];
  unsigned int shared_bytes;
  CUstream stream;
  void** values;
  void** extra;  // of cuLaunchKernel only
};
struct LaunchExCall {
  const CUlaunchConfig* config;
  CUfunction function;
  void** values;
  void** extra;
};
struct InstantiateCall {
  CUgraphExec* result;
  CUgraph graph;
};

Call call_of(std::string_view name) {
  if (name.starts_with("cuLaunchKernelEx")) return Call::kLaunchEx;
  if (name.starts_with("cuLaunchKernel") || name.starts_with("cuLaunchCooperativeKernel")) {
    const bool multiple = name.find("MultiDevice") != std::string_view::npos;
    return multiple ? Call::kOther : Call::kLaunch;
  }
  if (name.starts_with("cuGraphInstantiate")) return Call::kInstantiate;
  if (name.starts_with("cuMemcpy") || name.starts_with("cuMemset")) return Call::kCopyOrFill;
  if (name.starts_with("cuMemFree") || name.starts_with("cuMemUnmap")) return Call::kFree;
  return Call::kOther;
}

// Calls have numbers, which differ between versions, and names, which do not.
Call call_of(uint32_t id, const char* name) {
  static std::array<std::atomic<Call>, 4096> known;
  if (id >= known.size()) return call_of(name);
  Call call = known[id].load(std::memory_order_relaxed);
  if (call == Call::kUnknown) {
    call = call_of(name);
    known[id].store(call, std::memory_order_relaxed);
  }
  return call;
}

bool is_programmatic(const CUlaunchConfig& config) {
  for (unsigned int i = 0; i < config.numAttrs; ++i) {
    const CUlaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) {
      return attribute.value.programmaticStreamSerializationAllowed != 0;
    }
  }
  return false;
}

void on_call(Recorder& recorder, Call call, const cupti::CallData& data) {
  switch (call) {
    case Call::kLaunch: {
      const auto& launch = *static_cast<const LaunchCall*>(data.parameters);
      const bool has_extra = std::string_view(data.function_name).starts_with("cuLaunchKernel");
      recorder.launch({launch.function}, launch.block[0] * launch.block[1] * launch.block[2],
                      {launch.values, has_extra ? launch.extra : nullptr}, launch.stream, false);
      break;
    }
    case Call::kLaunchEx: {
      const auto& launch = *static_cast<const LaunchExCall*>(data.parameters);
      const CUlaunchConfig& config = *launch.config;
      recorder.launch({launch.function}, config.blockDimX * config.blockDimY * config.blockDimZ,
                      {launch.values, launch.extra}, config.hStream, is_programmatic(config));
      break;
    }
    case Call::kInstantiate:
      recorder.instantiate(static_cast<const InstantiateCall*>(data.parameters)->graph);
      break;
    case Call::kCopyOrFill:
      recorder.other_work();
      break;
    case Call::kFree:
      recorder.free_memory();
      break;
    case Call::kUnknown:
    case Call::kOther:
      break;
  }
}

void on_resource(Recorder& recorder, uint32_t id, const cupti::ResourceData& data) {
  if (id == cupti::kModuleLoaded && data.descriptor != nullptr) {
    const auto& module = *static_cast<const cupti::ModuleData*>(data.descriptor);
    recorder.load_module({module.cubin, module.cubin_bytes});
  } else if (id == cupti::kModuleUnloading) {
    recorder.unload_module();
  }
}

// The recorder asks the driver as well.
thread_local bool t_inside = false;

void on_event(void* user, uint32_t domain, uint32_t id, const void* data) {
  if (t_inside) return;
  t_inside = true;
  auto& recorder = *static_cast<Recorder*>(user);
  if (domain == cupti::kResource) {
    on_resource(recorder, id, *static_cast<const cupti::ResourceData*>(data));
  } else if (domain == cupti::kDriverApi) {
    const auto& call = *static_cast<const cupti::CallData*>(data);
    if (call.site == cupti::kEnter) on_call(recorder, call_of(id, call.function_name), call);
  }
  t_inside = false;
}

// One in the process already, as torch has it, or that of a toolkit.
void* load_cupti() {
  const char* const given = std::getenv("SLIPSTREAM_CUPTI");
  if (given != nullptr) return dlopen(given, RTLD_NOW);
  for (const char* const name : {"libcupti.so.13", "libcupti.so.12", "libcupti.so"}) {
    void* const library = dlopen(name, RTLD_NOW);
    if (library != nullptr) return library;
  }
  return nullptr;
}

// What stands in the way, or nothing.
std::string start(Recorder& recorder) {
  void* const library = load_cupti();
  if (library == nullptr) {
    return "needs CUPTI (libcupti.so.13 of the CUDA toolkit or of the package nvidia-cuda-cupti): "
           "put its folder into LD_LIBRARY_PATH, or the file's name into SLIPSTREAM_CUPTI";
  }
  const auto subscribe = reinterpret_cast<cupti::Subscribe>(dlsym(library, "cuptiSubscribe"));
  const auto enable = reinterpret_cast<cupti::EnableDomain>(dlsym(library, "cuptiEnableDomain"));
  if (subscribe == nullptr || enable == nullptr) return "needs another libcupti";
  cupti::Subscriber subscriber = nullptr;
  const int subscribed = subscribe(&subscriber, on_event, &recorder);
  if (subscribed != 0) {
    return "cannot subscribe to CUPTI (error " + std::to_string(subscribed) +
           "); is a profiler running?";
  }
  for (const uint32_t domain : {cupti::kDriverApi, cupti::kResource}) {
    if (enable(1, subscriber, domain) != 0) return "CUPTI does not report calls";
  }
  return {};
}

Recorder* the_recorder = nullptr;  // never destroyed: calls come until the process is gone

}  // namespace
}  // namespace slipstream::record

extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  using namespace slipstream::record;
  const char* const folder = std::getenv("SLIPSTREAM_RECORD");
  if (folder == nullptr || the_recorder != nullptr) return 1;
  Driver driver;
  std::string problem = driver.load();
  if (!problem.empty()) {
    problem = "the driver lacks " + problem;
  } else {
    the_recorder = new Recorder(driver, folder);
    problem = start(*the_recorder);
  }
  if (!problem.empty()) {
    std::fprintf(stderr, "slipstream record: %s\n", problem.c_str());
    return 1;
  }
  std::atexit([] { the_recorder->write(); });
  return 1;
}
