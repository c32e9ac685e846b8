// Steps of mixed rows that are enqueued ahead, on the engine's own pages and on the caller's.

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <thread>

#include "slipstream/launch.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/scheduled.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

const std::string& one_layer() {
  return model::test::Shape{"Serving", "deepseek-v32-tiny",
                            R"({"num_hidden_layers": 1, "first_k_dense_replace": 0,
                                "index_topk": 8, "index_n_heads": 8})"}
      .directory();
}

// An engine with its stream.
class Served {
 public:
  explicit Served(LoadOptions options = {}, bool pdl = true) {
    pdl::set_stream_enabled(stream_.get(), pdl);
    options.stream = stream_.get();
    engine_.emplace(Engine::load(one_layer(), options));
  }
  ~Served() { pdl::set_stream_enabled(stream_.get(), std::nullopt); }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  Engine* operator->() { return &*engine_; }
  Engine& operator*() { return *engine_; }

 private:
  pdl::Stream stream_;
  std::optional<Engine> engine_;
};

LoadOptions small() { return {.cache_tokens = 320, .max_sequences = 4}; }

std::string refusal_of(Engine& engine, const std::vector<StepPart>& parts) {
  return model::test::message_of([&] { (void)engine.enqueue(parts); });
}

TEST(Serving, ChoosesWhatTheReferenceDoesInStepsOfMixedRows) {
  Served engine(small());
  (void)check_schedule(*engine, some_schedule(engine->vocab_size()));
}

TEST(Serving, GivesTheSameBitsWhateverIsEnqueuedAheadAndHoweverStepsAreStarted) {
  Served engine(small());
  const Schedule schedule = some_schedule(engine->vocab_size());
  const std::vector<StepToken> expected = run_schedule(*engine, schedule, 1);
  expect_same(run_schedule(*engine, schedule, kMaxStepsOnTheirWay), expected);
  LoadOptions launched = small();
  launched.graphs = false;
  for (const bool pdl : {false, true}) {
    Served other(launched, pdl);
    expect_same(run_schedule(*other, schedule, 3), expected);
  }
  Served graphs_alone(small(), /*pdl=*/false);
  expect_same(run_schedule(*graphs_alone, schedule, 3), expected);
}

// The tokens that the host never knew are in the caches.
TEST(Serving, LeavesTheRowsThatTheReferenceHas) {
  Served engine(small());
  const std::vector<int> prompt = some_ids(9);
  const SequenceId sequence = engine->create_sequence();
  const SequenceId other = engine->create_sequence();
  const Ticket first = engine->enqueue({{.sequence = sequence, .ids = prompt}});
  const Ticket second =
      engine->enqueue({{.sequence = other, .ids = some_ids(4, 2)}, {.sequence = sequence}});
  const Ticket third = engine->enqueue({{.sequence = sequence}});
  std::vector<int> ids = prompt;
  ids.push_back(engine->wait(first)[0].token);
  ids.push_back(engine->wait(second)[1].token);
  (void)engine->wait(third);
  const model::reference::Model model =
      model::test::load_reference(one_layer(), model::test::Mode::kBf16Cache);
  model::test::ReferenceRunner oracle(model, 64);
  const model::reference::Matrix logits = oracle.step(ids, 0).logits;
  model::reference::Matrix expected(1, engine->vocab_size());
  model::reference::Matrix found(1, engine->vocab_size());
  const auto last = logits.row(logits.rows() - 1);
  expected.values().assign(last.begin(), last.end());
  found.values() = engine->logits(sequence);
  EXPECT_GT(model::test::mean_cosine(found, expected), 0.995);
}

TEST(Serving, StepsAsStepDoes) {
  Served engine(small());
  const std::vector<int> expected = continuation(*engine, some_ids(5), 3);
  const SequenceId sequence = engine->create_sequence();
  std::vector<int> tokens = {
      engine->wait(engine->enqueue({{.sequence = sequence, .ids = some_ids(5)}}))[0].token};
  tokens.push_back(engine->step(std::array{sequence})[0]);
  tokens.push_back(engine->wait(engine->enqueue({{.sequence = sequence}}))[0].token);
  engine->run(std::array{sequence}, 1, [&](std::span<const int> chosen) {
    tokens.push_back(chosen[0]);
    return true;
  });
  EXPECT_EQ(tokens, expected);
  engine->force(sequence, 3);
  (void)engine->wait(engine->enqueue({{.sequence = sequence}}));
  EXPECT_EQ(engine->length(sequence), 9);
}

