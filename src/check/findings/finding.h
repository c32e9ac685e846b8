// What the checker reports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::check {

// The rules, in the order of their numbers; check/rules holds what there is to say about each.
enum class Rule : uint8_t {
  kReadBeforeWait,        // R1
  kUnorderedThreads,      // R2
  kNeverWaits,            // R3
  kReadOnlyPath,          // R4
  kCompilerMovedLoad,     // R5
  kWriteBeforeWait,       // R6
  kWaitMissingInImage,    // R7
  kHandOverWithoutFence,  // R8
  kTriggerBeforeWait,     // R9
  kMissingClobber,        // R10
  kGraphEdge,             // R11
  kOneWarpTriggers,       // R12
  kSpinBeforeWait,        // R13
  kClusterExit,           // R14
  kNoOverlap,             // R15
};

enum class Severity : uint8_t { kNote, kWarning, kError };
enum class Certainty : uint8_t { kProven, kLikely, kDependsOnCaller };

std::string id_of(Rule rule);                   // "R5"
std::string_view name_of(Severity severity);    // "error"
std::string_view name_of(Certainty certainty);  // "depends on the caller"

// A line of code as a report shows it.
struct CodeLine {
  std::string where;  // line number, or byte in the kernel's code
  std::string text;
  bool here = false;  // what the finding is about; the others are around it
};

// A place in the source, or in the code where there is no line information.
struct Place {
  std::string file;  // empty if unknown
  uint32_t line = 0;
  std::vector<std::string> inlined_at;  // "file.cu:40", innermost call first
  std::string code;                     // "PTX line 120", "SASS 0x150"
  std::string_view instruction;         // "LDG", where it is machine code
  std::vector<CodeLine> excerpt;        // of PTX or machine code, where a report shows it

  [[nodiscard]] std::string text() const;  // "file.cu:12", or the code position
};

struct Finding {
  Rule rule = Rule::kReadBeforeWait;
  Severity severity = Severity::kWarning;
  Certainty certainty = Certainty::kLikely;
  std::string kernel;   // demangled
  std::string mangled;  // empty for findings that belong to no kernel
  std::string subject;  // "parameter 1 (float const*)"; findings with one subject are one
  std::string message;  // one sentence
  std::string threads;  // which threads
  std::vector<Place> places;
  std::vector<std::string> path;    // the branches that lead there
  std::vector<std::string> images;  // "program: sm_90a SASS"
  std::string allowed;              // the reason given in the source, if it is suppressed there
};

std::string demangle(const std::string& name);

}  // namespace slipstream::check
