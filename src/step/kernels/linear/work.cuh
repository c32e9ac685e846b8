// Which weights a CTA and its warps multiply.
//
// A cluster takes a run of tiles, its CTAs a slice of the columns each. A CTA's chunks, tile by
// tile, are shared out among its warps in equal runs: no warp has more than one chunk more than
// another, and a tile's sums may come from several warps. A warp's run is a few pieces, each a part
// of a tile, which is contiguous in memory. They are found once, before the wait, and the loops after
// it just walk along them. Where a CTA starts late the wait waits for that, and what is executed once
// per launch takes six cycles an instruction: so no division, and no segment that the CTA has nothing of.
#pragma once

#include "step/kernels/linear/chunk_ring.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// The weights of one CTA.
struct CtaWork {
  int cluster;
  int rank;
  int first_tile;  // of all segments' tiles
  int tiles;
  int first_group;
  int groups;

  // Of a cluster that has all columns of a token and no weights.
  template <class Input>
  __device__ CtaWork(const PrepareLaunch<Input>& launch, int block)
      : cluster(block / launch.cluster_ctas),
        rank(block % launch.cluster_ctas),
        first_tile(0),
        tiles(0),
        first_group(launch.groups() * rank / launch.cluster_ctas),
        groups(launch.groups() * (rank + 1) / launch.cluster_ctas - first_group) {}
  __device__ CtaWork(const LinearParams& params, int block)
      : cluster(block >> params.cluster_shift), rank(block & (params.cluster_ctas - 1)) {
    first_tile = params.first[cluster].tile;
    tiles = params.first[cluster + 1].tile - first_tile;
    first_group = params.groups() * rank >> params.cluster_shift;
    groups = (params.groups() * (rank + 1) >> params.cluster_shift) - first_group;
  }
};

// Where a tile's results go.
struct TileOutput {
  void* first;  // of token 0
  int64_t stride;
  int rows;
  bool is_float32;
};
static_assert(sizeof(TileOutput) == 24);  // plan.cc

// Chunks of one tile that one warp multiplies.
struct Piece {
  const std::byte* weights;
  const float* scales;  // null: bf16
  int chunks;
  int first_chunk;  // of the CTA's columns
};

static_assert(sizeof(Piece) == 24);  // plan.cc

struct WarpRun {
  int first_tile = 0;  // within the CTA
  int pieces = 0;      // one for each tile from there
  int chunks = 0;
  bool begins_tile = false;  // the first piece is its tile's first
};

// Writes the pieces of the calling warp's run, and outputs of tiles that begin in it. Each lane looks at
// one of up to 32 tiles of a segment.
__device__ __forceinline__ WarpRun find_pieces(const LinearParams& params, const CtaWork& work,
                                               Piece* pieces, TileOutput* outputs) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int all =
      (params.first[work.cluster + 1].chunk - params.first[work.cluster].chunk) * work.groups;
  const int begin = all * warp / kWarps;
  const int end = all * (warp + 1) / kWarps;
  WarpRun run;
  run.chunks = end - begin;
  int tile = work.first_tile;  // of the segment
  int tiles = 0;               // of the CTA, that have been looked at
  int chunks = 0;              // in these
#pragma unroll 1
  for (int i = 0; tiles < work.tiles;) {
    const Segment& segment = params.segments[i];
    const PackedMatrix& matrix = segment.matrix;
    const int looked_at = min(min(matrix.tile_count() - tile, work.tiles - tiles), 32);
    if (looked_at <= 0) {
      tile -= matrix.tile_count();
      ++i;
      continue;
    }
    const int tile_chunks = matrix.chunks_per_group() * work.groups;
    const int tile_begin = chunks + lane * tile_chunks;
    const int from = max(begin, tile_begin);
    const int to = min(end, tile_begin + tile_chunks);
    const bool meets = lane < looked_at && from < to;
    const uint32_t meeting = __ballot_sync(kAllLanes, meets);
    if (run.pieces == 0 && meeting != 0) {
      const int first_meeting = __ffs(static_cast<int>(meeting)) - 1;
      run.first_tile = tiles + first_meeting;
      run.begins_tile = __shfl_sync(kAllLanes, from == tile_begin, first_meeting);
    }
    const int own_tile = tile + lane;
    if (meets) {
      Piece& piece = pieces[run.pieces + __popc(meeting & ((1U << lane) - 1))];
      piece.chunks = to - from;
      piece.first_chunk = from - tile_begin;
      const int chunk =
          (own_tile * matrix.groups() + work.first_group) * matrix.chunks_per_group() +
          piece.first_chunk;
      piece.weights = matrix.tiles.get() + int64_t{chunk} * kChunkBytes;
      piece.scales = matrix.is_fp8 ? matrix.scales.get() + chunk : nullptr;
    }
    if (meets && from == tile_begin) {
      const int row = own_tile * kTileRows;
      auto* output = static_cast<std::byte*>(segment.output.get());
      outputs[tiles + lane] = {output + row * (segment.output_is_float32 ? 4 : 2),
                               segment.output_stride, matrix.rows - row, segment.output_is_float32};
    }
    run.pieces += __popc(meeting);
    tile += looked_at;
    tiles += looked_at;
    chunks += looked_at * tile_chunks;
  }
  __syncwarp();
  return run;
}