TEST(Serving, CanBeWaitedForByAnotherThread) {
  Served engine(small());
  const Schedule schedule = some_schedule(engine->vocab_size());
  const std::vector<StepToken> expected = run_schedule(*engine, schedule, 1);
  const SequenceId sequence = engine->create_sequence({.logprobs = 0});
  std::vector<int> alone;
  (void)engine->wait(engine->enqueue({{.sequence = sequence, .ids = some_ids(3)}}));
  constexpr int kSteps = 6;
  std::vector<Ticket> tickets;
  tickets.reserve(kSteps);
  for (int i = 0; i < kSteps; ++i) tickets.push_back(engine->enqueue({{.sequence = sequence}}));
  std::vector<int> tokens;
  std::thread waiting([&] {
    for (const Ticket ticket : tickets) tokens.push_back(engine->wait(ticket)[0].token);
  });
  // Meanwhile others join.
  const SequenceId joining = engine->create_sequence();
  const Ticket last = engine->enqueue({{.sequence = joining, .ids = some_ids(4)}});
  waiting.join();
  (void)engine->wait(last);
  EXPECT_EQ(tokens.size(), size_t{kSteps});
  engine->free(sequence);
  engine->free(joining);
  expect_same(run_schedule(*engine, schedule, 2), expected);
}

TEST(Serving, CountsTheTokensOfARunThatIsStoppedOrThrows) {
  Served engine(small());
  const SamplingOptions penalized{.repetition_penalty = 1.7F, .frequency_penalty = 0.6F};
  const std::vector<int> expected = [&] {
    const SequenceId sequence = engine->create_sequence(penalized);
    std::vector<int> tokens = {engine->prefill(sequence, some_ids(5))};
    for (int i = 0; i < 6; ++i) tokens.push_back(engine->step(std::array{sequence})[0]);
    engine->free(sequence);
    return tokens;
  }();
  const SequenceId sequence = engine->create_sequence(penalized);
  std::vector<int> tokens = {engine->prefill(sequence, some_ids(5))};
  EXPECT_THROW(engine->run(std::array{sequence}, 20,
                           [](auto) -> bool { throw std::runtime_error("enough"); }),
               std::runtime_error);
  engine->run(std::array{sequence}, 20, [&](std::span<const int> chosen) {
    tokens.push_back(chosen[0]);
    return tokens.size() < 3;
  });
  for (int i = 0; i < 4; ++i) tokens.push_back(engine->step(std::array{sequence})[0]);
  EXPECT_EQ(tokens, expected);
}

TEST(Serving, KnowsWhatPenaltiesCountOfRowsThatAreComputedAgain) {
  Served engine(small());
  const SamplingOptions penalized{
      .repetition_penalty = 1.7F, .presence_penalty = 0.3F, .frequency_penalty = 0.6F};
  const std::vector<int> prompt = some_ids(5);
  const SequenceId first = engine->create_sequence(penalized);
  std::vector<int> tokens = {engine->prefill(first, prompt)};
  for (int i = 0; i < 5; ++i) tokens.push_back(engine->step(std::array{first})[0]);
  engine->free(first);
  // Preempted after four of them, and recomputed.
  std::vector<int> again = prompt;
  again.insert(again.end(), tokens.begin(), tokens.begin() + 4);
  const SequenceId second = engine->create_sequence(
      SequenceOptions{.sampling = penalized, .sampled_ids = {tokens.begin(), tokens.begin() + 4}});
  EXPECT_EQ(engine->prefill(second, again), tokens[4]);
  EXPECT_EQ(engine->step(std::array{second})[0], tokens[5]);
}

TEST(Serving, TakesMoreBiasesThanOneLaunchWrites) {
  Served engine(small());
  SequenceOptions options;
  for (int token = 0; token < engine->vocab_size(); ++token) {
    if (token != 501) options.logit_bias.push_back({token, -1000});
  }
  const SequenceId sequence = engine->create_sequence(options);
  EXPECT_EQ(engine->prefill(sequence, some_ids(2)), 501);
  engine->free(sequence);
  // Its history goes to the next one, without a trace.
  const SequenceId next = engine->create_sequence(SequenceOptions{.logit_bias = {{502, 1000}}});
  EXPECT_EQ(engine->prefill(next, some_ids(2)), 502);
}

