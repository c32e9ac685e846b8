// What `--json` does in every command: alone, it prints JSON to standard output instead of the text
// for people; with FILE, the text is printed and the JSON goes to FILE.
#pragma once

#include <string>
#include <utility>

namespace slipstream::cli {

class JsonOutput {
 public:
  // The option's value: empty where it is not given, "-" where it stands alone, else FILE.
  explicit JsonOutput(std::string target) : target_(std::move(target)) {}

  // For work that takes long: throws Error now if FILE could not be written in the end.
  void require_writable() const;

  [[nodiscard]] bool wanted() const { return !target_.empty(); }
  // Whether the text for people is printed to standard output.
  [[nodiscard]] bool prints_text() const { return target_ != kStandardOutput; }

  // Nothing unless wanted. FILE is written whole or not at all; throws Error naming it.
  void write(const std::string& json) const;

 private:
  static constexpr const char* kStandardOutput = "-";
  std::string target_;
};

}  // namespace slipstream::cli