// The pieces of all warps, in order: those of a tile are neighbors. Each has a place for its sums.
struct PieceOrder {
  int counts[kWarps];

  // Of the calling warp, after a barrier that follows the last change of `counts`.
  __device__ int first_of_warp() const {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    int first = 0;
#pragma unroll
    for (int i = 0; i < kWarps; ++i) {
      if (i < warp) first += counts[i];
    }
    return first;
  }
};

// Each warp lists the tiles that begin in its run, and the last one the end.
__device__ __forceinline__ void list_first_pieces(const CtaWork& work, const WarpRun& run,
                                                  int first_piece, int* first_pieces) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 1
  for (int i = lane; i < run.pieces; i += 32) {
    if (i > 0 || run.begins_tile) first_pieces[run.first_tile + i] = first_piece + i;
  }
  if (threadIdx.x == kWarps * 32 - 1) first_pieces[work.tiles] = first_piece + run.pieces;
}

// Copies a warp's run into its ring: some at once, as much as there is room for later, then chunk after chunk.
class RunCopier {
 public:
  __device__ RunCopier(const Piece* pieces, const WarpRun& run, int slots, int early_slots,
                       const ChunkRing& ring)
      : piece_(pieces), left_(max(run.chunks - slots, 0)) {
    const int slot = static_cast<int>(threadIdx.x) % 32;
    const std::byte* own = slot < min(slots, run.chunks) ? seek(pieces, slot) : nullptr;
    const bool early = slot < early_slots;
    ring.fill(early ? own : nullptr);
    if (!early) late_ = own;
    if (left_ > 0) next_ = seek(pieces, slots);
  }

  // The first chunks of the first `slots` slots, as far as they have not been asked for.
  __device__ void fill_until(const ChunkRing& ring, int slots) {
    const bool now = slots >= kMaxRingSlots || static_cast<int>(threadIdx.x) % 32 < slots;
    ring.fill(now ? late_ : nullptr);
    if (now) late_ = nullptr;
  }

  __device__ void copy_next(ChunkRing& ring) {
    if (left_ == 0) return;
    ring.push(next_);
    next_ += kChunkBytes;
    --left_;
    if (--left_in_piece_ > 0 || left_ == 0) return;
    ++piece_;
    next_ = piece_->weights;
    left_in_piece_ = piece_->chunks;
  }

 private:
  // Goes to the run's `chunk`-th chunk.
  __device__ const std::byte* seek(const Piece* pieces, int chunk) {
    piece_ = pieces;
#pragma unroll 1
    while (chunk >= piece_->chunks) {
      chunk -= piece_->chunks;
      ++piece_;
    }
    left_in_piece_ = piece_->chunks - chunk;
    return piece_->weights + chunk * kChunkBytes;
  }

  const Piece* piece_;
  const std::byte* late_ = nullptr;  // the first chunk of the lane's slot
  int left_;
  const std::byte* next_ = nullptr;
  int left_in_piece_ = 0;
};

// Starts to copy the scales of a warp's weights, contiguous in `target`.
__device__ __forceinline__ void copy_scales(const Piece* pieces, const WarpRun& run,
                                            float* target) {
  for (int i = 0; i < run.pieces; ++i) {
    const Piece& piece = pieces[i];
    if (piece.scales != nullptr) {
      for (int chunk = threadIdx.x % 32; chunk < piece.chunks; chunk += 32) {
        cuda::copy_async_4(target + chunk, piece.scales + chunk);
      }
    }
    target += piece.chunks;
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
