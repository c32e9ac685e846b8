// Parameters of the choice of the next tokens.
#pragma once

#include <array>
#include <cstddef>

#include "slipstream/sampling.h"
#include "step/kernels/place/params.h"
#include "step/kernels/support/fields.h"
#include "step/kernels/support/peers.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

// What ranks that hold parts of the vocabulary tell each other, in this order, some of it only if
// it is asked for. Each has places of its own in the windows.
inline constexpr int kLargestRound = 0;   // the largest logit
inline constexpr int kTopKRound = 1;      // four histograms of counts
inline constexpr int kTopPRound = 5;      // four histograms of masses
inline constexpr int kChoiceRound = 9;    // the best token
inline constexpr int kLogprobRound = 10;  // the most likely tokens, one a pick, and those below
inline constexpr int kPickRounds = 11;
inline constexpr int kLargestPick = kMaxLogprobs;
inline constexpr int kMassPick = kMaxLogprobs + 1;
inline constexpr int kChosenPick = kMaxLogprobs + 2;
inline constexpr int kRankPick = kMaxLogprobs + 3;
inline constexpr int kPicks = 256;  // per round, source rank and token
// A pick is 64 bits in two words of 8 bytes, each with the epoch, without which it is an old one.
inline constexpr int kPickWords = 2;

// The part of this rank in a vocabulary that several ranks share.
struct SharedVocabulary {
  PeerOffsets peers = {};  // of one rank alone: none
  int rank = 0;
  int first_token = 0;  // the id of logit 0
  int size = 0;         // of all ranks together
  // [rounds][source ranks][kMaxRows][kPicks][kPickWords], in this rank's window
  pdl::Produced<uint64_t> picks = {};
  PollLimit limit = {};
  // The rows of the step's last exchange, to be emptied.
  pdl::Produced<uint32_t> emptied = {};
  int hidden = 0;
};

// What a row reports (TokenLogprobs).
struct RowLogprobs {
  float chosen = 0;
  int rank = 0;
  int count = 0;
  int ids[kMaxLogprobs] = {};
  float logprobs[kMaxLogprobs] = {};
};

// What rows with flags need besides.
struct SampleExtras {
  pdl::Produced<const RowExtras> extras = {};  // [16]
  pdl::Produced<const uint32_t> masks = {};    // [16, mask_words]
  int mask_words = 0;                          // 32 tokens of the whole vocabulary each
  Histories histories = {};
  pdl::Produced<float> adjusted = {};        // [16, vocabulary]
  pdl::Produced<RowLogprobs> logprobs = {};  // [16]
};

struct SampleParams {
  pdl::Produced<const float> logits = {};  // [tokens, vocabulary], read after the wait
  int vocabulary = 0;
  int tokens = 0;
  pdl::Produced<StepRow> rows =
      {};  // [tokens]; becomes the next step's: the chosen token, one further
  pdl::Produced<int> sampled = {};  // [tokens], written after the wait
  SharedVocabulary ranks = {};
  SampleExtras extras = {};
};

// Of the launches of a step that drafts.
struct DraftParams {
  // Of verify_drafts: the model's logits. Of draw_drafts: those of an MTP layer, one row of each
  // sequence, and nothing in `sampled`.
  SampleParams sample = {};
  int drafts = 0;                          // of each sequence
  int number = 0;                          // of those that are drawn, from 1
  pdl::Produced<StepRow> draft_rows = {};  // [16]: what an MTP layer takes next
  pdl::Produced<int> sources = {};         // [16]: the rows of hidden states that belong to them
};

inline constexpr auto kSharedVocabularyFields = join_fields(
    std::array{
        pdl::field<decltype(SharedVocabulary::picks)>("picks", offsetof(SharedVocabulary, picks)),
        pdl::field<decltype(SharedVocabulary::emptied)>("emptied",
                                                        offsetof(SharedVocabulary, emptied)),
    },
    fields_at(offsetof(SharedVocabulary, limit), kPollLimitFields));

inline constexpr auto kSampleExtrasFields = join_fields(
    std::array{
        pdl::field<decltype(SampleExtras::extras)>("extras", offsetof(SampleExtras, extras)),
        pdl::field<decltype(SampleExtras::masks)>("masks", offsetof(SampleExtras, masks)),
        pdl::field<decltype(SampleExtras::adjusted)>("adjusted", offsetof(SampleExtras, adjusted)),
        pdl::field<decltype(SampleExtras::logprobs)>("logprobs", offsetof(SampleExtras, logprobs)),
    },
    fields_at(offsetof(SampleExtras, histories), kHistoriesFields));

inline constexpr auto kSampleFields = join_fields(
    std::array{
        pdl::field<decltype(SampleParams::logits)>("logits", offsetof(SampleParams, logits)),
        pdl::field<decltype(SampleParams::rows)>("rows", offsetof(SampleParams, rows)),
        pdl::field<decltype(SampleParams::sampled)>("sampled", offsetof(SampleParams, sampled)),
    },
    fields_at(offsetof(SampleParams, ranks), kSharedVocabularyFields),
    fields_at(offsetof(SampleParams, extras), kSampleExtrasFields));

inline constexpr auto kDraftFields = join_fields(
    fields_at(offsetof(DraftParams, sample), kSampleFields),
    std::array{
        pdl::field<decltype(DraftParams::draft_rows)>("draft_rows",
                                                      offsetof(DraftParams, draft_rows)),
        pdl::field<decltype(DraftParams::sources)>("sources", offsetof(DraftParams, sources)),
    });

}  // namespace slipstream::step::kernels
