// Parameters of the matrix products of a step: 1 to 16 tokens times matrices that lie packed.
#pragma once

#include <cuda_bf16.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "slipstream/pdl.cuh"
#include "step/kernels/support/fields.h"
#include "step/kernels/support/peers.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

inline constexpr int kTileRows = 16;
inline constexpr int kPartialStride = kTileRows + 4;  // of a token's sums: neighbors on other banks
inline constexpr int kGroup = 128;                    // columns that share an activation scale
inline constexpr int kChunkBytes = 2048;
inline constexpr int kBandRows = 8;
inline constexpr int kMostBands = 8;    // of a CTA: a product of wgmma has 64 rows
inline constexpr int kBandCtas = 132;   // an H200's multiprocessors
inline constexpr int kBandScales = 16;  // bytes that scales of a band take in a block of columns
inline constexpr int kWarps = 8;        // of every CTA that multiplies
inline constexpr int kMaxSegments = 4;
inline constexpr int kMaxClusters = 132;
inline constexpr int kMaxClusterCtas = 8;
inline constexpr int kMaxRingSlots = 8;  // of a warp's ring

// A matrix in the order in which warps multiply it: for each 16 rows, for each 128 columns one
// chunk of 2 KB (e4m3) or two (bf16). Or, of chosen and shared e4m3 experts' down projections, as
// warpgroups do: in bands of eight rows that hold their scales. See pack.h. Rows and columns beyond the
// matrix are zero.
struct PackedMatrix {
  pdl::Constant<std::byte> tiles = {};
  pdl::Constant<float> scales = {};  // [tiles, groups]; of e4m3 that is not banded
  int rows = 0;
  int columns = 0;
  bool is_fp8 = false;
  bool is_banded = false;  // e4m3 only

  SLIPSTREAM_HOST_DEVICE int tile_count() const { return (rows + kTileRows - 1) / kTileRows; }
  SLIPSTREAM_HOST_DEVICE int groups() const { return (columns + kGroup - 1) / kGroup; }
  SLIPSTREAM_HOST_DEVICE int chunks_per_group() const { return is_fp8 ? 1 : 2; }
  SLIPSTREAM_HOST_DEVICE int64_t tile_bytes() const {
    return int64_t{groups()} * chunks_per_group() * kChunkBytes;
  }
  // Of a banded matrix: its bands; blocks of two groups of columns; what a band has in a block of `groups`,
  // and two bands in all blocks.
  SLIPSTREAM_HOST_DEVICE int bands() const { return tile_count() * 2; }
  SLIPSTREAM_HOST_DEVICE int blocks() const { return (groups() + 1) / 2; }
  static SLIPSTREAM_HOST_DEVICE int band_bytes(int groups) {
    return groups * kGroup * kBandRows + kBandScales;
  }
  SLIPSTREAM_HOST_DEVICE int64_t banded_tile_bytes() const {
    return int64_t{groups()} * kChunkBytes + int64_t{blocks()} * 2 * kBandScales;
  }
  // Whatever it is.
  SLIPSTREAM_HOST_DEVICE int64_t bytes() const {
    return tile_count() * (is_banded ? banded_tile_bytes() : tile_bytes());
  }
  SLIPSTREAM_HOST_DEVICE bool has_scales() const { return is_fp8 && !is_banded; }
  // Of one of several equal matrices that follow each other.
  SLIPSTREAM_HOST_DEVICE PackedMatrix nth(int index) const {
    PackedMatrix result = *this;
    result.tiles.pointer += index * bytes();
    if (has_scales()) result.scales.pointer += int64_t{index} * tile_count() * groups();
    return result;
  }
};

// How many bands a CTA of expert_down has of a banded matrix of so many rows: as few as give each
// multiprocessor one CTA at most, or as many as a product has.
SLIPSTREAM_HOST_DEVICE constexpr int bands_per_cta(int rows) {
  const int bands = (rows + kBandRows - 1) / kBandRows;
  const int even = (bands + kBandCtas - 1) / kBandCtas;
  return even < kMostBands ? even : kMostBands;
}

// One of the matrices that a launch multiplies with the same activations.
struct Segment {
  PackedMatrix matrix = {};
  pdl::Produced<void> output = {};  // [tokens, output_stride], bf16 or fp32, written after the wait
  int output_stride = 0;
  bool output_is_float32 = false;
};

