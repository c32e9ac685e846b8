// `slipstream generate` over several GPUs.
#include <cuda_runtime_api.h>

#include <cstdlib>

#include "io/json_reader.h"
#include "pdl/device.h"
#include "slipstream/error.h"
#include "tests/cli/generate_fixture.h"
#include "tests/engine/support/counting.h"

namespace slipstream::cli {
namespace {

class GenerateRanks : public Generate {
 protected:
  void SetUp() override {
    if (pdl::device_count() < 2) GTEST_SKIP() << "needs 2 GPUs";
  }
  ~GenerateRanks() override { unsetenv("WORLD_SIZE"); }

  static GenerateOptions on_two_gpus(GenerateOptions request) {
    request.tp = 2;
    request.poll_limit = 600;  // emulated devices may take long
    return request;
  }
};

TEST_F(GenerateRanks, WritesLogitsOfTheWholeVocabulary) {
  GenerateOptions request = on_two_gpus(options());
  request.count = 2;
  request.logits_file = path("logits");
  const auto json = io::parse_json_object(output_of(request), "text");
  EXPECT_EQ(json["ranks"], 2);
  EXPECT_EQ(json["tokens"].size(), 2U);
  const auto store = model::TensorStore::open_file(request.logits_file);
  EXPECT_EQ(store.at("logits").shape, (std::vector<int64_t>{2, kVocabulary}));
}

TEST_F(GenerateRanks, DraftAndSayHowDraftsFared) {
  GenerateOptions request = on_two_gpus(options());
  request.model = model::test::counting_in_two().directory();
  request.prompt_ids = "16,17,18";
  request.count = 8;
  for (const char* drafts : {"2", "auto"}) {
    request.drafts = drafts;
    const auto json = io::parse_json_object(output_of(request), "text");
    EXPECT_EQ(json["tokens"], nlohmann::json(engine::test::counted(18, 8)));
    EXPECT_GT(json["drafts"]["tokens_per_step"], 1.4);
  }
}

TEST_F(GenerateRanks, RunsOneLayerAlone) {
  GenerateOptions request = on_two_gpus(layer_options(3, kHidden));
  request.layer_out = path("out.safetensors");
  (void)output_of(request);
  EXPECT_EQ(model::TensorStore::open_file(request.layer_out).at("hidden").shape,
            (std::vector<int64_t>{3, kHidden}));
}

TEST_F(GenerateRanks, TakesALaunchersWordForTheirNumber) {
  GenerateOptions request = on_two_gpus(options());
  request.tp = 4;
  for (const auto& [name, value] : {std::pair("WORLD_SIZE", "2"),
                                    {"RANK", "0"},
                                    {"LOCAL_RANK", "0"},
                                    {"MASTER_ADDR", "localhost"},
                                    {"MASTER_PORT", "29500"}}) {
    setenv(name, value, 1);
  }
  EXPECT_EQ(error_of(request), "--tp must be WORLD_SIZE = 2 or left out, is 4");
}

}  // namespace
}  // namespace slipstream::cli
