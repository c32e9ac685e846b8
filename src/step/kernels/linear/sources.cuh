// Where the activations of a matrix product come from. A source gives eight neighboring columns of
// one token, each rounded to bf16 as if it had been stored. A norm gives what it reads unrounded
// and finishes it once the token's sum of squares is known. Addresses are made apart from loads:
// the first ones before the wait, where nobody waits for the arithmetic; and loads apart from what
// is made of them, so that a lane can have several on their way. What the matrices of one norm give
// stays on its rank: only products of the other sources may be pushed to all.
#pragma once

#include <type_traits>

#include "cuda/memory.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

template <int kCount>
using Values = float[kCount];
using Eight = Values<8>;

// Neighboring columns as they are stored.
template <int kCount>
using Packed = std::conditional_t<kCount == 8, uint4, uint2>;
template <int kCount>
__device__ __forceinline__ Packed<kCount> load_raw(const __nv_bfloat16* address) {
  return *reinterpret_cast<const Packed<kCount>*>(address);
}
// Not from the first cache, where a line of an earlier launch may lie before the wait.
__device__ __forceinline__ void load_past_cache(const __nv_bfloat16* address, uint4& raw) {
  raw = cuda::load_system_16(address);
}
__device__ __forceinline__ void load_past_cache(const __nv_bfloat16* address, uint2& raw) {
  raw = cuda::load_system_8(address);
}
template <int kCount>
__device__ __forceinline__ void add(Packed<kCount> raw, Values<kCount>& values) {
  Values<kCount> more;
  cuda::unpack<DType::kBFloat16>(raw, more);
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] += more[i];
}

// Eight or four columns of a token.
struct Place {
  int token;
  int column;
  // When the cluster's turn comes among all that have the same columns: the first one stores them
  // for later launches.
  int turn;
  int clusters;

  __device__ bool stores() const { return turn == 0; }
  __device__ Place advanced(int columns) const { return {token, column + columns, turn, clusters}; }
};

// A norm's weights.
template <int kCount>
__device__ __forceinline__ void load_weights(const float* gamma, Values<kCount>& values) {
#pragma unroll
  for (int i = 0; i < kCount; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(gamma + i);
    values[i] = four.x;
    values[i + 1] = four.y;
    values[i + 2] = four.z;
    values[i + 3] = four.w;
  }
}

template <int kCount>
__device__ __forceinline__ void normalize(const Values<kCount>& gamma, float factor,
                                          Values<kCount>& values) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = gamma[i] * (values[i] * factor);
  round_to_bf16(values);
}

// Nobody wants what the source gives as codes.
struct UncodedSource {
  static __device__ constexpr unsigned char* coded() { return nullptr; }
};

// What lies ready as operands, and is only copied.
class PreparedSource {
 public:
  using Input = PreparedInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {0, 0, 0};
  static constexpr bool kPolls = false;
  __device__ explicit PreparedSource(const Input& input) : operands_(input.operands) {}
  __device__ const unsigned char* operands() const { return operands_.get(); }

 private:
  pdl::Produced<const unsigned char> operands_;
};

