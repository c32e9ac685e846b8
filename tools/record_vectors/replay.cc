#include "replay.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>

#include "compare.h"

namespace slipstream::record_vectors {
namespace {

uint64_t element(const Bytes& bytes, size_t index, unsigned width) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * width, width);
  return value;
}

struct Tally {
  size_t equal = 0;
  size_t within_bound = 0;
  size_t different = 0;
};

// One form's results against what was recorded.
class Replay {
 public:
  Replay(const VectorFile& file, const ReplayOptions& options, ReplayReport& report)
      : file_(file), options_(options), report_(report) {}

  void run(const Form& form, Runner runner) {
    const auto recorded = file_.forms.find(form.text);
    if (recorded == file_.forms.end()) {
      ++report_.not_recorded;
      return;
    }
    ++report_.replayed;
    try {
      judge(form, compare_all(form, recorded->second,
                              runner(form, recorded->second.operands, file_.count)));
    } catch (const std::exception& error) {
      report_.findings.push_back(fmt::format("FAILED {}: {}", form.text, error.what()));
      ++report_.failed;
    }
  }

 private:
  void judge(const Form& form, const Tally& tally) {
    if (tally.different > 0) {
      ++report_.different;
      report_.findings.push_back(fmt::format("DIFFERENT {}: {} of {} results", form.text,
                                             tally.different,
                                             tally.different + tally.within_bound + tally.equal));
    } else {
      ++(tally.within_bound > 0 ? report_.within_bound : report_.equal);
    }
  }

  Tally compare_all(const Form& form, const RecordedForm& recorded,
                    const std::vector<Bytes>& results) {
    Tally tally;
    const std::vector<std::string> types = split_words(form.results);
    for (size_t i = 0; i < types.size(); ++i) {
      const unsigned width = register_bytes(types[i]);
      for (size_t index = 0; index < file_.count; ++index) {
        const std::vector<uint64_t> operands = operands_at(form, recorded, index);
        const Comparison comparison{form.bound, types[i],
                                    element(recorded.results[i], index, width),
                                    element(results[i], index, width), operands};
        const Agreement agreement = compare(comparison);
        tally.equal += agreement == Agreement::kEqual ? 1 : 0;
        tally.within_bound += agreement == Agreement::kWithinBound ? 1 : 0;
        tally.different += agreement == Agreement::kDifferent ? 1 : 0;
        if (agreement == Agreement::kDifferent && tally.different <= options_.shown) {
          show(form, i, index, comparison);
        }
      }
    }
    return tally;
  }

  static std::vector<uint64_t> operands_at(const Form& form, const RecordedForm& recorded,
                                           size_t index) {
    const std::vector<std::string> types = split_words(form.operands);
    std::vector<uint64_t> operands;
    for (size_t i = 0; i < types.size(); ++i) {
      operands.push_back(element(recorded.operands[i], index, register_bytes(types[i])));
    }
    return operands;
  }

  void show(const Form& form, size_t result, size_t index, const Comparison& comparison) {
    std::string operands;
    for (const uint64_t operand : comparison.operands) {
      operands += fmt::format(" {:#x}", operand);
    }
    report_.findings.push_back(fmt::format("  vector {} of {}: ${} is {:#x}, must be {:#x}, from{}",
                                           index, form.text, result, comparison.found,
                                           comparison.expected, operands));
  }

  const VectorFile& file_;
  const ReplayOptions& options_;
  ReplayReport& report_;
};

}  // namespace

ReplayReport replay(const VectorFile& file, Runner run, const ReplayOptions& options) {
  ReplayReport report;
  Replay replay(file, options, report);
  for (const Form& form : all_forms()) {
    if (std::strstr(form.text, options.only.c_str()) != nullptr) replay.run(form, run);
  }
  return report;
}

std::string describe(const ReplayReport& report, const VectorFile& file) {
  return fmt::format(
      "{} forms recorded on {}: {} replayed, {} of them bit-equal, {} within their bound, {} "
      "different, {} failed, {} not recorded",
      file.forms.size(), file.device, report.replayed, report.equal, report.within_bound,
      report.different, report.failed, report.not_recorded);
}

}  // namespace slipstream::record_vectors
