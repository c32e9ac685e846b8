#include "tests/engine/support/scheduled.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "model/logit_adjustment.h"
#include "model/logprobs.h"
#include "model/sampling.h"
#include "tests/engine/support/engine_runner.h"

namespace slipstream::engine::test {
namespace {

std::vector<uint32_t> every_third(int vocabulary) {
  std::vector<uint32_t> mask((vocabulary + 31) / 32);
  for (int token = 1; token < vocabulary; token += 3) mask[token / 32] |= 1U << token % 32;
  return mask;
}

// Creates sequences where users come, and frees them where they go.
class Users {
 public:
  Users(Engine& engine, const Schedule& schedule)
      : engine_(engine), schedule_(schedule), ids_(schedule.users.size()) {}

  std::vector<StepPart> parts(size_t step) {
    std::vector<StepPart> result;
    for (const ScheduledPart& part : schedule_.steps[step]) {
      std::optional<SequenceId>& id = ids_[part.user];
      if (!id) id = engine_.create_sequence(schedule_.users[part.user]);
      result.push_back({*id, part.ids, part.sample, part.mask});
    }
    return result;
  }

  // Frees those whose last step has been enqueued.
  void leave_after(size_t step) {
    for (const ScheduledPart& part : schedule_.steps[step]) {
      if (!comes_later(part.user, step)) engine_.free(*ids_[part.user]);
    }
  }

 private:
  [[nodiscard]] bool comes_later(int user, size_t step) const {
    return std::any_of(schedule_.steps.begin() + static_cast<ptrdiff_t>(step) + 1,
                       schedule_.steps.end(), [&](const std::vector<ScheduledPart>& parts) {
                         return std::any_of(
                             parts.begin(), parts.end(),
                             [&](const ScheduledPart& part) { return part.user == user; });
                       });
  }

  Engine& engine_;
  const Schedule& schedule_;
  std::vector<std::optional<SequenceId>> ids_;
};

// What the reference knows of a user.
struct Expected {
  model::TokenHistory history;
  int last = -1;
  int64_t length = 0;
};

void expect_reference(const SequenceOptions& user, const Expected& expected,
                      const ScheduledPart& part, const std::vector<float>& logits,
                      const StepToken& found) {
  const std::vector<float> masked = model::masked_logits(logits, part.mask);
  const std::vector<float> adjusted =
      model::adjusted_logits(masked, user.sampling, user.logit_bias, expected.history);
  EXPECT_EQ(found.token, model::sample(adjusted, user.sampling, expected.length - 1));
  ASSERT_EQ(found.logprobs.has_value(), user.sampling.logprobs >= 0);
  if (!found.logprobs) return;
  const TokenLogprobs reported = model::token_logprobs(masked, found.token, user.sampling.logprobs);
  EXPECT_FLOAT_EQ(found.logprobs->logprob, reported.logprob);
  EXPECT_EQ(found.logprobs->rank, reported.rank);
  EXPECT_EQ(found.logprobs->ids, reported.ids);
  ASSERT_EQ(found.logprobs->logprobs.size(), reported.logprobs.size());
  for (size_t i = 0; i < reported.logprobs.size(); ++i) {
    EXPECT_FLOAT_EQ(found.logprobs->logprobs[i], reported.logprobs[i]);
  }
}

}  // namespace

Schedule some_schedule(int vocabulary) {
  const SamplingOptions greedy{.logprobs = 0};
  const SamplingOptions drawn{.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .seed = 5};
  const SamplingOptions penalized{.temperature = 1.5F,
                                  .seed = 6,
                                  .min_p = 0.02F,
                                  .repetition_penalty = 1.3F,
                                  .presence_penalty = 0.5F,
                                  .frequency_penalty = 0.25F,
                                  .logprobs = 3};
  Schedule schedule;
  schedule.users = {{.sampling = greedy},
                    {.sampling = drawn},
                    {.sampling = penalized, .logit_bias = {{5, 8.0F}, {9, 8.5F}, {11, -4.0F}}},
                    {.sampling = drawn, .logit_bias = {{7, 3.0F}}}};
  const std::vector<uint32_t> mask = every_third(vocabulary);
  schedule.steps = {{{0, some_ids(10), false}},
                    {{0, some_ids(3, 5)}, {1, some_ids(5)}},
                    {{0}, {1}, {2, some_ids(6, 3)}},
                    {{1}, {2, {kLastSampled}, true, mask}},
                    {{2}, {0}},
                    {{3, some_ids(2, 9), false}, {0, {kLastSampled}, true, mask}, {2}},
                    {{0}, {2}, {3, {19, 4}}},
                    {{0}, {2}, {3}},
                    {{0}, {2}, {3}},
                    {{2, {kLastSampled, 7}}, {3}}};
  return schedule;
}

std::vector<StepToken> run_schedule(Engine& engine, const Schedule& schedule, int ahead) {
  Users users(engine, schedule);
  std::deque<Ticket> tickets;
  std::vector<StepToken> result;
  const auto wait = [&] {
    const std::vector<StepToken> tokens = engine.wait(tickets.front());
    tickets.pop_front();
    result.insert(result.end(), tokens.begin(), tokens.end());
  };
  for (size_t step = 0; step < schedule.steps.size(); ++step) {
    if (std::ssize(tickets) == ahead) wait();
    tickets.push_back(engine.enqueue(users.parts(step)));
    users.leave_after(step);
  }
  while (!tickets.empty()) wait();
  return result;
}

std::vector<StepToken> check_schedule(Engine& engine, const Schedule& schedule) {
  Users users(engine, schedule);
  std::vector<Expected> expected(schedule.users.size());
  std::vector<StepToken> result;
  for (size_t step = 0; step < schedule.steps.size(); ++step) {
    const std::vector<StepToken> tokens = engine.wait(engine.enqueue(users.parts(step)));
    for (size_t i = 0; i < tokens.size(); ++i) {
      const ScheduledPart& part = schedule.steps[step][i];
      const SequenceOptions& user = schedule.users[part.user];
      Expected& known = expected[part.user];
      for (const int id : part.ids) {
        (id == kLastSampled ? known.history.sampled : known.history.given)
            .push_back(id == kLastSampled ? known.last : id);
      }
      known.length += std::ssize(part.ids);
      EXPECT_EQ(engine.length(tokens[i].sequence), known.length);
      const std::string place = "step " + std::to_string(step) + ", part " + std::to_string(i);
      SCOPED_TRACE(place);
      if (part.sample) {
        expect_reference(user, known, part, engine.logits(tokens[i].sequence), tokens[i]);
      } else {
        EXPECT_EQ(tokens[i].token, -1);
      }
      known.last = tokens[i].token;
    }
    result.insert(result.end(), tokens.begin(), tokens.end());
    users.leave_after(step);
  }
  return result;
}

void expect_same(const std::vector<StepToken>& a, const std::vector<StepToken>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].token, b[i].token) << i;
    EXPECT_EQ(a[i].is_stop, b[i].is_stop) << i;
    ASSERT_EQ(a[i].logprobs.has_value(), b[i].logprobs.has_value()) << i;
    if (!a[i].logprobs) continue;
    EXPECT_EQ(a[i].logprobs->logprob, b[i].logprobs->logprob) << i;
    EXPECT_EQ(a[i].logprobs->rank, b[i].logprobs->rank) << i;
    EXPECT_EQ(a[i].logprobs->ids, b[i].logprobs->ids) << i;
    EXPECT_EQ(a[i].logprobs->logprobs, b[i].logprobs->logprobs) << i;
  }
}

}  // namespace slipstream::engine::test
