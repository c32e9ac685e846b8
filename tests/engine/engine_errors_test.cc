// What the engine refuses, when, and that it goes on after it.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <stdexcept>

#include "engine/inspection.h"
#include "pdl/device.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/editable.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

TEST(EngineErrors, NamesTheMemoryThatTheDeviceLacks) {
  const pdl::Stream stream;
  const std::string message = model::test::message_of([&] {
    (void)Engine::load(model::test::tiny_checkpoint("deepseek-v32-tiny"),
                       {.stream = stream.get(), .cache_tokens = 2'000'000'000});
  });
  EXPECT_TRUE(message.starts_with("weights (0.02 GB), caches of 2000000000 tokens (7704.00 GB)"))
      << message;
  EXPECT_NE(message.find("must fit into device memory: "), std::string::npos) << message;
  EXPECT_NE(message.find(" free"), std::string::npos) << message;
}

size_t free_device_memory() {
  size_t free = 0;
  size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

// What Engine::load says to these options, which it must say before it takes memory.
std::string complaint_about(LoadOptions options, const std::string& directory) {
  const pdl::Stream stream;
  if (options.stream == nullptr) options.stream = stream.get();
  const size_t before = free_device_memory();
  std::string message = model::test::message_of([&] { (void)Engine::load(directory, options); });
  EXPECT_EQ(free_device_memory(), before);
  return message;
}

TEST(EngineErrors, NamesAnExpertInAnotherFormatBeforeItTakesMemory) {
  const std::string prefix = "model.layers.2.mlp.experts.5.";
  model::test::Editable down("deepseek-v32-tiny");
  down.replace_with_bf16(prefix + "down_proj.weight", 0x3F80);
  EXPECT_EQ(complaint_about({}, down.write()),
            down.file() + ": tensor " + prefix +
                "down_proj.weight must be stored as those of the layer's first expert, in fp8, is "
                "in bf16");
  model::test::Editable up("deepseek-v32-tiny");
  up.replace_with_bf16(prefix + "up_proj.weight", 0x3F80);
  EXPECT_EQ(complaint_about({}, up.write()), up.file() + ": tensor " + prefix +
                                                 "up_proj.weight must be stored as " + prefix +
                                                 "gate_proj.weight is, in fp8, is in bf16");
}

TEST(EngineErrors, NamesFileAndTensorOfABadCheckpointBeforeItTakesMemory) {
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  model::test::Editable missing("deepseek-v32-tiny");
  missing.remove(name);
  EXPECT_EQ(complaint_about({}, missing.write()),
            missing.file().substr(0, missing.file().rfind('/')) + ": tensor " + name +
                " must be there with shape [256, 1024], is missing");
  model::test::Editable misshapen("deepseek-v32-tiny");
  misshapen.reinterpret(name, model::StoredType::kF8E4M3, {1024, 256});
  EXPECT_EQ(complaint_about({}, misshapen.write()),
            misshapen.file() + ": tensor " + name +
                " must be of shape [256, 1024], is F8_E4M3[1024, 256]");
  model::test::Editable truncated("deepseek-v32-tiny");
  const std::string directory = truncated.write();
  std::filesystem::resize_file(truncated.file(), std::filesystem::file_size(truncated.file()) - 1);
  const std::string message = complaint_about({}, directory);
  EXPECT_TRUE(message.starts_with(truncated.file() + ": tensor ")) << message;
  EXPECT_NE(message.find("truncated file?"), std::string::npos) << message;
  model::test::Editable scaled("deepseek-v32-tiny");
  scaled.replace_floats(name + "_scale_inv", std::vector<float>(2 * 8, -1.0F));
  EXPECT_EQ(complaint_about({}, scaled.write()),
            scaled.file() + ": tensor " + name +
                "_scale_inv[0, 0] must be a positive finite scale, is -1");
  model::test::write_text(directory + "/config.json", R"({"model_type": "llama"})");
  EXPECT_EQ(complaint_about({}, directory),
            directory +
                "/config.json: model_type must be deepseek_v3, deepseek_v32 or glm_moe_dsa, "
                "is \"llama\"");
}

TEST(EngineErrors, GoesOnWithTheOthersWhenPagesRunOut) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 128);
  Engine& engine = runner.engine();
  const std::vector<int> expected = continuation(engine, some_ids(3), 2);
  const SequenceId first = engine.create_sequence();
  std::vector<int> tokens = {engine.prefill(first, some_ids(3))};
  const SequenceId second = engine.create_sequence();
  const std::string message = "the cache must have 2 free pages of 64 tokens, has 1";
  EXPECT_EQ(model::test::message_of([&] { (void)engine.prefill(second, some_ids(65)); }), message);
  EXPECT_EQ(engine.length(second), 0);
  (void)engine.prefill(second, some_ids(1));
  EXPECT_EQ(model::test::message_of([&] {
              engine.run(std::array{first, second}, 64, [](auto) { return true; });
            }),
            "the cache must have 2 free pages of 64 tokens, has 0");
  for (int i = 0; i < 2; ++i) tokens.push_back(engine.step(std::array{first}).front());
  EXPECT_EQ(tokens, expected);
}

TEST(EngineErrors, LeavesSequencesAsTheyWereWhenACallerThrowsInARun) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  Engine& engine = runner.engine();
  const std::vector<int> expected = continuation(engine, some_ids(3), 2);
  const SequenceId sequence = engine.create_sequence();
  std::vector<int> tokens = {engine.prefill(sequence, some_ids(3))};
  tokens.push_back(engine.step(std::array{sequence}).front());
  EXPECT_THROW(
      engine.run(std::array{sequence}, 3, [](auto) -> bool { throw std::runtime_error("enough"); }),
      std::runtime_error);
  EXPECT_EQ(engine.length(sequence), 4);
  tokens.push_back(engine.step(std::array{sequence}).front());
  EXPECT_EQ(tokens, expected);
}

