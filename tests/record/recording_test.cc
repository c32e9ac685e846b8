#include "record/recording.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "io/json_reader.h"

namespace slipstream::record {
namespace {

using nlohmann::json;

constexpr uint64_t kA = 0x1000;  // two allocations
constexpr uint64_t kB = 0x9000;

Launch launch_of(const std::string& kernel, const std::vector<uint64_t>& addresses) {
  Launch launch{kernel, 128, {}};
  for (const uint64_t address : addresses) {
    launch.pointers.push_back(
        {static_cast<uint32_t>(launch.pointers.size()), 0, address, address >= kB ? kB : kA});
  }
  return launch;
}

json kernel_in(const Recording& recording, const std::string& name) {
  const json all = io::parse_json_object(recording.json(), "text");
  for (const json& kernel : all["kernels"]) {
    if (kernel["name"] == name) return kernel;
  }
  return nullptr;
}

// "first 0 address" for each pointer of another launch that shares the memory of `kernel`'s.
std::set<std::string> sharers(const Recording& recording, const std::string& kernel,
                              size_t parameter) {
  std::set<std::string> result;
  const json found = kernel_in(recording, kernel);
  for (const json& one : found["parameters"][parameter]["shared"]) {
    result.insert(one["kernel"].get<std::string>() + " " + one["index"].dump() + " " +
                  one["same"].get<std::string>());
  }
  return result;
}

TEST(Recording, TellsWhatSharesMemoryWithLaunchesThatMayStillRun) {
  Recording recording;
  const Place first = recording.add(launch_of("first", {kA, kB}), {});
  recording.add(launch_of("second", {kB, kA + 8}), {{first}});
  EXPECT_EQ(sharers(recording, "second", 0), std::set<std::string>{"first 1 address"});
  EXPECT_EQ(sharers(recording, "second", 1), std::set<std::string>{"first 0 allocation"});
  EXPECT_TRUE(sharers(recording, "first", 0).empty());
  EXPECT_EQ(kernel_in(recording, "first")["pdl"], false);
  EXPECT_EQ(kernel_in(recording, "second")["pdl"], true);
}

TEST(Recording, GoesBackAlongTheWholeChain) {
  Recording recording;
  const Place first = recording.add(launch_of("first", {kA}), {});
  const Place second = recording.add(launch_of("second", {kB}), {{first}});
  recording.add(launch_of("third", {kA}), {{second}});
  EXPECT_EQ(sharers(recording, "third", 0), std::set<std::string>{"first 0 address"});
}

TEST(Recording, StartsAnewAfterWorkThatIsComplete) {
  Recording recording;
  recording.add(launch_of("first", {kA}), {});
  recording.add(launch_of("second", {kA}), {});
  EXPECT_TRUE(sharers(recording, "second", 0).empty());
}

TEST(Recording, KeepsBranchesApartAndJoinsThem) {
  Recording recording;
  const Place root = recording.add(launch_of("root", {kA}), {});
  const Place left = recording.add(launch_of("left", {kB}), {{root}});
  const Place right = recording.add(launch_of("right", {kB}), {{root}});
  EXPECT_TRUE(sharers(recording, "right", 0).empty());
  const std::vector<Place> both{left, right};
  recording.add(launch_of("join", {kB}), both);
  EXPECT_EQ(sharers(recording, "join", 0),
            (std::set<std::string>{"left 0 address", "right 0 address"}));
}

// Names of the kernels that may still run when `kernel` starts.
std::set<std::string> beside(const Recording& recording, const std::string& kernel) {
  return kernel_in(recording, kernel)["beside"].get<std::set<std::string>>();
}

TEST(Recording, NamesTheKernelsThatMayStillRun) {
  Recording recording;
  const Place root = recording.add(launch_of("root", {}), {});
  const Place left = recording.add(launch_of("left", {}), {{root}});
  const Place right = recording.add(launch_of("right", {}), {{root}});
  const std::vector<Place> both{left, right};
  recording.add(launch_of("join", {}), both);
  recording.add(launch_of("alone", {}), {});
  EXPECT_EQ(beside(recording, "left"), std::set<std::string>{"root"});
  EXPECT_EQ(beside(recording, "right"), std::set<std::string>{"root"});
  EXPECT_EQ(beside(recording, "join"), (std::set<std::string>{"left", "right", "root"}));
  EXPECT_EQ(beside(recording, "alone"), std::set<std::string>{});
}

TEST(Recording, HasTheAttributeWhereThereIsNothingToOverlap) {
  Recording recording;
  recording.add(launch_of("alone", {}), {{Place{}}});
  EXPECT_EQ(kernel_in(recording, "alone")["pdl"], true);
}

TEST(Recording, ListsLaunchCompletionEdges) {
  Recording recording;
  recording.add_launch_completion("first", "second");
  const json edges = io::parse_json_object(recording.json(), "text")["edges"];
  ASSERT_EQ(edges.size(), 1U);
  EXPECT_EQ(edges[0]["from"], "first");
  EXPECT_EQ(edges[0]["kind"], "launch-completion");
}

}  // namespace
}  // namespace slipstream::record