TEST(Serving, MarksTokensThatStop) {
  Served engine(small());
  const std::vector<int> tokens = continuation(*engine, some_ids(5), 2);
  const SequenceId sequence =
      engine->create_sequence(SequenceOptions{.stop_token_ids = {tokens[1], 500}});
  std::vector<bool> stops;
  stops.push_back(
      engine->wait(engine->enqueue({{.sequence = sequence, .ids = some_ids(5)}}))[0].is_stop);
  for (int i = 0; i < 2; ++i) {
    stops.push_back(engine->wait(engine->enqueue({{.sequence = sequence}}))[0].is_stop);
  }
  for (size_t i = 0; i < stops.size(); ++i) EXPECT_EQ(stops[i], tokens[i] == tokens[1]) << i;
}

// Prefixes: rows are written once, and read through two tables.
TEST(ServingOnExternalPages, SharesThePagesOfAPrefix) {
  LoadOptions options = small();
  options.external_pages = true;
  Served engine(options);
  EXPECT_EQ(engine->cache_pages(), 5);
  const std::vector<int> prompt = some_ids(70);
  const auto feed = [&](SequenceId sequence, size_t first) {
    StepToken last;
    for (size_t i = first; i < prompt.size(); i += 16) {
      const size_t end = std::min(i + 16, prompt.size());
      const std::vector<int> piece(prompt.begin() + static_cast<ptrdiff_t>(i),
                                   prompt.begin() + static_cast<ptrdiff_t>(end));
      last = engine->wait(engine->enqueue({{.sequence = sequence, .ids = piece}}))[0];
    }
    return last.token;
  };
  const SequenceId first = engine->create_sequence(SequenceOptions{.pages = {3}});
  engine->append_pages(first, std::array{1});
  const int token = feed(first, 0);
  const std::vector<float> logits = engine->logits(first);
  const SequenceId second = engine->create_sequence(SequenceOptions{.pages = {3, 4}, .length = 64});
  EXPECT_EQ(feed(second, 64), token);
  EXPECT_EQ(engine->logits(second), logits);
  EXPECT_EQ(engine->length(second), 70);
  // Both go on, in one step, on pages of their own.
  const std::vector<StepToken> both =
      engine->wait(engine->enqueue({{.sequence = first}, {.sequence = second}}));
  EXPECT_EQ(both[0].token, both[1].token);
  EXPECT_EQ(engine->logits(first), engine->logits(second));
}

TEST(ServingOnExternalPages, AnswersAsOnTheEnginesOwn) {
  Served own(small());
  LoadOptions options = small();
  options.external_pages = true;
  Served external(options);
  Schedule schedule = some_schedule(own->vocab_size());
  const std::vector<StepToken> expected = run_schedule(*own, schedule, 2);
  for (size_t user = 0; user < schedule.users.size(); ++user) {
    schedule.users[user].pages = {4 - static_cast<int>(user)};
  }
  expect_same(run_schedule(*external, schedule, 2), expected);
}

TEST(ServingOnExternalPages, RefusesWhatPagesDoNotHold) {
  LoadOptions options = small();
  options.external_pages = true;
  Served engine(options);
  const SequenceId first = engine->create_sequence(SequenceOptions{.pages = {2}, .length = 60});
  const SequenceId second = engine->create_sequence(SequenceOptions{.pages = {2, 3}, .length = 62});
  EXPECT_EQ(refusal_of(*engine, {{.sequence = first, .ids = some_ids(5)}}),
            "a sequence must have 2 pages for 65 tokens, has 1");
  EXPECT_EQ(
      refusal_of(*engine, {{.sequence = first, .ids = {1}}, {.sequence = second, .ids = {2}}}),
      "a page must be written by one sequence of a step, 2 is by two");
  EXPECT_EQ(model::test::message_of([&] { engine->append_pages(first, std::array{5}); }),
            "page must be from 0 to cache_pages() - 1 = 4, is 5");
  EXPECT_EQ(engine->length(first), 60);
}

