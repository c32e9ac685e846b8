// Where the activations of a matrix product come from. A source gives eight neighboring columns of
// one token, each rounded to bf16 as if it had been stored. A norm loads what it reads unrounded
// and finishes it once the token's sum of squares is known. Addresses are made apart from loads:
// the first ones before the wait, where nobody waits for the arithmetic. What a norm's matrices
// give stays on its rank: only products of the other sources may be partial sums that are pushed
// to all.
#pragma once

#include "cuda/memory.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

using Eight = float[8];

__device__ __forceinline__ void zero(Eight& values) {
#pragma unroll
  for (float& value : values) value = 0.0F;
}

// Eight columns of a token.
struct Place {
  int token;
  int column;
  // When the cluster's turn comes among all that have the same columns: the first one stores them
  // for later launches.
  int turn;
  int clusters;

  __device__ bool stores() const { return turn == 0; }
};

// Groups of 128 columns [first, end).
struct GroupRange {
  int first;
  int end;
};

// A norm's weights of eight columns.
__device__ __forceinline__ void load_weights(const float* gamma, Eight& values) {
  const auto* source = reinterpret_cast<const float4*>(gamma);
  const float4 low = source[0];
  const float4 high = source[1];
  values[0] = low.x;
  values[1] = low.y;
  values[2] = low.z;
  values[3] = low.w;
  values[4] = high.x;
  values[5] = high.y;
  values[6] = high.z;
  values[7] = high.w;
}

__device__ __forceinline__ void normalize(const Eight& gamma, float factor, Eight& values) {
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = gamma[i] * (values[i] * factor);
  round_to_bf16(values);
}

class PlainSource {
 public:
  using Input = PlainInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  using Address = const __nv_bfloat16*;
  __device__ explicit PlainSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  __device__ void load(const Place& /*place*/, Address address, Eight& values) const {
    load_eight(address, values);
  }

 private:
  const Input& input_;
};

// RMSNorm, of one rank alone.
class NormSource {
 public:
  using Input = NormInput;
  static constexpr bool kNormalizes = true;
  static constexpr bool kMayPush = false;
  struct Address {
    const __nv_bfloat16* row;  // unless it is one of the embedding
    const __nv_bfloat16* delta;
  };
  __device__ explicit NormSource(const Input& input)
      : input_(input), inverse_columns_(1.0F / static_cast<float>(input.columns)) {
    cuda::settle(inverse_columns_);
  }

  // Constant: before the wait.
  __device__ void load_gamma(int column, Eight& gamma) const {
    load_weights(input_.gamma.get() + column, gamma);
  }

  // Those that are normed together, of `groups` in all.
  __device__ GroupRange normed_with(const Place& /*place*/, int groups) const {
    return {0, groups};
  }

  __device__ Address address(const Place& place) const {
    return {own_row(place), input_.delta.get() + index_of(place)};
  }

  // What the norm reads: the unrounded sum.
  __device__ void load(const Place& place, const Address& address, Eight& values) const {
    load_eight(row(place, address.row), values);
    if (input_.delta.get() != nullptr) {
      Eight more;
      load_eight(address.delta, more);
#pragma unroll
      for (int i = 0; i < 8; ++i) values[i] += more[i];
    }
  }

  __device__ void store_sum(const Place& place, const Eight& values) const {
    if (input_.sum.get() != nullptr && place.stores()) store(input_.sum.get(), place, values);
  }

  // Once for each place, when nobody waits for it any more.
  __device__ void clean_up(const Place& /*place*/) const {}

  // From the sum of a token's squares.
  __device__ float factor(float squares) const {
    return rsqrtf(squares * inverse_columns_ + input_.eps);
  }

  __device__ void finish(const Place& place, const Eight& gamma, float factor,
                         Eight& values) const {
    normalize(gamma, factor, values);
    if (input_.normed.get() != nullptr && place.stores()) store(input_.normed.get(), place, values);
  }

