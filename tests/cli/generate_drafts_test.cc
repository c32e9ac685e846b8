// `slipstream generate --drafts`, of the tiny model that counts.
#include <gtest/gtest.h>

#include "io/json_reader.h"
#include "tests/cli/generate_fixture.h"
#include "tests/engine/support/counting.h"
#include "tests/model/support/editable.h"

namespace slipstream::cli {
namespace {

using engine::test::counted;

GenerateOptions counting_options(const std::string& drafts) {
  GenerateOptions result = options();
  result.model = model::test::tiny_checkpoint("counting-tiny");
  result.prompt_ids = "16,17,18";
  result.count = 12;
  result.drafts = drafts;
  return result;
}

TEST_F(Generate, GivesTheSameTokensWithDraftsAndSaysHowTheyFared) {
  const auto json = io::parse_json_object(output_of(counting_options("3")), "text");
  EXPECT_EQ(json["tokens"], nlohmann::json(counted(18, 12)));
  const nlohmann::json& drafts = json["drafts"];
  EXPECT_GT(drafts["steps"], 0);
  EXPECT_GT(drafts["tokens_per_step"], 1.4);
  EXPECT_EQ(drafts["acceptance"].size(), 3U);
  EXPECT_EQ(tokens_of(counting_options("auto")), counted(18, 12));
}

TEST_F(Generate, CountsNoStepsWithoutDrafts) {
  const auto json = io::parse_json_object(output_of(counting_options("0")), "text");
  EXPECT_EQ(json["tokens"], nlohmann::json(counted(18, 12)));
  EXPECT_EQ(json["drafts"]["steps"], 0);
  EXPECT_EQ(json["drafts"]["acceptance"], nlohmann::json::array());
}

TEST_F(Generate, ShowsAcceptanceToPeople) {
  GenerateOptions request = counting_options("2");
  request.json_file.clear();
  EXPECT_NE(output_of(request).find("tokens a step; right, if those before were: "),
            std::string::npos);
}

TEST_F(Generate, TakesForcedIdsAndOneOrTwoTokensWithDrafts) {
  GenerateOptions request = counting_options("2");
  for (const int count : {1, 2}) {
    request.count = count;
    EXPECT_EQ(tokens_of(request), counted(18, count));
  }
  request.count.reset();
  request.force_ids = "7,8,9";
  EXPECT_EQ(tokens_of(request), (std::vector<int>{7, 8, 9}));
}

TEST_F(Generate, RefusesDraftsWithoutAnMtpLayer) {
  model::test::Editable editable("counting-tiny");
  editable.remove_prefix("model.layers.2.");
  GenerateOptions request = counting_options("1");
  request.model = editable.write();
  EXPECT_EQ(error_of(request), "drafts must be 0 for a checkpoint without an MTP layer, and " +
                                   request.model + " has no tensor of layer 2");
}

}  // namespace
}  // namespace slipstream::cli
