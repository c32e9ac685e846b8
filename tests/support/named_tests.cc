#include "named_tests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace slipstream::test {
namespace {

SourcesOfNames& sources_of_names() {
  static SourcesOfNames instance;
  return instance;
}

bool is_in(const testing::TestInfo& test, const std::vector<std::string>& sources) {
  const std::string_view file = test.file();
  return std::any_of(sources.begin(), sources.end(),
                     [&](const std::string& source) { return file.ends_with("/" + source); });
}

// Else it would never run, and nobody would see.
void require_name(const testing::TestInfo& test) {
  const auto& names = sources_of_names();
  if (std::any_of(names.begin(), names.end(),
                  [&](const auto& name) { return is_in(test, name.second); })) {
    return;
  }
  throw std::logic_error(std::string("no name stands for the tests of ") + test.file());
}

// As a filter names them.
std::vector<std::string> tests_outside(const std::vector<std::string>& sources) {
  std::vector<std::string> result;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const testing::TestInfo& test = *suite.GetTestInfo(j);
      require_name(test);
      if (is_in(test, sources)) continue;
      result.push_back(std::string(suite.name()) + "." + test.name());
    }
  }
  return result;
}

}  // namespace

NamedTests::NamedTests(SourcesOfNames names) { sources_of_names() = std::move(names); }

void keep_tests_of_name(const std::string& program) {
  const auto found = sources_of_names().find(program.substr(program.rfind('/') + 1));
  if (found == sources_of_names().end()) return;
  // After a minus a filter lists what it leaves out.
  std::string filter = GTEST_FLAG_GET(filter);
  bool leaves_out = filter.find('-') != std::string::npos;
  for (const std::string& test : tests_outside(found->second)) {
    filter += (leaves_out ? ":" : "-") + test;
    leaves_out = true;
  }
  GTEST_FLAG_SET(filter, filter);
}

}  // namespace slipstream::test
