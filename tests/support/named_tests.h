// Tests of several names that are one program: most of what compiling them takes is what they include.
// Called by one of the names, it runs the tests of the sources that the name stands for.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace slipstream::test {

using SourcesOfNames = std::map<std::string, std::vector<std::string>>;

// A program has one at most, which CMake writes (slipstream_test in cmake/Slipstream.cmake).
struct NamedTests {
  explicit NamedTests(SourcesOfNames names);
};

// For main(), once GoogleTest knows its arguments. A program without names keeps all of its tests.
void keep_tests_of_name(const std::string& program);

}  // namespace slipstream::test
