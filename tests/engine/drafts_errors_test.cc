// What an engine that drafts refuses, by name.

#include <gtest/gtest.h>

#include "tests/engine/support/counting.h"
#include "tests/model/support/editable.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

std::string complaint_about_drafts(
    LoadOptions options,
    const std::string& directory = model::test::tiny_checkpoint("counting-tiny")) {
  const pdl::Stream stream;
  options.stream = stream.get();
  return model::test::message_of([&] { (void)Engine::load(directory, options); });
}

TEST(DraftsErrors, RejectsNumbersThatCannotBe) {
  EXPECT_EQ(complaint_about_drafts({.drafts = -1}), "drafts must be from 0 to 5, are -1");
  EXPECT_EQ(complaint_about_drafts({.drafts = 6}), "drafts must be from 0 to 5, are 6");
}

TEST(DraftsErrors, RejectsTheShareOfOneRankAlone) {
  EXPECT_EQ(complaint_about_drafts({.drafts = 2, .tp = 2}),
            "drafts must be 0 for the share of one rank of 2 alone, are 2");
}

TEST(DraftsErrors, RejectsTracedLaunches) {
  EXPECT_EQ(complaint_about_drafts({.drafts = 2, .step_limit = 1, .trace_launches = true}),
            "drafts must be 0 with trace_launches, are 2");
}

TEST(DraftsErrors, RejectsACheckpointWithoutAnMtpLayer) {
  model::test::Editable editable("counting-tiny");
  editable.remove_prefix("model.layers.2.");
  const std::string directory = editable.write();
  EXPECT_EQ(complaint_about_drafts({.drafts = 1}, directory),
            "drafts must be 0 for a checkpoint without an MTP layer, and " + directory +
                " has no tensor of layer 2");
  const pdl::Stream stream;
  EXPECT_NO_THROW((void)Engine::load(directory, {.stream = stream.get()}));
}

TEST(DraftsErrors, RejectsWhatWouldSeeRejectedDrafts) {
  CountingEngine counting(1);
  Engine& engine = counting.engine();
  const std::string penalties =
      "drafts of an engine must be 0 for penalties and logit_bias, are 1: they would count drafts "
      "that are rejected";
  EXPECT_EQ(
      model::test::message_of([&] { (void)engine.create_sequence({.repetition_penalty = 1.1F}); }),
      penalties);
  EXPECT_EQ(model::test::message_of([&] {
              (void)engine.create_sequence(SequenceOptions{.logit_bias = {{3, 1.0F}}});
            }),
            penalties);
  const SequenceId sequence = counting.start(8, 1);
  EXPECT_EQ(model::test::message_of([&] { (void)engine.enqueue({{.sequence = sequence}}); }),
            "drafts of an engine must be 0 for enqueue(), are 1: it has no drafts");
  EXPECT_EQ(engine.length(sequence), 1);
}

TEST(DraftsErrors, TakesMemoryForTheMtpLayerOnlyWhereItDrafts) {
  const std::string& directory = model::test::tiny_checkpoint("counting-tiny");
  const MemoryUse without = Engine::plan(directory, {.cache_tokens = 64});
  const MemoryUse with = Engine::plan(directory, {.cache_tokens = 64, .drafts = 1});
  EXPECT_GT(with.weight_bytes, without.weight_bytes);
  EXPECT_EQ(with.cache_bytes - without.cache_bytes, 64 * (1152 + 132));
  CountingEngine counting(1, 64);
  EXPECT_EQ(counting.engine().memory_use().weight_bytes, with.weight_bytes);
  EXPECT_EQ(counting.engine().memory_use().cache_bytes, with.cache_bytes);
}

}  // namespace
}  // namespace slipstream::engine::test
