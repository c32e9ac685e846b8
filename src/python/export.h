// How a function becomes one that Python calls by its name.
#pragma once

#include <tvm/ffi/tvm_ffi.h>

#include <string>
#include <type_traits>
#include <utility>

namespace slipstream::python {

// The argument at `index`; throws a TypeError for one of another type. A function for each type: in
// TVM_FFI_DLL_EXPORT_TYPED_FUNC each argument of each function has this code in its place, two
// thirds of the binding's code and three quarters of its compilation.
template <class T>
[[gnu::noinline]] std::remove_cvref_t<T> argument(const tvm::ffi::AnyView* arguments, int index,
                                                  const std::string& name,
                                                  std::string (*signature)()) {
  return tvm::ffi::details::ArgValueWithContext<T>(arguments, index, &name, signature);
}

[[noreturn, gnu::noinline]] inline void reject_count(const std::string& name,
                                                     const std::string& signature, size_t must_be,
                                                     int is) {
  TVM_FFI_THROW(TypeError) << name << " takes " << must_be << " arguments, not " << is << ": "
                           << signature;
}

// Calls `function` with what Python gave.
template <auto function, size_t... indices>
void call(std::index_sequence<indices...>, const std::string& name,
          const tvm::ffi::AnyView* arguments, int count, tvm::ffi::Any* result) {
  using Info = tvm::ffi::details::FunctionInfo<decltype(function)>;
  if (count != sizeof...(indices)) reject_count(name, Info::Sig(), sizeof...(indices), count);
  const auto call = [&] {
    return function(argument<std::tuple_element_t<indices, typename Info::ArgType>>(
        arguments, indices, name, &Info::Sig)...);
  };
  if constexpr (std::is_void_v<typename Info::RetType>) {
    call();
  } else {
    *result = tvm::ffi::Any(call());
  }
}

// As tvm-ffi calls a function of a library.
template <auto function>
int export_as(const char* function_name, const TVMFFIAny* arguments, int count, TVMFFIAny* result) {
  TVM_FFI_SAFE_CALL_BEGIN();
  static const std::string name = function_name;
  constexpr auto indices =
      std::make_index_sequence<tvm::ffi::details::FunctionInfo<decltype(function)>::num_args>{};
  call<function>(indices, name, reinterpret_cast<const tvm::ffi::AnyView*>(arguments), count,
                 reinterpret_cast<tvm::ffi::Any*>(result));
  TVM_FFI_SAFE_CALL_END();
}

}  // namespace slipstream::python

// Python finds `function` by this name.
#define SLIPSTREAM_EXPORT(name, function)                                                 \
  extern "C" TVM_FFI_DLL_EXPORT int __tvm_ffi_##name(void*, const TVMFFIAny* arguments,   \
                                                     int32_t count, TVMFFIAny* result) {  \
    return ::slipstream::python::export_as<&(function)>(#name, arguments, count, result); \
  }