TEST(ServingErrors, RefuseWhatAStepCannotBe) {
  Served engine(small());
  const SequenceId a = engine->create_sequence();
  const SequenceId b = engine->create_sequence();
  (void)engine->prefill(a, some_ids(3));
  EXPECT_EQ(refusal_of(*engine, {}),
            "parts of a step must be at least one, each of another sequence, are 0 of 0");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a}, {.sequence = a}}),
            "parts of a step must be at least one, each of another sequence, are 2 of 1");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a}, {.sequence = b, .ids = some_ids(16)}}),
            "a step must have at most 16 tokens, has 17");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a, .ids = {}}}),
            "ids must be at least one token id, are none");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = b}}),
            "sequence 1 must have a sampled token for kLastSampled, has none");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a, .ids = {1, kLastSampled}}}),
            "token id must be from 0 to vocab_size - 1 = 511, is -1");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = SequenceId{77}}}),
            "sequence must be a living one, is 77");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a, .mask = {1}}}),
            "mask must be 16 words, one bit for each of 512 tokens, is 1");
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a, .mask = std::vector<uint32_t>(16)}}),
            "mask must allow at least one token, allows none");
  EXPECT_EQ(engine->length(a), 3);
  EXPECT_EQ(engine->length(b), 0);
  (void)engine->wait(engine->enqueue({{.sequence = a, .sample = false}}));
  EXPECT_EQ(refusal_of(*engine, {{.sequence = a}}),
            "sequence 0 must have a sampled token for kLastSampled, has none");
}

TEST(ServingErrors, NameWhatMustBeWaitedForFirst) {
  Served engine(small());
  const SequenceId sequence = engine->create_sequence();
  std::vector<Ticket> tickets = {engine->enqueue({{.sequence = sequence, .ids = some_ids(3)}})};
  EXPECT_EQ(model::test::message_of([&] { (void)engine->step(std::array{sequence}); }),
            "steps on their way must have been waited for, are 1");
  EXPECT_EQ(model::test::message_of([&] { (void)engine->logits(sequence); }),
            "steps on their way must have been waited for, are 1");
  while (std::ssize(tickets) < kMaxStepsOnTheirWay) {
    tickets.push_back(engine->enqueue({{.sequence = sequence}}));
  }
  EXPECT_EQ(refusal_of(*engine, {{.sequence = sequence}}),
            "at most 8 steps can be on their way: one must be waited for first");
  EXPECT_EQ(model::test::message_of([&] { (void)engine->wait(tickets[1]); }),
            "steps must be waited for in order, ticket 0 first, is 1");
  for (const Ticket ticket : tickets) (void)engine->wait(ticket);
  EXPECT_EQ(model::test::message_of([&] { (void)engine->wait(tickets[7]); }),
            "ticket must be that of a step that has not been waited for, is 7");
  EXPECT_EQ(engine->length(sequence), 10);
  EXPECT_NO_THROW((void)engine->step(std::array{sequence}));
}

TEST(ServingErrors, RefuseSequencesThatCannotBe) {
  Served engine(small());
  const auto refusal = [&](const SequenceOptions& options) {
    return model::test::message_of([&] { (void)engine->create_sequence(options); });
  };
  EXPECT_EQ(refusal({.stop_token_ids = {512}}),
            "token id must be from 0 to vocab_size - 1 = 511, is 512");
  EXPECT_EQ(refusal({.logit_bias = {{-1, 0}}}),
            "token id must be from 0 to vocab_size - 1 = 511, is -1");
  EXPECT_EQ(refusal({.logit_bias = {{4, INFINITY}}}),
            "logit_bias of token 4 must be a finite number, is inf");
  EXPECT_EQ(refusal({.logit_bias = {{4, 1}, {4, 2}}}),
            "logit_bias must be of different tokens, has 4 twice");
  EXPECT_EQ(refusal({.sampling = {.min_p = 1.5F}}), "min_p must be from 0 to 1, is 1.5");
  EXPECT_EQ(refusal({.sampling = {.logprobs = 21}}),
            "logprobs must be from -1 (none) to 20, are 21");
  EXPECT_EQ(refusal({.sampling = {.repetition_penalty = 0}}),
            "repetition_penalty must be a finite number above 0, is 0");
  EXPECT_EQ(refusal({.pages = {1}}),
            "pages and length of a new sequence must be none without external_pages, are given");
}

}  // namespace
}  // namespace slipstream::engine::test
