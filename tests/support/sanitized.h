// Whether this build has AddressSanitizer or ThreadSanitizer.
#pragma once

namespace slipstream::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// The sanitizer must be the first library of a process.
inline constexpr const char* kNotByAShell =
    "a shell, which has no sanitizer, cannot load an emulated device that has one";

}  // namespace slipstream::test
