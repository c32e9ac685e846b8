// Images of device code that are looked at together: read, lowered and judged on several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check/analysis/kernel_code.h"
#include "check/analysis/written.h"
#include "check/findings/finding_list.h"
#include "check/launches/launches.h"
#include "check/report/report.h"
#include "check/rules/rule.h"
#include "code/fatbin.h"
#include "code/parameter.h"

namespace slipstream::check {

struct PendingImage {
  code::Image image;
  std::string name;    // of the file
  bool loose = false;  // its kernels may have other forms in the files next to it
};

// One form of one kernel, as far as it is looked at.
struct CheckedForm {
  std::string kernel;                                      // mangled
  std::optional<std::vector<code::Parameter>> parameters;  // none: it could not be read
  bool left_out = false;  // a recorder knows that it was not launched: nothing more is looked at
  // Judged already, by itself: machine code that waits, where no PTX can be next to it.
  bool waits = false;
  FindingList findings;
  // Or left to be judged with the kernel's other forms.
  std::unique_ptr<KernelCode> code;
  // Or of no concern to any rule.
  std::unique_ptr<BareForm> bare;
  // Or asked only what it writes.
  std::optional<WrittenForm> written;
  std::vector<Problem> problems;
};

struct BatchOptions {
  const Launches& launches;
  bool survey = false;   // nothing is judged: what kernels write is asked
  bool listing = false;  // places bring the code around them
  size_t jobs = 1;
  std::function<bool()> stop;  // whether the rest is to be left out
};

// In the order of the images and of the kernels in them. `problems` are those of whole images.
std::vector<CheckedForm> check_batch(std::vector<PendingImage> images, const BatchOptions& options,
                                     std::vector<Problem>& problems);

}  // namespace slipstream::check