TEST(EngineErrors, RejectsStepsThatAreNone) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  Engine& engine = runner.engine();
  const SequenceId sequence = engine.create_sequence();
  EXPECT_EQ(model::test::message_of([&] { (void)engine.prefill(sequence, {}); }),
            "ids must be at least one token id, are none");
  EXPECT_EQ(model::test::message_of([&] { (void)engine.step(std::array{sequence}); }),
            "sequence must have been prefilled before it is stepped, is empty");
  EXPECT_EQ(model::test::message_of([&] { (void)engine.step({}); }),
            "sequences must be 1 to 16 different ones, are 0 of 0");
  EXPECT_EQ(model::test::message_of([&] {
              (void)engine.step(std::array{sequence, sequence});
            }),
            "sequences must be 1 to 16 different ones, are 1 of 2");
  EXPECT_EQ(model::test::message_of(
                [&] { engine.run(std::array{sequence}, 0, [](auto) { return true; }); }),
            "count must be at least 1, is 0");
  engine.free(sequence);
  EXPECT_EQ(model::test::message_of([&] { (void)engine.step(std::array{sequence}); }),
            "sequence must be a living one, is 0");
}

TEST(EngineErrors, RejectsOptionsOutsideTheirRanges) {
  const std::string& directory = model::test::tiny_checkpoint("deepseek-v32-tiny");
  EXPECT_EQ(complaint_about({.stream = cudaStreamLegacy}, directory),
            "stream must be one made by cudaStreamCreate, is a default stream");
  EXPECT_EQ(complaint_about({.cache_tokens = 0}, directory),
            "cache_tokens must be from 1 to 2147483648, is 0");
  EXPECT_EQ(complaint_about({.max_sequences = 0}, directory),
            "max_sequences must be from 1 to 1048576, is 0");
  EXPECT_EQ(complaint_about({.max_sequences = 2147483647}, directory),
            "max_sequences must be from 1 to 1048576, is 2147483647");
  EXPECT_EQ(
      complaint_about({.cache_tokens = 163840, .max_sequences = 1048576}, directory),
      "max_sequences must be at most 838859 where a sequence can have 2560 pages, is 1048576");
  EXPECT_EQ(complaint_about({.lora_norm_eps = 0.0F}, directory),
            "lora_norm_eps must be between 0 and 1, is 0");
  EXPECT_EQ(complaint_about({.tp = 3}, directory), "tp must divide num_attention_heads = 8, is 3");
  EXPECT_EQ(complaint_about({.tp = 2, .rank = -1}, directory),
            "rank must be from 0 to tp - 1, is -1 with tp = 2");
}

TEST(EngineErrors, RejectsOptionsThatNoEnumOrStreamHas) {
  const std::string& directory = model::test::tiny_checkpoint("deepseek-v32-tiny");
  EXPECT_EQ(complaint_about({.kv_format = static_cast<KvFormat>(77)}, directory),
            "kv_format must be kBf16 or kFp8, is 77");
  std::array<std::byte, 4096> garbage{};
  const std::string message =
      complaint_about({.stream = reinterpret_cast<cudaStream_t>(garbage.data())}, directory);
  EXPECT_TRUE(message.starts_with("stream must be one made by cudaStreamCreate, is not: "))
      << message;
}

TEST(EngineErrors, RejectsRanksThatCannotBe) {
  const std::string& directory = model::test::tiny_checkpoint("deepseek-v32-tiny");
  const auto complaint = [&](LoadOptions options) {
    return model::test::message_of([&] { (void)Engine::load(directory, options); });
  };
  const pdl::Stream stream;
  EXPECT_EQ(complaint({.ranks = Ranks::threads(9)}), "ranks must be 1 to 8, are 9");
  EXPECT_EQ(complaint({.ranks = Ranks::threads(8), .tp = 2}),
            "tp must be 1 with several ranks, is 2");
  EXPECT_EQ(complaint({.stream = stream.get(), .poll_limit = 0}),
            "poll_limit must be from 0.001 to 3600 seconds, is 0");
  const int devices = pdl::device_count();
  if (devices >= kMaxRanks) return;
  EXPECT_EQ(complaint({.ranks = Ranks::threads(8)}),
            "ranks must have a GPU each, are 8 with " + std::to_string(devices) + " GPUs");
}

