// How programs find the driver's functions by name, and the names of its errors.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string_view>

#include "emulator/driver/tables.h"
#include "emulator/runtime/error.h"

using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::api;
using slipstream::emulator::runtime::error_text;
using slipstream::emulator::runtime::require;

namespace {

enum class Search : uint8_t { kFound, kTooOld, kUnknown };

struct Answer {
  Search search = Search::kUnknown;
  void* function = nullptr;
};

Answer find_variant(std::string_view name, unsigned version, bool per_thread) {
  Answer answer;
  for (const EntryPoint& entry : entry_points()) {
    if (entry.name != name || entry.per_thread != per_thread) continue;
    if (entry.since <= version) {
      answer = {Search::kFound, entry.function};
    } else if (answer.search == Search::kUnknown) {
      answer.search = Search::kTooOld;
    }
  }
  return answer;
}

// What a program built for a version of CUDA means by a name. Only functions with a stream have a variant per thread.
Answer find(std::string_view name, unsigned version, bool per_thread) {
  const Answer own = per_thread ? find_variant(name, version, true) : Answer{};
  return own.search == Search::kFound ? own : find_variant(name, version, false);
}

constexpr cuuint64_t kProcAddressFlags =
    CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

}  // namespace

extern "C" {

CUresult cuGetProcAddress_v2(const char* name, void** function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult* status) {
  if (name == nullptr || function == nullptr || (flags & ~kProcAddressFlags) != 0)
    return CUDA_ERROR_INVALID_VALUE;
  const Answer found = find(name, static_cast<unsigned>(version),
                            (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0);
  *function = found.function;
  if (status != nullptr) {
    *status = found.search == Search::kFound    ? CU_GET_PROC_ADDRESS_SUCCESS
              : found.search == Search::kTooOld ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                                                : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  }
  return found.search == Search::kFound ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function,
                                             unsigned int version, unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* result) {
  return api("cudaGetDriverEntryPointByVersion", [&] {
    require(symbol != nullptr && function != nullptr);
    require(flags <= cudaEnablePerThreadDefaultStream);
    const Answer found = find(symbol, version, flags == cudaEnablePerThreadDefaultStream);
    *function = found.function;
    require(found.search == Search::kFound || result != nullptr, cudaErrorSymbolNotFound);
    if (result == nullptr) return;
    *result = found.search == Search::kFound    ? cudaDriverEntryPointSuccess
              : found.search == Search::kTooOld ? cudaDriverEntryPointVersionNotSufficent
                                                : cudaDriverEntryPointSymbolNotFound;
  });
}

cudaError_t cudaGetDriverEntryPoint(const char* symbol, void** function, unsigned long long flags,
                                    cudaDriverEntryPointQueryResult* result) {
  return cudaGetDriverEntryPointByVersion(symbol, function, CUDART_VERSION, flags, result);
}

CUresult cuGetErrorName(CUresult code, const char** name) {
  if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const auto found = std::ranges::find(error_names(), static_cast<int>(code), &ErrorName::code);
  const bool is_known = found != error_names().end();
  *name = is_known ? found->name : nullptr;
  return is_known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char** text) {
  const char* name = nullptr;
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *text = nullptr;
  if (cuGetErrorName(code, &name) != CUDA_SUCCESS) return CUDA_ERROR_INVALID_VALUE;
  *text = error_text(static_cast<cudaError_t>(code));
  return CUDA_SUCCESS;
}

// What the driver has to say goes to stderr; a function of the program for its messages is never called.
CUresult cuLogsRegisterCallback(CUlogsCallback function, void* /*user_data*/,
                                CUlogsCallbackHandle* handle) {
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (handle != nullptr) *handle = nullptr;
  return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle /*handle*/) { return CUDA_SUCCESS; }

// Tables of functions that no header declares. NVRTC asks for some and goes on without them; a CUDA runtime of NVIDIA's
// that was linked statically needs them.
CUresult cuGetExportTable(const void** table, const CUuuid* id) {
  if (table == nullptr || id == nullptr) return CUDA_ERROR_INVALID_VALUE;
  constexpr unsigned char kOfTheRuntime[] = {0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a,
                                             0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9};
  static std::once_flag once;
  if (std::memcmp(id, kOfTheRuntime, sizeof(kOfTheRuntime)) == 0) {
    std::call_once(once, [] {
      std::fputs(
          "slipstream emulator: the program must use the shared CUDA runtime, it has a static one "
          "(as cuda.bindings.runtime and CuPy have), which finds no device\n",
          stderr);
    });
  }
  *table = nullptr;
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // extern "C"