// Lanes that stage a group of a token's columns together, where a CTA has very few and polls for them,
// where it has few, where it has more and where it has many (stage.cuh).
inline constexpr int kFineLanes = kGroup / 4;
inline constexpr int kNarrowLanes = kGroup / 8;
inline constexpr int kMiddleLanes = kGroup / 16;
inline constexpr int kWideLanes = kGroup / 32;

// How much a CTA stages, which decides between the kernels.
enum class Breadth {
  kNarrow,  // groups of columns times tokens: not more than narrow lanes for each
  kMiddle,  // not more than middle lanes
  kWide,    // more, of up to 8 tokens
  kWidest,  // of up to 16 tokens
  kFine,    // not more than fine lanes, and polls
};
constexpr int token_tiles(Breadth breadth) { return breadth == Breadth::kWidest ? 2 : 1; }

// Where things lie in a CTA's shared memory, in bytes, and how large the largest CTA's are.
struct LinearMemory {
  int codes = -1;        // e4m3 operands, if any (operands.cuh)
  int values = -1;       // bf16 operands, if any
  int scales = 0;        // of the codes: [group][16]
  int squares = 0;       // sums of squares: [token][all groups]
  int pieces = 0;        // [warp][warp_tiles]
  int weights = 0;       // scales of weights: [warp][warp_chunks]
  int first_pieces = 0;  // [tiles + 1], see work.cuh
  int partials = 0;      // sums: [piece][token][kPartialStride]
  int outputs = 0;       // [tiles], see finish.cuh
  int exchange = 0;      // sums from the cluster: [CTA][rows / 4][token][4]
  int ring_slots = 0;    // per warp; the rings come first
  int warp_tiles = 0;    // that a warp's run of chunks meets
  int warp_chunks = 0;
  int bytes = 0;
};

// Where operands lie in global memory that a launch has made for the next one, in bytes: those of all
// groups of columns, in the order of operands.cuh.
struct OperandImage {
  int group_codes;   // of each group: e4m3,
  int group_values;  // and bf16
  int codes = 0;
  int scales;
  int values;
  int bytes;

  static constexpr int kGroupScales = kMaxRows * 4;

  SLIPSTREAM_HOST_DEVICE constexpr OperandImage(int groups, int tokens)
      : group_codes(tokens * kGroup),
        group_values(tokens * kGroup * 2),
        scales(groups * group_codes),
        values(scales + groups * kGroupScales),
        bytes(values + groups * group_values) {}
};

// How long staging takes that is not narrow, and each further round of it, as chunks of weights that
// an SM could have loaded meanwhile. Measured on an H200.
struct StagingCost {
  int middle = 0;
  int wide = 0;
  int round = 0;
};

// Where a cluster's tiles begin, and how many chunks of one group of columns come before.
struct FirstWork {
  uint16_t tile = 0;
  uint16_t chunk = 0;
};

// What every CTA reads before its wait comes first: constants come a line of 64 bytes at a time, and one after the
// other.
struct LinearParams {
  int segment_count = 0;
  int tokens = 0;
  bool ue8m0 = false;  // activation scales are powers of two
  // How the work is shared out; plan_linear() decides.
  int clusters = 0;                 // each takes a run of tiles, of all segments' tiles
  int cluster_ctas = 1;             // share the columns of their tiles out; a power of two
  int cluster_shift = 0;            // its logarithm
  int token_shift = 0;              // 1 << token_shift is at least `tokens`
  int early_slots = kMaxRingSlots;  // of each warp's ring: they are filled before the wait
  LinearMemory memory = {};
  Segment segments[kMaxSegments];  // all with the same columns
  FirstWork first[kMaxClusters + 1] = {};

  // For the plan.
  StagingCost staging_cost = {};   // of the activations' source
  int most_slots = kMaxRingSlots;  // of each warp's ring
  // Rows up to which a launch that norms them stays as small as it is, instead of spreading.
  int small_rows = 2;
  bool spreads = false;  // this one, however little it takes

  // If there are any: outputs lie in this rank's window and go to all, four rows at a time, of which
  // they have a multiple. They are bf16.
  PeerOffsets peers = {};

