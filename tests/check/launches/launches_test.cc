#include "check/launches/launches.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/model/support/tiny_files.h"

namespace slipstream::check {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_launches(text, "launches.json");
  } catch (const LaunchesError& error) {
    return error.what();
  }
  return "";
}

TEST(Launches, ReadRoles) {
  const Launches launches = parse_launches(
      R"({"kernels": [{"name": "ns::k", "pdl": true, "block": 128, "parameters": [
            {"index": 1, "offset": 8, "role": "produced", "name": "hidden"},
            {"variable": "table", "role": "constant"}]}]})",
      "launches.json");
  ASSERT_EQ(launches.kernels.size(), 1U);
  const KernelLaunch& kernel = launches.kernels.front();
  EXPECT_EQ(kernel.pdl, true);
  EXPECT_EQ(kernel.block_threads, 128U);
  ASSERT_EQ(kernel.roles.size(), 2U);
  EXPECT_EQ(kernel.roles[0].offset, 8U);
  EXPECT_EQ(kernel.roles[0].role, Role::kProduced);
  EXPECT_EQ(kernel.roles[1].variable, "table");
}

TEST(Launches, ReadWhatARecorderSaw) {
  const Launches launches = parse_launches(
      R"({"recorded": {"launches": 3}, "kernels": [{"name": "k", "pdl": true, "launches": 3,
          "parameters": [{"index": 1, "offset": 8, "shared": [
            {"kernel": "other", "index": 2, "offset": 16, "same": "allocation"}]}]}]})",
      "launches.json");
  EXPECT_TRUE(launches.recorded);
  const ParameterRole& parameter = launches.kernels.front().roles.front();
  EXPECT_EQ(parameter.role, Role::kUnknown);
  ASSERT_EQ(parameter.sharers->size(), 1U);
  EXPECT_EQ(parameter.sharers->front().kernel, "other");
  EXPECT_EQ(parameter.sharers->front().offset, 16U);
  EXPECT_FALSE(parameter.sharers->front().same_address);
  EXPECT_EQ(error_of(R"({"kernels": [{"name": "k", "parameters": [
                {"index": 0, "shared": [{"kernel": "other", "same": "page"}]}]}]})"),
            "launches.json: kernels[0].parameters[0].shared[0]: \"same\" must be kernel (text), "
            "index or offset (numbers) or same (address or allocation), not \"page\"");
}

// 2^32 would be taken for 0.
TEST(Launches, RefuseNumbersThatNoKernelHas) {
  const auto error = [](const std::string& field) {
    return error_of(R"({"kernels": [{"name": "k", )" + field + "}]}");
  };
  EXPECT_EQ(error(R"("block": 4294967296)"),
            "launches.json: kernels[0]: \"block\" must be a whole number from 1 to 1024, is "
            "4294967296");
  EXPECT_NE(error(R"("block": 0)"), "");
  EXPECT_NE(error(R"("block": -1)"), "");
  EXPECT_NE(error(R"("block": 128.5)"), "");
  EXPECT_EQ(error(R"("parameters": [{"index": 0, "offset": 4294967296, "role": "constant"}])"),
            "launches.json: kernels[0].parameters[0]: \"offset\" must be a whole number from 0 to "
            "32763, is 4294967296");
  EXPECT_NE(error(R"("parameters": [{"index": 4294967296, "role": "constant"}])"), "");
}

TEST(Launches, MatchManyStarsAtOnce) {
  KernelLaunch kernel;
  for (int i = 0; i < 200; ++i) kernel.pattern += "*a";
  const std::string name(400, 'a');
  EXPECT_TRUE(kernel.matches(name, name));
  kernel.pattern += "b";
  EXPECT_FALSE(kernel.matches(name, name));
}

TEST(Launches, AreNotReadFromAFifo) {
  const model::test::TemporaryDirectory folder;
  const std::string path = folder.path("launches.json");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THROW(read_launches(path), LaunchesError);
}

TEST(Launches, ReadEdges) {
  const Launches launches = parse_launches(
      R"({"kernels": [], "edges": [{"from": "a", "to": "ns::b*", "kind": "launch-completion"}]})",
      "launches.json");
  ASSERT_EQ(launches.edges_to("_ZN2ns2bbEv", "ns::bb()").size(), 1U);
  EXPECT_EQ(launches.edges_to("_ZN2ns2bbEv", "ns::bb()").front().kind, EdgeKind::kLaunchCompletion);
  EXPECT_TRUE(launches.edges_to("c", "c").empty());
}

TEST(Launches, SayWhatAnEdgeMustBe) {
  const auto error = [](const std::string& edge) {
    return error_of(R"({"kernels": [], "edges": [)" + edge + "]}");
  };
  EXPECT_EQ(error(R"({"from": "a", "to": "b"})"),
            R"(launches.json: edges[0]: must have "from", "to" and "kind")");
  EXPECT_NE(error(R"({"from": "a", "to": "b", "kind": "full"})").find("launch-completion"),
            std::string::npos);
  EXPECT_EQ(error_of(R"({"kernels": [], "edges": {}})"),
            R"(launches.json: "edges" must be a list)");
}

TEST(Launches, MatchMangledDemangledAndBaseNames) {
  KernelLaunch kernel;
  const std::string mangled = "_ZN2ns1kIiEEvPT_";
  const std::string demangled = "void ns::k<int>(int*)";
  for (const char* pattern : {"_ZN2ns1kIiEEvPT_", "void ns::k<int>(int*)", "ns::k", "*::k", "*"}) {
    kernel.pattern = pattern;
    EXPECT_TRUE(kernel.matches(mangled, demangled)) << pattern;
  }
  kernel.pattern = "k";
  EXPECT_FALSE(kernel.matches(mangled, demangled));
}

TEST(Launches, NameWhatIsWrong) {
  EXPECT_TRUE(error_of("{").starts_with("launches.json: must be JSON: ")) << error_of("{");
  EXPECT_EQ(error_of("{}"), "launches.json: must be an object with a list \"kernels\"");
  EXPECT_NE(error_of(R"({"kernels": [{"name": "k", "pld": true}]})").find("\"pld\""),
            std::string::npos);
  EXPECT_NE(error_of(R"({"kernels": [{"name": "k", "parameters": [{"index": 0}]}]})")
                .find("launches.json: kernels[0].parameters[0]: \"role\" must be"),
            std::string::npos);
}

}  // namespace
}  // namespace slipstream::check
