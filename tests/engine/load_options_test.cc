// What the environment of a launcher says about ranks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "slipstream/engine.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

const std::map<std::string, std::string> kLaunched = {{"RANK", "3"},
                                                      {"WORLD_SIZE", "4"},
                                                      {"LOCAL_RANK", "1"},
                                                      {"MASTER_ADDR", "node7"},
                                                      {"MASTER_PORT", "29500"}};

class RanksFromEnvironment : public testing::Test {
 protected:
  RanksFromEnvironment() { set(kLaunched); }
  ~RanksFromEnvironment() override {
    for (const auto& [name, value] : kLaunched) unsetenv(name.c_str());
  }

  static void set(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  static std::string complaint_about(const char* name, const char* value) {
    set(kLaunched);
    if (value == nullptr) {
      unsetenv(name);
    } else {
      setenv(name, value, 1);
    }
    return model::test::message_of([] { (void)Ranks::from_environment(); });
  }
};

TEST_F(RanksFromEnvironment, AreThoseOfTheLauncher) {
  const std::optional<Ranks> ranks = Ranks::from_environment();
  ASSERT_TRUE(ranks && ranks->process);
  EXPECT_EQ(ranks->count, 4);
  EXPECT_EQ(ranks->process->rank, 3);
  EXPECT_EQ(ranks->process->device, 1);
  EXPECT_EQ(ranks->process->host, "node7");
  EXPECT_EQ(ranks->process->port, 29501);
}

TEST_F(RanksFromEnvironment, AreNoneWithoutALauncherAndInALaunchOfOne) {
  setenv("WORLD_SIZE", "1", 1);
  EXPECT_FALSE(Ranks::from_environment());
  unsetenv("WORLD_SIZE");
  EXPECT_FALSE(Ranks::from_environment());
}

TEST_F(RanksFromEnvironment, NameTheVariableThatIsNotWhatItMustBe) {
  EXPECT_EQ(complaint_about("RANK", "4"), "RANK must be a number from 0 to 3, is \"4\"");
  EXPECT_EQ(complaint_about("RANK", "-1"), "RANK must be a number from 0 to 3, is \"-1\"");
  EXPECT_EQ(complaint_about("RANK", nullptr), "RANK must be a number from 0 to 3, is not set");
  EXPECT_EQ(complaint_about("WORLD_SIZE", "9"),
            "WORLD_SIZE must be a number from 1 to 8, is \"9\"");
  EXPECT_EQ(complaint_about("WORLD_SIZE", "two"),
            "WORLD_SIZE must be a number from 1 to 8, is \"two\"");
  EXPECT_EQ(complaint_about("LOCAL_RANK", nullptr),
            "LOCAL_RANK must be a number from 0 to 1023, is not set");
  EXPECT_EQ(complaint_about("MASTER_ADDR", nullptr),
            "MASTER_ADDR must be the address of rank 0's machine, is not set");
  EXPECT_EQ(complaint_about("MASTER_PORT", "65535"),
            "MASTER_PORT must be a number from 1 to 65534, is \"65535\"");
}

}  // namespace
}  // namespace slipstream::engine::test
