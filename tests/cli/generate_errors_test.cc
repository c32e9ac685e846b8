// What `slipstream generate` refuses, and that it writes no file then.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "cli/exit_code.h"
#include "tests/cli/generate_fixture.h"
#include "tests/model/support/editable.h"

namespace slipstream::cli {
namespace {

TEST_F(Generate, NamesAMissingModel) {
  GenerateOptions request = options();
  request.model = path("none");
  EXPECT_NE(error_of(request).find(path("none") + "/config.json"), std::string::npos);
}

TEST_F(Generate, NamesAPlaceThatLogitsCannotGoTo) {
  for (const std::string& place : {path("none/logits.safetensors"), path("")}) {
    GenerateOptions request = options();
    request.logits_file = place;
    try {
      (void)output_of(request);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(place + ": cannot be written: "));
    }
  }
}

TEST_F(Generate, RejectsIdsOutsideTheVocabulary) {
  GenerateOptions request = options();
  request.prompt_ids = "3,301";
  EXPECT_EQ(error_of(request),
            "--prompt-ids must be token ids from 0 to vocab_size - 1 = 300, has 301");
  request = options();
  request.count.reset();
  request.force_ids = "1,999";
  EXPECT_EQ(error_of(request),
            "--force-ids must be token ids from 0 to vocab_size - 1 = 300, has 999");
}

TEST_F(Generate, RejectsMoreTokensThanTheModelHasPositions) {
  GenerateOptions request = options();
  request.count = 37;
  EXPECT_EQ(error_of(request),
            "prompt and -n must need at most max_position_embeddings = 40 positions, need 41");
}

TEST_F(Generate, RejectsARankThatIsNone) {
  GenerateOptions request = options();
  request.tp = 2;
  request.rank = 2;
  EXPECT_EQ(error_of(request), "rank must be from 0 to tp - 1, is 2 with tp = 2");
}

TEST_F(Generate, NamesALayersInputThatIsMissing) {
  GenerateOptions request = layer_options(2, kHidden);
  request.layer_in = path("none.safetensors");
  EXPECT_NE(error_of(request).find(request.layer_in), std::string::npos);
}

TEST_F(Generate, RejectsALayersInputWithoutHiddenStates) {
  GenerateOptions request = layer_options(2, kHidden);
  const std::array tensors = {
      model::OutputTensor::of("other", {1, 2}, std::span<const float>(hidden_).first(2))};
  model::write_safetensors(request.layer_in, tensors);
  EXPECT_EQ(error_of(request), request.layer_in + ": tensor hidden must be there, is missing");
}

TEST_F(Generate, RejectsALayersInputOfTheWrongShape) {
  GenerateOptions request = layer_options(4, kHidden / 2);
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor hidden must have hidden_size = 256 columns, has 128");
  request = layer_options(0, kHidden);
  EXPECT_EQ(
      error_of(request),
      request.layer_in + ": tensor hidden must have 1 to max_position_embeddings = 40 rows, has 0");
  request = layer_options(41, kHidden);
  EXPECT_EQ(error_of(request),
            request.layer_in +
                ": tensor hidden must have 1 to max_position_embeddings = 40 rows, has 41");
  const std::array tensors = {model::OutputTensor::of("hidden", {2}, std::array{1.0F, 2.0F})};
  model::write_safetensors(request.layer_in, tensors);
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor hidden must be F32 with two axes, is F32[2]");
}

TEST_F(Generate, RejectsALayerThatTheModelHasNot) {
  GenerateOptions request = layer_options(2, kHidden);
  for (const int layer : {2, -1}) {
    request.layer = layer;
    EXPECT_EQ(error_of(request), "layer must be from 0 to 1, is " + std::to_string(layer));
  }
}

TEST_F(Generate, RejectsListsThatAreNoLists) {
  GenerateOptions request = layer_options(2, kHidden);
  request.model = sharing_checkpoint();
  EXPECT_EQ(error_of(request), request.layer_in + ": tensor index_lists must be there, is missing");
  const model::OutputTensor hidden =
      model::OutputTensor::of("hidden", {2, kHidden}, std::span<const float>(hidden_));
  const std::vector<int32_t> ids(3);
  const auto lists = [&](std::vector<int64_t> shape) {
    return model::OutputTensor::of("index_lists", std::move(shape), std::span<const int32_t>(ids));
  };
  model::write_safetensors(request.layer_in, std::array{hidden, lists({3, 1})});
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor index_lists must have 2 rows, as hidden, is I32[3, 1]");
  model::write_safetensors(request.layer_in, std::array{hidden, lists({3})});
  EXPECT_EQ(error_of(request),
            request.layer_in + ": tensor index_lists must be I32 with two axes, is I32[3]");
}

TEST_F(Generate, RejectsAPlaceThatALayersResultCannotGoTo) {
  GenerateOptions request = layer_options(2, kHidden);
  request.layer_out = path("none/out.safetensors");
  EXPECT_THROW((void)output_of(request), Error);
  EXPECT_FALSE(std::filesystem::exists(path("none")));
}

TEST_F(Generate, LeavesAnEarlierFileAsItIsWhereARequestIsWrong) {
  using Spoil = std::function<void(GenerateOptions&)>;
  const std::vector<Spoil> mistakes = {
      [](auto& request) { request.prompt_ids = ""; },
      [](auto& request) { request.prompt_ids = ","; },
      [](auto& request) { request.prompt_ids = "1,-1"; },
      [](auto& request) { request.prompt_ids = "1;2"; },
      [](auto& request) { request.prompt_ids = "301"; },
      [](auto& request) { request.prompt_file = request.model; },
      [&](auto& request) {
        request.prompt_ids = "";
        request.prompt_file = request.model;
      },
      [&](auto& request) {
        request.prompt_ids = "";
        request.prompt_file = path("none");
      },
      [&](auto& request) {
        request.prompt_ids = "";
        request.prompt_file = path("logits");
      },
      [](auto& request) { request.force_ids = ","; },
      [](auto& request) { request.force_ids = "1,2"; },
      [](auto& request) { request.force_ids = "1,2,301"; },
      [](auto& request) { request.count = 37; },
      [](auto& request) { request.count = 2147483647; },
      [](auto& request) { request.temperature = -1; },
      [](auto& request) { request.temperature = NAN; },
      [](auto& request) { request.temperature = INFINITY; },
      [](auto& request) { request.top_k = -1; },
      [](auto& request) { request.top_p = 0; },
      [](auto& request) { request.top_p = 1.5F; },
      [](auto& request) { request.lora_norm_eps = -1.0F; },
      [](auto& request) {
        request.tp = 3;
        request.rank = 0;
      },
      [](auto& request) {
        request.tp = 0;
        request.rank = 0;
      },
      [](auto& request) {
        request.tp = 2;
        request.rank = 2;
      },
      [](auto& request) {
        request.tp = 2;
        request.rank = -1;
      },
      [&](auto& request) { request.model = path("none"); },
      [&](auto& request) { request.model = path("logits"); },
  };
  for (size_t i = 0; i < mistakes.size(); ++i) {
    model::test::write_text(path("logits"), "earlier");
    GenerateOptions request = options();
    request.logits_file = path("logits");
    mistakes[i](request);
    EXPECT_NE(error_of(request), "") << "mistake " << i;
    EXPECT_EQ(model::test::read_text(path("logits")), "earlier") << "mistake " << i;
    EXPECT_FALSE(std::filesystem::exists(path("logits.partial"))) << "mistake " << i;
  }
}

TEST_F(Generate, EndsWithAFindingWhereLogitsAreNoNumbers) {
  model::test::Editable damaged("deepseek-v32-tiny");
  constexpr size_t kBytes = 512 * kHidden * sizeof(uint16_t);
  damaged.replace_floats("lm_head.weight",  // all bits set, as a disk may leave them
                         std::vector<float>(kBytes / sizeof(float), std::bit_cast<float>(~0U)));
  GenerateOptions request = options();
  request.model = damaged.write();
  request.count = 2;
  for (const std::string& file : {std::string(), path("logits")}) {
    request.logits_file = file;
    try {
      (void)output_of(request);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Found& found) {
      EXPECT_NE(std::string(found.what()).find("the first is NaN at index 0 of token 0"),
                std::string::npos)
          << found.what();
    }
    // What was asked for is there, to be looked at.
    EXPECT_EQ(file.empty() || std::filesystem::exists(file), true);
  }
  request.allow_nonfinite = true;
  EXPECT_EQ(tokens_of(request).size(), 2U);
}

TEST_F(Generate, EndsWithAFindingWhereALayersResultIsNoNumber) {
  GenerateOptions request = layer_options(2, kHidden);
  hidden_[kHidden + 3] = NAN;
  const std::array tensors = {
      model::OutputTensor::of("hidden", {2, kHidden}, std::span<const float>(hidden_))};
  model::write_safetensors(request.layer_in, tensors);
  EXPECT_THROW((void)output_of(request), Found);
}

TEST_F(Generate, HearsWhatTheEnvironmentSaysAboutPdl) {
  GenerateOptions request = options();
  request.count = 1;
  setenv("SLIPSTREAM_PDL", "2", 1);
  EXPECT_EQ(error_of(request), "SLIPSTREAM_PDL must be 0 or 1, is \"2\"");
  setenv("SLIPSTREAM_PDL", "0", 1);
  (void)output_of(request);
  EXPECT_FALSE(pdl::enabled(nullptr));
  request.pdl = "on";
  (void)output_of(request);
  EXPECT_TRUE(pdl::enabled(nullptr));
  unsetenv("SLIPSTREAM_PDL");
}

TEST_F(Generate, ReadsNoPromptFromAFifo) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  GenerateOptions request = options();
  request.prompt_ids.clear();
  request.prompt_file = path("fifo");
  EXPECT_EQ(error_of(request), path("fifo") + ": must be a readable regular file, is not one");
}

TEST_F(Generate, RejectsAPromptForALayer) {
  GenerateOptions request = layer_options(2, kHidden);
  request.prompt_file = request.layer_in;
  EXPECT_EQ(error_of(request), "--layer takes no prompt, has one");
}

}  // namespace
}  // namespace slipstream::cli