 protected:
  __device__ const __nv_bfloat16* own_row(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  __device__ const __nv_bfloat16* row(const Place& place, const __nv_bfloat16* own) const {
    if (input_.embedding.get() == nullptr) return own;
    return input_.embedding.get() +
           static_cast<int64_t>(input_.step.get()[place.token].token) * input_.columns +
           place.column;
  }
  // Among the columns of all tokens.
  __device__ int64_t index_of(const Place& place) const {
    return int64_t{place.token} * input_.columns + place.column;
  }

  const Input& input_;

 private:
  __device__ void store(__nv_bfloat16* target, const Place& place, const Eight& values) const {
    *reinterpret_cast<uint4*>(target + index_of(place)) = cuda::pack<DType::kBFloat16>(values);
  }

  float inverse_columns_;
};

// RMSNorm of rows plus what several ranks add to them. A class of its own, for the words of eight
// ranks in flight take registers that one rank alone would have to pay for.
class PeerNormSource : public NormSource {
 public:
  struct Address {
    const __nv_bfloat16* row;
    const uint32_t* pairs;
  };
  __device__ explicit PeerNormSource(const Input& input) : NormSource(input) {}

  __device__ Address address(const Place& place) const {
    return {own_row(place), input_.polled.pairs.get() + index_of(place) / 2};
  }

  __device__ void load(const Place& place, const Address& address, Eight& values) const {
    // On its way while the others are polled for.
    const uint4 own_words = *reinterpret_cast<const uint4*>(row(place, address.row));
    poll_sums(input_.polled, address.pairs, place.token, place.column, values);
    Eight own;
    cuda::unpack<DType::kBFloat16>(own_words, own);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] += own[i];
  }

  // Empties what the exchange before has brought.
  __device__ void clean_up(const Place& place) const {
    const PolledRows& polled = input_.polled;
    if (polled.emptied.get() == nullptr) return;
    empty_columns(polled.emptied, polled.ranks, place.turn, place.clusters, polled.source_stride,
                  index_of(place) / 2);
  }
};

// Two norms next to each other, each of half the columns: what an MTP layer starts from.
class JoinedNormSource {
 public:
  using Input = JoinedNormInput;
  static constexpr bool kNormalizes = true;
  static constexpr bool kMayPush = false;
  using Address = const __nv_bfloat16*;  // in row 0
  __device__ explicit JoinedNormSource(const Input& input)
      : input_(input), inverse_columns_(1.0F / static_cast<float>(input.columns)) {
    cuda::settle(inverse_columns_);
  }

  __device__ void load_gamma(int column, Eight& gamma) const {
    load_weights(is_hidden(column) ? input_.hidden_gamma.get() + (column - input_.columns)
                                   : input_.embedding_gamma.get() + column,
                 gamma);
  }
  __device__ GroupRange normed_with(const Place& place, int groups) const {
    return is_hidden(place.column) ? GroupRange{groups / 2, groups} : GroupRange{0, groups / 2};
  }
  __device__ Address address(const Place& place) const {
    return is_hidden(place.column) ? input_.hidden.get() + (place.column - input_.columns)
                                   : input_.embedding.get() + place.column;
  }
  __device__ void load(const Place& place, Address address, Eight& values) const {
    const int row = is_hidden(place.column) ? input_.sources.get()[place.token]
                                            : input_.step.get()[place.token].token;
    load_eight(address + int64_t{row} * input_.columns, values);
  }
  __device__ void store_sum(const Place& /*place*/, const Eight& /*values*/) const {}
  __device__ void clean_up(const Place& /*place*/) const {}
  __device__ float factor(float squares) const {
    return rsqrtf(squares * inverse_columns_ + input_.eps);
  }
  __device__ void finish(const Place& /*place*/, const Eight& gamma, float factor,
                         Eight& values) const {
    normalize(gamma, factor, values);
  }

 private:
  __device__ bool is_hidden(int column) const { return column >= input_.columns; }

  const Input& input_;
  float inverse_columns_;
};

// For settle().
__device__ __forceinline__ uint64_t as_bits(const NormSource::Address& address) {
  return cuda::as_bits(address.row) ^ cuda::as_bits(address.delta);
}
__device__ __forceinline__ uint64_t as_bits(const PeerNormSource::Address& address) {
  return cuda::as_bits(address.row) ^ cuda::as_bits(address.pairs);
}

// silu(gate) * up, rounded.
__device__ __forceinline__ void load_gated(const __nv_bfloat16* gate, const __nv_bfloat16* up,
                                           Eight& values) {
  load_eight(gate, values);
  Eight factors;
  load_eight(up, factors);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float silu = values[i] / (1.0F + expf(-values[i]));
    values[i] = silu * factors[i];
  }
  round_to_bf16(values);
}

class SiluSource {
 public:
  using Input = SiluInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  using Address = const __nv_bfloat16*;
  __device__ explicit SiluSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  __device__ void load(const Place& /*place*/, Address gate, Eight& values) const {
    load_gated(gate, gate + input_.columns, values);
  }

 private:
  const Input& input_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
