// Whether what a launches file says is about something: an entry with a slip in its name would settle
// nothing, without a word.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "check/launches/launches.h"
#include "code/parameter.h"

namespace slipstream::check {

class LaunchesUse {
 public:
  // `launches` must live as long.
  explicit LaunchesUse(const Launches& launches);

  // A kernel that was found; `parameters` is null where its code could not be read.
  void note(const std::string& mangled, const std::string& demangled,
            const std::vector<code::Parameter>* parameters);

  // What is about nothing that was noted: "kernels[2]: \"ns::norm\" is the name of no kernel". A
  // recorder sees kernels of other files, too; that is no complaint unless none of its is here. An
  // edge may begin at a kernel of another file.
  [[nodiscard]] std::vector<std::string> complaints() const;

 private:
  struct Entry {
    bool names_kernel = false;
    // For each parameter: what is wrong with it in the kernels seen so far; nothing once one has it.
    std::vector<std::optional<std::string>> faults;
  };
  [[nodiscard]] std::vector<std::string> unused_names() const;

  const Launches& launches_;
  std::vector<Entry> entries_;  // for each of the file's kernels
  std::vector<bool> reached_;   // for each of its edges, whether the kernel it leads to was seen
};

}  // namespace slipstream::check