TEST(EngineErrors, RejectsAnEmptyFunction) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  const SequenceId sequence = runner.engine().create_sequence();
  (void)runner.engine().prefill(sequence, some_ids(1));
  EXPECT_EQ(model::test::message_of([&] { runner.engine().run(std::array{sequence}, 1, nullptr); }),
            "on_tokens must be a function, is empty");
}

TEST(EngineErrors, RejectsCallsFromItsOwnCallbackAndGoesOn) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  Engine& engine = runner.engine();
  const std::vector<int> expected = continuation(engine, some_ids(3), 2);
  const SequenceId sequence = engine.create_sequence();
  std::vector<int> tokens = {engine.prefill(sequence, some_ids(3))};
  EXPECT_EQ(model::test::message_of([&] {
              engine.run(std::array{sequence}, 2, [&](auto) {
                engine.free(sequence);
                return true;
              });
            }),
            "an engine must not be called from its own on_tokens");
  EXPECT_EQ(engine.length(sequence), 3);
  for (int i = 0; i < 2; ++i) tokens.push_back(engine.step(std::array{sequence}).front());
  EXPECT_EQ(tokens, expected);
}

TEST(EngineErrors, RejectsAnEngineThatWasMovedFrom) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  const Engine moved = std::move(runner.engine());
  EXPECT_EQ(model::test::message_of([&] { (void)runner.engine().create_sequence(); }),
            "an engine must be a loaded one, was moved from");
  EXPECT_EQ(model::test::message_of([&] { (void)runner.engine().vocab_size(); }),
            "an engine must be a loaded one, was moved from");
}

TEST(EngineErrors, RejectsNumbersOfTokensThatNoStepHas) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  const Inspection inspection(runner.engine());
  for (const int tokens : {-1, 0, 17, 1000000}) {
    const std::string message = "tokens must be from 1 to 16, is " + std::to_string(tokens);
    EXPECT_EQ(model::test::message_of([&] { (void)inspection.launches_per_step(tokens); }),
              message);
    EXPECT_EQ(model::test::message_of([&] { (void)inspection.early_launches_per_step(tokens); }),
              message);
  }
  EXPECT_EQ(inspection.launches_per_step(16), 0);
}

// A copy in a stream that the caller captures fails after pages have been given: nothing may go on
// with a page table that was never written.
TEST(EngineErrors, IsClosedAfterAFailureOfTheDeviceAndSaysWhy) {
  const pdl::Stream stream;
  Engine engine = Engine::load(model::test::tiny_checkpoint("deepseek-v32-tiny"),
                               {.stream = stream.get(), .cache_tokens = 64});
  const SequenceId sequence = engine.create_sequence();
  check_cuda(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "capture");
  EXPECT_THROW((void)engine.prefill(sequence, some_ids(3)), CudaError);
  cudaGraph_t graph = nullptr;
  (void)cudaStreamEndCapture(stream.get(), &graph);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  const auto closed = [&](const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(error.what()).starts_with("the engine is closed, for: ");
    }
    return false;
  };
  EXPECT_TRUE(closed([&] { (void)engine.prefill(sequence, some_ids(3)); }));
  EXPECT_TRUE(closed([&] { (void)engine.create_sequence(); }));
  EXPECT_TRUE(closed([&] { (void)engine.length(sequence); }));
  EXPECT_TRUE(closed([&] { (void)engine.logits(sequence); }));
  EXPECT_TRUE(closed([&] { engine.free(sequence); }));
  EXPECT_EQ(engine.vocab_size(), 512);
}

// The run took both pages of 64 tokens and kept one.
TEST(EngineErrors, GivesPagesBackWhereARunStopsEarly) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 128);
  Engine& engine = runner.engine();
  const SequenceId first = engine.create_sequence();
  (void)engine.prefill(first, some_ids(1));
  engine.run(std::array{first}, 100, [](auto) { return false; });
  const SequenceId second = engine.create_sequence();
  (void)engine.prefill(second, some_ids(2));
  EXPECT_EQ(engine.length(second), 2);
}

TEST(EngineErrors, RejectsIdsOutsideTheVocabulary) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  const SequenceId sequence = runner.engine().create_sequence();
  const std::array ids = {512};
  EXPECT_EQ(model::test::message_of([&] { (void)runner.engine().prefill(sequence, ids); }),
            "token id must be from 0 to vocab_size - 1 = 511, is 512");
}

TEST(EngineErrors, RejectsMoreTokensThanTheCacheHolds) {
  EngineRunner runner(model::test::tiny_checkpoint("deepseek-v32-tiny"), KvFormat::kBf16, 64);
  const SequenceId sequence = runner.engine().create_sequence();
  EXPECT_EQ(model::test::message_of([&] { (void)runner.engine().prefill(sequence, some_ids(65)); }),
            "a sequence must have at most 64 tokens, would have 65");
}

}  // namespace
}  // namespace slipstream::engine::test
