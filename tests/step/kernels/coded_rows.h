// Rows as the e4m3 codes that one launch hands to the next (step/kernels/support/code_units.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "model/reference/linear.h"
#include "step/kernels/support/code_units.h"

namespace slipstream::step::test {

// Units [group][token]. Whole groups only.
inline std::vector<uint8_t> coded_rows(const model::reference::Matrix& rows, bool ue8m0) {
  const int tokens = static_cast<int>(rows.rows());
  const int groups = static_cast<int>(rows.columns()) / kernels::kUnitCodes;
  std::vector<uint8_t> image(kernels::code_bytes(groups * tokens));
  for (int group = 0; group < groups; ++group) {
    for (int token = 0; token < tokens; ++token) {
      const model::reference::QuantizedGroup codes = model::reference::quantize_group(
          rows.row(token).subspan(group * kernels::kUnitCodes, kernels::kUnitCodes), ue8m0);
      const int unit = kernels::code_unit(group, token, tokens);
      for (int i = 0; i < kernels::kUnitCodes; ++i) {
        image[kernels::code_place(unit, i)] = codes.codes[i];
      }
      std::memcpy(&image[groups * tokens * kernels::kUnitCodes + unit * sizeof(float)],
                  &codes.scale, sizeof(float));
    }
  }
  return image;
}

}  // namespace slipstream::step::test