class PlainSource : public UncodedSource {
 public:
  using Input = PlainInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {3, 20, 26};
  static constexpr bool kPolls = false;
  using Address = const __nv_bfloat16*;
  template <int kCount>
  using Raw = Packed<kCount>;
  __device__ explicit PlainSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& /*place*/, Address address) const {
    return load_raw<kCount>(address);
  }
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    cuda::unpack<DType::kBFloat16>(raw, values);
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
  static constexpr StagingCost kCost = {4, 14, 26};
  static constexpr bool kPolls = false;
  static constexpr int kNorms = 1;  // next to each other
  struct Address {
    const __nv_bfloat16* row;  // unless it is one of the embedding
    const __nv_bfloat16* delta;
  };
  template <int kCount>
  struct Raw {
    Packed<kCount> row;
    Packed<kCount> delta;
  };
  __device__ explicit NormSource(const Input& input)
      : input_(input), inverse_columns_(1.0F / static_cast<float>(input.columns)) {
    cuda::settle(inverse_columns_);
  }

  // Constant: before the wait.
  template <int kCount>
  __device__ void load_gamma(int column, Values<kCount>& gamma) const {
    load_weights<kCount>(input_.gamma.get() + column, gamma);
  }

  // Which of the norms a column belongs to.
  __device__ int norm_of(int /*column*/) const { return 0; }

  __device__ Address address(const Place& place) const {
    return {own_row(place), input_.delta.get() + index_of(place)};
  }

  template <int kCount>
  __device__ Raw<kCount> load(const Place& place, const Address& address) const {
    Raw<kCount> raw{load_raw<kCount>(row(place, address.row)), {}};
    if (input_.delta.get() != nullptr) raw.delta = load_raw<kCount>(address.delta);
    return raw;
  }
  // What the norm reads: the unrounded sum.
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    cuda::unpack<DType::kBFloat16>(raw.row, values);
    add<kCount>(raw.delta, values);
  }

  template <int kCount>
  __device__ void store_sum(const Place& place, const Values<kCount>& values) const {
    if (input_.sum.get() != nullptr && place.stores()) store(input_.sum.get(), place, values);
  }

  // Once for each place, when nobody waits for it any more.
  template <int kCount>
  __device__ void clean_up(const Place& /*place*/) const {}

  // Where the normed rows go as codes, if anywhere.
  __device__ unsigned char* coded() const { return input_.codes.get(); }

  // From the sum of a token's squares.
  __device__ float factor(float squares) const {
    return rsqrtf(squares * inverse_columns_ + input_.eps);
  }

  template <int kCount>
  __device__ void finish(const Place& place, const Values<kCount>& gamma, float factor,
                         Values<kCount>& values) const {
    normalize<kCount>(gamma, factor, values);
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
  template <int kCount>
  __device__ void store(__nv_bfloat16* target, const Place& place,
                        const Values<kCount>& values) const {
    *reinterpret_cast<Packed<kCount>*>(target + index_of(place)) =
        cuda::pack<DType::kBFloat16>(values);
  }

  float inverse_columns_;
};

// Where what is polled for lies.
struct PolledAddress {
  const __nv_bfloat16* row;
  const uint32_t* pairs;
};

// RMSNorm of rows plus what kRanks ranks, or any number if that is 0, add to them. Classes of their
// own, for the words of eight ranks in flight take registers that one rank alone would have to pay for.
template <int kRanks>
class PeerNormSource : public NormSource {
 public:
  static constexpr StagingCost kCost = {4, 14, 32};
  static constexpr bool kPolls = true;
  using Address = PolledAddress;
  template <int kCount>
  struct Raw {
    Packed<kCount> row;
    RankShares<kRanks, kCount> shares;
  };
  __device__ explicit PeerNormSource(const Input& input) : NormSource(input) {}

  __device__ Address address(const Place& place) const {
    return {own_row(place), input_.polled.pairs.get() + index_of(place) / 2};
  }

  template <int kCount>
  __device__ __forceinline__ void look_out(const Address& address) const {
    kernels::look_out<kRanks, kCount>(address.pairs);
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& /*place*/, const Address& address) const {
    Raw<kCount> raw;
    load_past_cache(address.row, raw.row);  // no row of the embedding has peers
    raw.shares.ask(input_.polled, address.pairs);
    return raw;
  }
  // What the norm reads, once it is there.
  template <int kCount>
  __device__ void receive(const Place& place, const Address& address, Raw<kCount>& raw,
                          Values<kCount>& values) const {
    raw.shares.add_up(input_.polled, address.pairs,
                      {input_.polled.exchange, 0, place.token, place.column}, values);
    add<kCount>(raw.row, values);
  }

  // Empties what the exchange before has brought.
  template <int kCount>
  __device__ void clean_up(const Place& place) const {
    const PolledRows& polled = input_.polled;
    if (polled.emptied.get() == nullptr) return;
    empty_columns<kCount>(polled.emptied, polled.ranks, place.turn, place.clusters,
                          index_of(place) / 2);
  }
};

