#include "targets.h"

#include <array>
#include <string>
#include <string_view>

#include "check/analysis/kernel_code.h"
#include "check/checker.h"
#include "check/launches/launches.h"
#include "check/lower/sass/lower.h"
#include "check/report/html_report.h"
#include "check/report/text_report.h"
#include "check/rules/rules.h"
#include "code/archive.h"
#include "code/byte_reader.h"
#include "code/compression.h"
#include "code/sass/cubin.h"
#include "io/json_reader.h"

namespace slipstream::check::fuzz {
namespace {

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void image(Bytes bytes) {
  const Report report = check_image(as_text(bytes), "fuzz", {});
  text_report(report);
  html_report(report, SourceRoots({}));
  // Throws where it is no JSON.
  (void)io::JsonReader::parse(json_report(report), "report");
  (void)io::JsonReader::parse(sarif_report(report), "report");
}

void sass(Bytes bytes) {
  constexpr std::array<uint32_t, 4> kArchitectures{90, 100, 103, 120};
  if (bytes.empty()) return;
  const uint32_t architecture = kArchitectures[bytes.front() % kArchitectures.size()];
  const Bytes code = bytes.subspan(1);
  sass::Kernel kernel;
  kernel.name = "fuzz";
  kernel.text = std::as_bytes(code.first(code.size() / 16 * 16));
  kernel.parameter_base = 0x210;
  kernel.parameter_bytes = 24;
  kernel.parameters = {{0, 8}, {8, 8}, {16, 8}};
  const KernelCode analyzed(from_sass::lower(kernel, architecture), "fuzz: SASS", nullptr);
  FindingList findings;
  check_kernel({.ptx = {}, .sass = {&analyzed}}, findings);
  findings.take();
}

void ptx(Bytes bytes) {
  std::string text = ".version 9.0\n.target sm_90a\n.address_size 64\n";
  text += as_text(bytes);
  text_report(check_image(text, "fuzz.ptx", {}));
}

void archive(Bytes bytes) {
  const std::span<const std::byte> all = std::as_bytes(bytes);
  if (!code::is_archive(all)) return;
  try {
    code::DecompressionLimit limit(all.size());
    for (const code::ArchiveMember& member : code::archive_members(all, "fuzz")) {
      code::member_start(all, member, 8);
      code::member_bytes(all, member, limit);
    }
  } catch (const code::FormatError&) {
    // Refused, with a reason: that is right.
  }
}

void text(Bytes bytes) {
  try {
    parse_launches(std::string(as_text(bytes)), "fuzz");
  } catch (const LaunchesError&) {
    // Refused, with a reason: that is right.
  }
  check_source(as_text(bytes), "fuzz");
}

}  // namespace slipstream::check::fuzz
