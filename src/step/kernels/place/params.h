// Parameters of the launch that changes which tokens the next step has: they hold all it writes, so
// that the host keeps nothing for it and waits for nothing.
#pragma once

#include <array>
#include <cstddef>

#include "step/kernels/support/fields.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

// In place of a row's token: the last one that its sequence's rows sampled.
inline constexpr int kSampledToken = -1;

// What penalties count, on this rank.
struct Histories {
  pdl::Produced<uint32_t> words = {};  // [histories, vocabulary]
  pdl::Produced<float> biases = {};    // [histories, vocabulary]
  int vocabulary = 0;                  // of this rank
  int first_token = 0;                 // the id of logit 0
};

struct NewRows {
  StepRow rows[kMaxRows] = {};
  RowExtras extras[kMaxRows] = {};
};

// Together with the rest below 4 KB.
inline constexpr int kMaxTableEdits = 360;

// Words of tables: the first `pages` entries are set in the page table, the next `histories` added to
// the histories, the next `biases` set in the biases (as the bits of floats).
struct TableEdits {
  int pages = 0;
  int histories = 0;
  int biases = 0;
  int index[kMaxTableEdits] = {};
  int value[kMaxTableEdits] = {};
};

struct PlaceParams {
  pdl::Produced<StepRow> rows = {};      // [16]
  pdl::Produced<RowExtras> extras = {};  // [16]
  pdl::Produced<int> last_tokens = {};   // [sequences]: where sampled tokens wait for their step
  pdl::Produced<int> pages = {};         // the page table
  Histories histories = {};
  uint32_t saved = 0;    // rows, as bits, whose sampled tokens go to last_tokens first
  uint32_t counted = 0;  // new rows, as bits, whose tokens count as sampled; the others' as given
  int tokens = 0;        // new rows; 0: they stay as they are
  NewRows placed = {};
  TableEdits edits = {};
};
static_assert(sizeof(PlaceParams) <= 4096);

inline constexpr std::array kHistoriesFields{
    pdl::field<decltype(Histories::words)>("histories", offsetof(Histories, words)),
    pdl::field<decltype(Histories::biases)>("biases", offsetof(Histories, biases)),
};

inline constexpr auto kPlaceFields = join_fields(
    std::array{
        pdl::field<decltype(PlaceParams::rows)>("rows", offsetof(PlaceParams, rows)),
        pdl::field<decltype(PlaceParams::extras)>("extras", offsetof(PlaceParams, extras)),
        pdl::field<decltype(PlaceParams::last_tokens)>("last_tokens",
                                                       offsetof(PlaceParams, last_tokens)),
        pdl::field<decltype(PlaceParams::pages)>("pages", offsetof(PlaceParams, pages)),
    },
    fields_at(offsetof(PlaceParams, histories), kHistoriesFields));

}  // namespace slipstream::step::kernels
