// Tests that a call is refused with the right words.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "slipstream/error.h"

namespace slipstream::test {

// Demands that `call` throws InvalidArgument whose text contains `text`.
inline void expect_rejected(const std::string& text, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << text;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos)
        << "text: " << error.what() << "\nexpected in it: " << text;
  }
}

}  // namespace slipstream::test
