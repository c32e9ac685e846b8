// Whole engines of several ranks on the emulated device, each run a program of its own: whatever the
// schedule, tokens and logits are the same bits, and the race check has nothing to say.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/child_process.h"
#include "io/json_reader.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

using CommandLine = std::vector<std::string>;

const std::string& checkpoint() {
  return model::test::Shape{"RanksSchedules", "deepseek-v32-ranks-tiny",
                            R"({"index_topk": 8, "index_n_heads": 8})"}
      .directory();
}

struct Case {
  int ranks;
  bool drawn;
  int drafts = 0;

  // The second step's drafts are the first ones that there are.
  [[nodiscard]] size_t tokens() const { return drafts > 0 ? 4 : 2; }
};

// How the device runs what it is given.
struct Way {
  std::string schedule = "serial";
  int seed = 0;
  bool pdl = true;
};

struct Answer {
  std::vector<int64_t> tokens;
  std::string logits;  // the file
  bool operator==(const Answer&) const = default;
};

class RanksSchedules : public testing::TestWithParam<Case> {
 protected:
  RanksSchedules() {
    set("SLIPSTREAM_DEVICE", "emulated");
    set("SLIPSTREAM_EMULATOR_DEVICES", std::to_string(GetParam().ranks));
    set("SLIPSTREAM_EMULATOR_SMS", "16");
  }

  static void set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

  static std::string program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "slipstream";
  }

  // A prompt that is longer than index_topk, and one token or a few after its first.
  [[nodiscard]] CommandLine generate(const CommandLine& more) const {
    CommandLine words{program(),
                      "generate",
                      checkpoint(),
                      "--prompt-ids",
                      "5,99,17,3,250,411,8,77,31,490",
                      "-n",
                      std::to_string(GetParam().tokens()),
                      "--drafts",
                      std::to_string(GetParam().drafts),
                      "--ignore-eos",
                      "--poll-limit",
                      "600",
                      "--tp",
                      std::to_string(GetParam().ranks)};
    if (GetParam().drawn) {
      for (const char* word :
           {"--temperature", "0.8", "--top-k", "40", "--top-p", "0.9", "--seed", "5"})
        words.emplace_back(word);
    }
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  [[nodiscard]] Answer answer(const Way& way) const {
    const std::string json = directory_.path("answer.json");
    const std::string logits = directory_.path("logits.safetensors");
    set("SLIPSTREAM_EMULATOR_SCHEDULE", way.schedule);
    set("SLIPSTREAM_EMULATOR_SEED", std::to_string(way.seed));
    const EndOfChild end = run_program(
        generate({"--pdl", way.pdl ? "on" : "off", "--logits", logits, "--json=" + json}),
        /*timeout_seconds=*/0);
    EXPECT_EQ(end.exit_code, 0) << way.schedule << " " << way.seed;
    if (end.exit_code != 0) return {};
    return {io::JsonReader::read(json).integers("tokens"), model::test::read_text(logits)};
  }

  model::test::TemporaryDirectory directory_;
};

TEST_P(RanksSchedules, GiveTheSameBits) {
  const Answer expected = answer({});
  ASSERT_EQ(expected.tokens.size(), GetParam().tokens());
  for (const Way& way :
       {Way{.pdl = false}, Way{.schedule = "overlapped"}, Way{.schedule = "adversarial", .seed = 1},
        Way{.schedule = "adversarial", .seed = 2, .pdl = false},
        Way{.schedule = "adversarial", .seed = 3}}) {
    EXPECT_TRUE(answer(way) == expected) << way.schedule << " " << way.seed;
  }
}

TEST_P(RanksSchedules, HaveNoRace) {
  for (const char* schedule : {"serial", "adversarial"}) {
    CommandLine check{program(), "emulate", "--check", "--schedule", schedule, "--"};
    const CommandLine words = generate({});
    check.insert(check.end(), words.begin(), words.end());
    EXPECT_EQ(run_program(check, /*timeout_seconds=*/0).exit_code, 0) << schedule;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, RanksSchedules,
                         testing::Values(Case{2, false}, Case{2, true}, Case{4, true},
                                         Case{8, false}, Case{2, true, 2}),
                         [](const auto& info) {
                           return std::to_string(info.param.ranks) +
                                  (info.param.drawn ? "Drawn" : "Greedy") +
                                  (info.param.drafts > 0 ? "Drafting" : "");
                         });

}  // namespace
}  // namespace slipstream::cli
