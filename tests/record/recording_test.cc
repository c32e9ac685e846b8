#include "record/recording.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/json_reader.h"

namespace slipstream::record {
namespace {

using io::JsonReader;

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

JsonReader all_of(const Recording& recording) {
  return JsonReader::parse(recording.json(), "text");
}

JsonReader kernel_in(const Recording& recording, const std::string& name) {
  for (const JsonReader& kernel : all_of(recording).objects("kernels")) {
    if (kernel.text("name") == name) return kernel;
  }
  throw std::out_of_range(name);
}

// "first 0 address" for each pointer of another launch that shares the memory of `kernel`'s.
std::set<std::string> sharers(const Recording& recording, const std::string& kernel,
                              size_t parameter) {
  std::set<std::string> result;
  const JsonReader found = kernel_in(recording, kernel).objects("parameters").at(parameter);
  for (const JsonReader& one : found.objects("shared")) {
    result.insert(one.text("kernel") + " " + std::to_string(one.integer("index")) + " " +
                  one.text("same"));
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
  EXPECT_FALSE(kernel_in(recording, "first").boolean_or("pdl", true));
  EXPECT_TRUE(kernel_in(recording, "second").boolean_or("pdl", false));
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
  const std::vector<std::string> names = kernel_in(recording, kernel).texts("beside").value();
  return {names.begin(), names.end()};
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
  EXPECT_TRUE(kernel_in(recording, "alone").boolean_or("pdl", false));
}

TEST(Recording, ListsLaunchCompletionEdges) {
  Recording recording;
  recording.add_launch_completion("first", "second");
  const std::vector<JsonReader> edges = all_of(recording).objects("edges");
  ASSERT_EQ(edges.size(), 1U);
  EXPECT_EQ(edges[0].text("from"), "first");
  EXPECT_EQ(edges[0].text("kind"), "launch-completion");
}

}  // namespace
}  // namespace slipstream::record
