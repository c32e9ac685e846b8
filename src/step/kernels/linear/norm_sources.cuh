// Activations that are normed: what is read is given unrounded, and finished once the token's sum of squares
// is known. What the matrices of one norm give stays on its rank: only products of other sources may be
// pushed to all.
#pragma once

#include "step/kernels/linear/source_values.cuh"
#include "step/kernels/support/peers.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

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
    if (input_.rows.get() != nullptr) return own;
    return input_.embedding.get() +
           static_cast<int64_t>(input_.step.get()[place.token].token) * input_.columns +
           place.column;
  }
  // Among the columns of all tokens.
  __device__ uint32_t index_of(const Place& place) const {
    return static_cast<uint32_t>(place.token * input_.columns + place.column);
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

  template <int kCount, class Between>
  __device__ __forceinline__ void look_out(const Address& address, const Between& between) const {
    kernels::look_out<kRanks, kCount>(address.pairs, between);
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

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
