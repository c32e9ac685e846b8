#include "emulator/runtime/race_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace slipstream::emulator::runtime {
namespace {

using nlohmann::json;

json to_json(const RaceSide& side) {
  json lines = json::array();
  for (const SourceLine& line : side.lines) {
    lines.push_back({{"file", line.file}, {"line", line.line}, {"column", line.column}});
  }
  json all = {{"action", side.action},     {"kernel", side.kernel},
              {"launch", side.launch},     {"cta", side.cta},
              {"thread", side.thread},     {"thread_known", side.thread_known},
              {"waited", side.waited},     {"is_host", side.is_host},
              {"lines", std::move(lines)}, {"instruction", side.instruction},
              {"ptx_line", side.ptx_line}};
  if (side.device.has_value()) all["device"] = *side.device;
  return all;
}

json to_json(const RaceFinding& finding) {
  return {{"process", getpid()},
          {"number", finding.number},
          {"severity", finding.severity},
          {"kind", finding.kind},
          {"class", finding.special},
          {"missing", finding.missing},
          {"first", to_json(finding.first)},
          {"second", to_json(finding.second)},
          {"allocation", finding.allocation},
          {"offset", finding.offset},
          {"count", finding.count}};
}

}  // namespace

void write_race_findings(const std::string& file, const std::vector<RaceFinding>& findings,
                         uint64_t grids) {
  std::ofstream out(file, std::ios::app | std::ios::binary);
  // Names in a program may hold any bytes; JSON may not.
  constexpr auto kReplace = json::error_handler_t::replace;
  for (const RaceFinding& finding : findings) {
    out << to_json(finding).dump(-1, ' ', false, kReplace) << '\n';
  }
  if (grids != 0) out << json{{"process", getpid()}, {"grids", grids}}.dump() << '\n';
  out.flush();
  if (!out) {
    std::fprintf(stderr, "slipstream emulator: cannot write SLIPSTREAM_EMULATOR_CHECK '%s'\n",
                 file.c_str());
  }
}

}  // namespace slipstream::emulator::runtime
