#include "step/kernels/linear/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "slipstream/error.h"
#include "step/kernels/support/division.h"

namespace slipstream::step::kernels {
namespace {

// Leaves room for a second CTA on an SM: the next kernel's, whose weights arrive while this one
// multiplies, and which may ask for kSpreadingBytes. Static shared memory and what the system takes
// of each CTA are not in it.
constexpr int kSharedBytes = 106 * 1024;
constexpr size_t kLittleBytes = size_t{90} * 1024;  // of a CTA that is not worth spreading
constexpr int kLongChunks = 256;
constexpr int kLongSlots = 6;

// What else takes time, in chunks that an SM could have loaded meanwhile (110 cycles each):
constexpr int kExchangeCost = 12;   // the exchange of a cluster, besides
constexpr int kQuadsPerChunk = 80;  // what it sends, four sums of a token at a time
constexpr int kUnfitCost = 1 << 24;
constexpr int kPieceBytes = 24;       // sizeof(Piece)
constexpr int kTileOutputBytes = 24;  // sizeof(TileOutput)

// Chunks of one group of columns in the tiles before `tile`.
int64_t chunks_before(const LinearParams& params, int64_t tile) {
  int64_t chunks = 0;
  for (int i = 0; i < params.segment_count; ++i) {
    const PackedMatrix& matrix = params.segments[i].matrix;
    chunks += std::min<int64_t>(tile, matrix.tile_count()) * matrix.chunks_per_group();
    tile -= std::min<int64_t>(tile, matrix.tile_count());
  }
  return chunks;
}

// Tiles are shared out by their bytes.
void deal_tiles(LinearParams& params) {
  int64_t all = 0;
  for (int i = 0; i < params.segment_count; ++i) {
    const PackedMatrix& matrix = params.segments[i].matrix;
    all += int64_t{matrix.tile_count()} * matrix.chunks_per_group();
  }
  for (int cluster = 0; cluster <= params.clusters; ++cluster) {
    int64_t left = all * cluster / params.clusters;
    int64_t tile = 0;
    for (int i = 0; i < params.segment_count && left > 0; ++i) {
      const PackedMatrix& matrix = params.segments[i].matrix;
      const int chunks = matrix.chunks_per_group();
      tile += std::min<int64_t>((left + chunks - 1) / chunks, matrix.tile_count());
      left -= int64_t{matrix.tile_count()} * chunks;
    }
    params.first[cluster] = {static_cast<uint16_t>(tile),
                             static_cast<uint16_t>(chunks_before(params, tile))};
  }
}

int chunks_of_tile(const LinearParams& params, int tile) {
  for (int i = 0; i < params.segment_count; ++i) {
    const PackedMatrix& matrix = params.segments[i].matrix;
    if (tile < matrix.tile_count()) return matrix.chunks_per_group();
    tile -= matrix.tile_count();
  }
  return 0;
}

// The largest CTA's chunks and tiles, and the tiles that a warp's run of them may meet.
struct Largest {
  int chunks = 0;
  int tiles = 0;
  int warp_tiles = 1;
};

Largest largest_cta(const LinearParams& params) {
  Largest result;
  const int groups = ceil_div(params.groups(), params.cluster_ctas);
  const int least_groups = std::max(params.groups() / params.cluster_ctas, 1);
  for (int cluster = 0; cluster < params.clusters; ++cluster) {
    const int first = params.first[cluster].tile;
    const int last = params.first[cluster + 1].tile;
    int chunks = 0;
    for (int tile = first; tile < last; ++tile) chunks += chunks_of_tile(params, tile) * groups;
    const int run = ceil_div(chunks, kWarps);
    const int meets = run == 0 ? 1 : (run + least_groups - 2) / least_groups + 1;
    result.chunks = std::max(result.chunks, chunks);
    result.tiles = std::max(result.tiles, last - first);
    result.warp_tiles = std::max(result.warp_tiles, std::min(meets, last - first));
  }
  return result;
}

// Lays out everything after the rings, from the end of rings with so many slots.
LinearMemory lay_out(const LinearParams& params, const Largest& largest, int ring_slots) {
  LinearMemory memory;
  memory.ring_slots = ring_slots;
  memory.warp_tiles = largest.warp_tiles;
  memory.warp_chunks = ceil_div(largest.chunks, kWarps);
  int next = kWarps * ring_slots * kChunkBytes;
  const auto take = [&](int bytes) {
    const int begin = next;
    next += ceil_div(bytes, 16) * 16;
    return begin;
  };
  const int tokens = params.tokens;
  const int groups = ceil_div(params.groups(), params.cluster_ctas);
  for (int i = 0; i < params.segment_count; ++i) {
    const bool fp8 = params.segments[i].matrix.is_fp8;
    int& operands = fp8 ? memory.codes : memory.values;
    if (operands < 0) operands = take(groups * tokens * kGroup * (fp8 ? 1 : 2));
  }
  memory.scales = take(groups * kMaxRows * 4);
  memory.squares = take(params.groups() * tokens * 4);
  memory.pieces = take(kWarps * memory.warp_tiles * kPieceBytes);
  memory.weights = take(kWarps * memory.warp_chunks * 4);
  memory.first_pieces = take((largest.tiles + 1) * 4);
  memory.outputs = take(largest.tiles * kTileOutputBytes);
  // Pieces end where tiles or warps' runs do.
  memory.partials = take((largest.tiles + kWarps - 1) * tokens * kPartialStride * 4);
  // The CTAs of a cluster own rows in runs of a tile or less, and none a run more than another.
  const int rows = ceil_div(largest.tiles, params.cluster_ctas) * kTileRows;
  memory.exchange = take(params.cluster_ctas > 1 ? params.cluster_ctas * rows * tokens * 4 : 0);
  memory.bytes = next;
  return memory;
}

// Of shared memory, that a CTA can have besides LinearShared and what instrumented kernels add.
int most_bytes() { return device_limits().shared_bytes - 2048; }

// Slots of each warp's ring: as many as leave room for the next kernel. With one alone a warp would
// wait for every chunk from its request on.
int ring_slots(const LinearParams& params, const Largest& largest) {
  constexpr int kSlotBytes = kWarps * kChunkBytes;
  const int others = lay_out(params, largest, 0).bytes;
  const int fit = (most_bytes() - others) / kSlotBytes;
  const int least = largest.chunks < kLongChunks ? 2 : kLongSlots;
  const int leave_room = std::max((kSharedBytes - others) / kSlotBytes, least);
  const int most = std::clamp(ceil_div(largest.chunks, kWarps), 1, params.most_slots);
  return std::clamp(std::min(leave_room, fit), 1, most);
}

Largest share_out(LinearParams& params, const ClusterLimits& limits, int cluster_ctas) {
  params.cluster_ctas = cluster_ctas;
  params.cluster_shift = std::countr_zero(static_cast<unsigned>(cluster_ctas));
  params.token_shift = static_cast<int>(std::bit_width(static_cast<unsigned>(params.tokens - 1)));
  params.clusters = std::min({limits.most(cluster_ctas), kMaxClusters, params.tile_count()});
  deal_tiles(params);
  const Largest largest = largest_cta(params);
  params.memory = lay_out(params, largest, ring_slots(params, largest));
  return largest;
}

int staging_cost(const LinearParams& params, int groups) {
  const Breadth breadth = params.breadth();
  if (breadth == Breadth::kNarrow) return 0;
  if (breadth == Breadth::kMiddle) return params.staging_cost.middle;
  constexpr int kThreads = kWarps * 32;
  const int lanes = (groups << params.token_shift) * kWideLanes;
  const int rounds = ceil_div(lanes, kThreads);
  return params.staging_cost.wide + (rounds - 1) * params.staging_cost.round;
}

int exchange_cost(const LinearParams& params, const Largest& largest) {
  if (params.cluster_ctas == 1) return 0;
  const int quads = largest.tiles * kTileRows / 4 * params.tokens;
  return kExchangeCost + quads / kQuadsPerChunk;
}

// In chunks. What does not fit is the last choice.
int cost(LinearParams params, const ClusterLimits& limits, int cluster_ctas) {
  const Largest largest = share_out(params, limits, cluster_ctas);
  const int groups = ceil_div(params.groups(), cluster_ctas);
  const int activations = params.tokens * groups * kGroup / kChunkBytes;
  const bool fits = params.memory.bytes <= most_bytes();
  // A warp with one slot waits for each of its chunks.
  const int waiting = params.memory.ring_slots == 1 ? largest.chunks / 2 : 0;
  return (fits ? 0 : kUnfitCost) + largest.chunks + waiting + activations +
         staging_cost(params, groups) + exchange_cost(params, largest);
}

// Sums and activations of every token lie in shared memory: many tokens times many rows may be too much,
// however many CTAs share the columns out.
void require_room(const LinearParams& params) {
  if (params.memory.bytes <= most_bytes()) return;
  throw InvalidArgument(fmt::format(
      "{} tokens times {} rows of {} columns must take at most {} bytes of a multiprocessor's "
      "shared "
      "memory, would take {}: share the model among more ranks, or step with fewer tokens",
      params.tokens, params.tile_count() * kTileRows, params.groups() * kGroup, most_bytes(),
      params.memory.bytes));
}

void require_clusters(const ClusterLimits& limits, int cluster_ctas) {
  if (limits.most(cluster_ctas) > 0) return;
  throw InvalidArgument(fmt::format(
      "the device must run a cluster of {} CTAs, has too few multiprocessors", cluster_ctas));
}

LinearShape shape_of(const LinearParams& params) {
  return {kWarps * 32, params.ctas(), params.cluster_ctas,
          static_cast<size_t>(params.memory.bytes)};
}

// How many CTAs had best share the columns out.
int best_cluster(const LinearParams& params, const ClusterLimits& limits) {
  int best = 1;
  int least = std::numeric_limits<int>::max();
  for (int cluster_ctas = 1; cluster_ctas <= std::min(kMaxClusterCtas, params.groups());
       cluster_ctas *= 2) {
    if (limits.most(cluster_ctas) == 0) break;  // few multiprocessors
    const int candidate = cost(params, limits, cluster_ctas);
    if (candidate >= least) continue;
    least = candidate;
    best = cluster_ctas;
  }
  return best;
}

}  // namespace

LinearShape plan_linear(LinearParams& params, const ClusterLimits& limits, int cluster_ctas) {
  require_clusters(limits, cluster_ctas);
  share_out(params, limits, cluster_ctas);
  return shape_of(params);
}

LinearShape plan_linear(LinearParams& params, const ClusterLimits& limits) {
  if (params.clusters > 0) return shape_of(params);
  const LinearShape shape = plan_linear(params, limits, best_cluster(params, limits));
  require_room(params);
  return shape;
}

LinearParams tiles_of(const LinearParams& params, int first, int last) {
  LinearParams part = params;
  part.segment_count = 0;
  for (int i = 0; i < params.segment_count; ++i) {
    Segment segment = params.segments[i];
    PackedMatrix& matrix = segment.matrix;
    const int tiles = matrix.tile_count();
    const int begin = std::clamp(first, 0, tiles);
    const int end = std::clamp(last, 0, tiles);
    first -= tiles;
    last -= tiles;
    if (begin == end) continue;
    const int row = begin * kTileRows;
    matrix.rows = std::min(end * kTileRows, matrix.rows) - row;
    matrix.tiles.pointer += begin * matrix.tile_bytes();
    if (matrix.is_fp8) matrix.scales.pointer += int64_t{begin} * matrix.groups();
    auto* const output = static_cast<std::byte*>(segment.output.get());
    segment.output = {output + int64_t{row} * (segment.output_is_float32 ? 4 : 2)};
    part.segments[part.segment_count++] = segment;
  }
  return part;
}

int launches_needed(const LinearParams& params, const ClusterLimits& limits) {
  const int tiles = params.tile_count();
  for (int launches = 1; launches < tiles; ++launches) {
    LinearParams part = tiles_of(params, 0, ceil_div(tiles, launches));
    share_out(part, limits, best_cluster(part, limits));
    if (part.memory.bytes <= most_bytes()) return launches;
  }
  return 1;  // which is refused
}

bool is_long(const LinearParams& params) {
  return params.memory.warp_chunks * kWarps >= kLongChunks;
}

size_t spread_bytes(const LinearShape& shape) {
  if (shape.shared_bytes < kLittleBytes) return shape.shared_bytes;
  return std::max(shape.shared_bytes, kSpreadingBytes);
}

}  // namespace slipstream::step::kernels