  SLIPSTREAM_HOST_DEVICE int ctas() const { return clusters * cluster_ctas; }
  // Once it is planned.
  [[nodiscard]] Breadth breadth() const {
    if (tokens > 8) return Breadth::kWidest;
    if (most_places() * kNarrowLanes <= kWarps * 32) return Breadth::kNarrow;
    return most_places() * kMiddleLanes <= kWarps * 32 ? Breadth::kMiddle : Breadth::kWide;
  }
  // What polls may then be staged by fine lanes instead.
  [[nodiscard]] bool is_fine() const { return most_places() * kFineLanes <= kWarps * 32; }
  // Groups of tokens' columns that a CTA stages.
  [[nodiscard]] int most_places() const {
    return tokens * ((groups() + cluster_ctas - 1) / cluster_ctas);
  }
  SLIPSTREAM_HOST_DEVICE int groups() const { return segments[0].matrix.groups(); }
  SLIPSTREAM_HOST_DEVICE int tile_count() const {
    int tiles = 0;
    for (int i = 0; i < segment_count; ++i) tiles += segments[i].matrix.tile_count();
    return tiles;
  }
};

// Where activations come from. Each has the parameters of a class in sources.cuh.

// bf16 rows as they are.
struct PlainInput {
  pdl::Produced<const __nv_bfloat16> rows = {};  // read after the wait
  int64_t stride = 0;
  int columns = 0;
  // Optional: where a launch of its own makes the operands of many tokens (OperandImage).
  pdl::Produced<unsigned char> operands = {};
};

// RMSNorm of rows, or of rows plus delta, or of embedding rows. What is read in every launch comes first (see
// LinearParams).
struct NormInput {
  // Read after the wait; null: those of the step's tokens.
  pdl::Produced<const __nv_bfloat16> rows = {};
  int64_t stride = 0;
  pdl::Produced<const __nv_bfloat16> delta = {};  // optional, [tokens, columns]
  pdl::Constant<float> gamma = {};
  int columns = 0;
  float eps = 0;
  pdl::Produced<__nv_bfloat16> sum = {};     // optional: rows + delta, rounded, [tokens, columns]
  pdl::Produced<__nv_bfloat16> normed = {};  // optional, [tokens, columns]
  // Optional: the same as e4m3 codes (support/code_units.cuh, units [group][token]).
  pdl::Produced<unsigned char> codes = {};
  PolledRows polled = {};                      // what to add if not `delta`: that of several ranks
  pdl::Produced<unsigned char> operands = {};  // optional, as those of PlainInput
  // Of the step's tokens.
  pdl::Constant<__nv_bfloat16> embedding = {};
  pdl::Produced<const StepRow> step = {};
};

// Two RMSNorms next to each other: of the embedding of a row's token, and of a hidden state.
struct JoinedNormInput {
  pdl::Constant<__nv_bfloat16> embedding = {};
  pdl::Produced<const StepRow> step = {};  // the tokens
  pdl::Constant<float> embedding_gamma = {};
  pdl::Produced<const __nv_bfloat16> hidden = {};  // [, columns], read after the wait
  pdl::Produced<const int> sources = {};           // which of them is a row's
  pdl::Constant<float> hidden_gamma = {};
  int columns = 0;  // of each half
  float eps = 0;
};

// silu(gate) * up of rows [gate | up].
struct SiluInput {
  pdl::Produced<const __nv_bfloat16> rows = {};  // read after the wait
  int64_t stride = 0;
  int columns = 0;  // of gate, and of up
};

// Operands that the launch before has made.
struct PreparedInput {
  pdl::Produced<const unsigned char> operands = {};  // read after the wait
};

template <class Input>
struct LinearLaunch {
  LinearParams linear = {};
  Input input;
};

// Makes the operands of a product.
template <class Input>
struct PrepareLaunch {
  int tokens = 0;
  int group_count = 0;
  int cluster_ctas = 1;  // share a token's columns out
  bool ue8m0 = false;
  bool as_codes = false;   // for e4m3 matrices
  bool as_values = false;  // for bf16 ones
  Input input;

  // What stage.cuh asks of LinearParams: a token has one cluster.
  static constexpr int clusters = 1;
  SLIPSTREAM_HOST_DEVICE int groups() const { return group_count; }
};

// The pointers in these structs.
inline constexpr std::array kPackedMatrixFields{
    pdl::field<decltype(PackedMatrix::tiles)>("tiles", offsetof(PackedMatrix, tiles)),
    pdl::field<decltype(PackedMatrix::scales)>("scales", offsetof(PackedMatrix, scales)),
};