// Two norms next to each other, each of half the columns: what an MTP layer starts from.
class JoinedNormSource : public UncodedSource {
 public:
  using Input = JoinedNormInput;
  static constexpr bool kNormalizes = true;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {4, 14, 26};
  static constexpr bool kPolls = false;
  static constexpr int kNorms = 2;
  using Address = const __nv_bfloat16*;  // in row 0
  template <int kCount>
  using Raw = Packed<kCount>;
  __device__ explicit JoinedNormSource(const Input& input)
      : input_(input), inverse_columns_(1.0F / static_cast<float>(input.columns)) {
    cuda::settle(inverse_columns_);
  }

  template <int kCount>
  __device__ void load_gamma(int column, Values<kCount>& gamma) const {
    load_weights<kCount>(is_hidden(column) ? input_.hidden_gamma.get() + (column - input_.columns)
                                           : input_.embedding_gamma.get() + column,
                         gamma);
  }
  __device__ int norm_of(int column) const { return static_cast<int>(is_hidden(column)); }
  __device__ Address address(const Place& place) const {
    return is_hidden(place.column) ? input_.hidden.get() + (place.column - input_.columns)
                                   : input_.embedding.get() + place.column;
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& place, Address address) const {
    const int row = is_hidden(place.column) ? input_.sources.get()[place.token]
                                            : input_.step.get()[place.token].token;
    return load_raw<kCount>(address + int64_t{row} * input_.columns);
  }
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    cuda::unpack<DType::kBFloat16>(raw, values);
  }
  template <int kCount>
  __device__ void store_sum(const Place& /*place*/, const Values<kCount>& /*values*/) const {}
  template <int kCount>
  __device__ void clean_up(const Place& /*place*/) const {}
  __device__ float factor(float squares) const {
    return rsqrtf(squares * inverse_columns_ + input_.eps);
  }
  template <int kCount>
  __device__ void finish(const Place& /*place*/, const Values<kCount>& gamma, float factor,
                         Values<kCount>& values) const {
    normalize<kCount>(gamma, factor, values);
  }

 private:
  __device__ bool is_hidden(int column) const { return column >= input_.columns; }

  const Input& input_;
  float inverse_columns_;
};

// The same, so many columns further.
__device__ __forceinline__ const __nv_bfloat16* advance(const __nv_bfloat16* address, int columns) {
  return address + columns;
}
__device__ __forceinline__ NormSource::Address advance(const NormSource::Address& address,
                                                       int columns) {
  return {address.row + columns, address.delta + columns};
}
__device__ __forceinline__ PolledAddress advance(const PolledAddress& address, int columns) {
  return {address.row + columns, address.pairs + columns / 2};
}

// For settle().
__device__ __forceinline__ uint64_t as_bits(const NormSource::Address& address) {
  return cuda::as_bits(address.row) ^ cuda::as_bits(address.delta);
}
__device__ __forceinline__ uint64_t as_bits(const PolledAddress& address) {
  return cuda::as_bits(address.row) ^ cuda::as_bits(address.pairs);
}

// silu(gate) * up, rounded.
class SiluSource : public UncodedSource {
 public:
  using Input = SiluInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {10, 40, 60};
  static constexpr bool kPolls = false;
  using Address = const __nv_bfloat16*;  // of the gate
  template <int kCount>
  struct Raw {
    Packed<kCount> gate;
    Packed<kCount> up;
  };
  __device__ explicit SiluSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& /*place*/, Address gate) const {
    return {load_raw<kCount>(gate), load_raw<kCount>(gate + input_.columns)};
  }
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    Values<kCount> up;
    cuda::unpack<DType::kBFloat16>(raw.gate, values);
    cuda::unpack<DType::kBFloat16>(raw.up, up);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float silu = values[i] / (1.0F + expf(-values[i]));
      values[i] = silu * up[i];
    }
    round_to_bf16(values);
  }

 private:
  const Input& input_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
