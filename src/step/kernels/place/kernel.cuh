// Puts the rows of the next step in place. One CTA: it first saves the tokens that the last step's
// rows have sampled, then edits tables, then writes the new rows, whose tokens may be saved ones. So
// sequences join, leave and change places while the host does not know their tokens.
//
// PDL: nothing before the wait.
#pragma once

#include "step/kernels/place/params.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kPlaceThreads = 128;

// Notes a token that a row processes.
__device__ __forceinline__ void count_token(const Histories& histories, int history, int token,
                                            bool was_sampled) {
  const int local = token - histories.first_token;
  if (local < 0 || local >= histories.vocabulary) return;
  uint32_t* word = histories.words.get() + int64_t{history} * histories.vocabulary + local;
  if (was_sampled) {
    atomicAdd(word, 1U);
  } else {
    atomicOr(word, kGiven);
  }
}

__device__ __forceinline__ void edit_tables(const PlaceParams& params) {
  const TableEdits& edits = params.edits;
  const int histories_end = edits.pages + edits.histories;
  for (int i = threadIdx.x; i < histories_end + edits.biases; i += kPlaceThreads) {
    const int index = edits.index[i];
    const int value = edits.value[i];
    if (i < edits.pages) {
      params.pages.get()[index] = value;
    } else if (i < histories_end) {
      atomicAdd(params.histories.words.get() + index, static_cast<uint32_t>(value));
    } else {
      params.histories.biases.get()[index] = __int_as_float(value);
    }
  }
}

// By all threads, word by word: a thread that copied a struct would do so byte by byte.
template <class T>
__device__ __forceinline__ void copy_structs(const T* source, T* target, int count) {
  const auto* from = reinterpret_cast<const uint32_t*>(source);
  auto* to = reinterpret_cast<uint32_t*>(target);
  const int words = count * static_cast<int>(sizeof(T) / sizeof(uint32_t));
  for (int i = threadIdx.x; i < words; i += kPlaceThreads) to[i] = from[i];
}

template <class Gate>
__device__ __forceinline__ void place_block(const PlaceParams& params, Gate gate) {
  gate.pass();
  const int index = static_cast<int>(threadIdx.x);
  if (index < kMaxRows && (params.saved >> index & 1U) != 0) {
    const StepRow& row = params.rows.get()[index];
    params.last_tokens.get()[row.sequence] = row.token;
  }
  edit_tables(params);
  __syncthreads();
  copy_structs(params.placed.rows, params.rows.get(), params.tokens);
  copy_structs(params.placed.extras, params.extras.get(), params.tokens);
  __syncthreads();
  if (index >= params.tokens) return;
  StepRow& row = params.rows.get()[index];
  if (row.token == kSampledToken) row.token = params.last_tokens.get()[row.sequence];
  const int history = params.placed.extras[index].history;
  if (history < 0) return;
  count_token(params.histories, history, row.token, (params.counted >> index & 1U) != 0);
}

__global__ void __launch_bounds__(kPlaceThreads)
    place_kernel(const __grid_constant__ PlaceParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  place_block(params, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