inline constexpr auto kSegmentFields = join_fields(
    fields_at(offsetof(Segment, matrix), kPackedMatrixFields),
    std::array{pdl::field<decltype(Segment::output)>("output", offsetof(Segment, output))});

constexpr auto segment_fields(int index) {
  return fields_at(offsetof(LinearParams, segments) + index * sizeof(Segment), kSegmentFields);
}
static_assert(kMaxSegments == 4);
inline constexpr auto kLinearFields =
    join_fields(segment_fields(0), segment_fields(1), segment_fields(2), segment_fields(3));

inline constexpr std::array kPlainInputFields{
    pdl::field<decltype(PlainInput::rows)>("rows", offsetof(PlainInput, rows)),
    pdl::field<decltype(PlainInput::operands)>("operands", offsetof(PlainInput, operands)),
};

inline constexpr auto kNormInputFields = join_fields(
    std::array{
        pdl::field<decltype(NormInput::rows)>("rows", offsetof(NormInput, rows)),
        pdl::field<decltype(NormInput::delta)>("delta", offsetof(NormInput, delta)),
        pdl::field<decltype(NormInput::gamma)>("gamma", offsetof(NormInput, gamma)),
        pdl::field<decltype(NormInput::sum)>("sum", offsetof(NormInput, sum)),
        pdl::field<decltype(NormInput::normed)>("normed", offsetof(NormInput, normed)),
        pdl::field<decltype(NormInput::codes)>("codes", offsetof(NormInput, codes)),
        pdl::field<decltype(NormInput::operands)>("operands", offsetof(NormInput, operands)),
        pdl::field<decltype(NormInput::embedding)>("embedding", offsetof(NormInput, embedding)),
        pdl::field<decltype(NormInput::step)>("step", offsetof(NormInput, step)),
    },
    fields_at(offsetof(NormInput, polled), kPolledRowsFields));

inline constexpr std::array kJoinedNormInputFields{
    pdl::field<decltype(JoinedNormInput::embedding)>("embedding",
                                                     offsetof(JoinedNormInput, embedding)),
    pdl::field<decltype(JoinedNormInput::step)>("step", offsetof(JoinedNormInput, step)),
    pdl::field<decltype(JoinedNormInput::embedding_gamma)>(
        "embedding_gamma", offsetof(JoinedNormInput, embedding_gamma)),
    pdl::field<decltype(JoinedNormInput::hidden)>("hidden", offsetof(JoinedNormInput, hidden)),
    pdl::field<decltype(JoinedNormInput::sources)>("sources", offsetof(JoinedNormInput, sources)),
    pdl::field<decltype(JoinedNormInput::hidden_gamma)>("hidden_gamma",
                                                        offsetof(JoinedNormInput, hidden_gamma)),
};

inline constexpr std::array kSiluInputFields{
    pdl::field<decltype(SiluInput::rows)>("rows", offsetof(SiluInput, rows)),
};

inline constexpr std::array kPreparedInputFields{
    pdl::field<decltype(PreparedInput::operands)>("operands", offsetof(PreparedInput, operands)),
};

template <class Input, size_t count>
constexpr auto linear_launch_fields(const std::array<pdl::Field, count>& input_fields) {
  return join_fields(fields_at(offsetof(LinearLaunch<Input>, linear), kLinearFields),
                     fields_at(offsetof(LinearLaunch<Input>, input), input_fields));
}
inline constexpr auto kNormLinearFields = linear_launch_fields<NormInput>(kNormInputFields);
inline constexpr auto kJoinedNormLinearFields =
    linear_launch_fields<JoinedNormInput>(kJoinedNormInputFields);
inline constexpr auto kPlainLinearFields = linear_launch_fields<PlainInput>(kPlainInputFields);
inline constexpr auto kSiluLinearFields = linear_launch_fields<SiluInput>(kSiluInputFields);
inline constexpr auto kPreparedLinearFields =
    linear_launch_fields<PreparedInput>(kPreparedInputFields);

template <class Input, size_t count>
constexpr auto prepare_fields(const std::array<pdl::Field, count>& input_fields) {
  return fields_at(offsetof(PrepareLaunch<Input>, input), input_fields);
}
inline constexpr auto kPrepareNormFields = prepare_fields<NormInput>(kNormInputFields);
inline constexpr auto kPreparePlainFields = prepare_fields<PlainInput>(kPlainInputFields);

}  // namespace slipstream::step::kernels
