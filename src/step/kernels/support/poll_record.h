// What is left in pinned, mapped host memory by the poll that waited for a peer too long.
#pragma once

#include <cstdint>

namespace slipstream::step::kernels {

inline constexpr int kMaxRanks = 8;

// In place of an exchange's number.
inline constexpr int kSampling = -1;
inline constexpr int kGathering = -2;  // what a draft starts from; silent_rank is not known

struct PollRecord {
  int32_t happened = 0;  // written last: not 0, read the rest
  int32_t silent_rank = 0;
  int32_t step = 0;      // how many this rank had ended since clear_window()
  int32_t exchange = 0;  // 2 x layer after attention, and one more after the MLP; or as above
  int32_t round = 0;     // of sampling
  int32_t token = 0;     // of the step
  int32_t column = 0;    // of the row
};

}  // namespace slipstream::step::kernels
