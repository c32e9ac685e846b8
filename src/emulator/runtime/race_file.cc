#include "emulator/runtime/race_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "io/json_writer.h"

namespace slipstream::emulator::runtime {
namespace {

using io::Json;

Json to_json(const RaceSide& side) {
  Json lines = Json::array();
  for (const SourceLine& line : side.lines) {
    lines.push_back({{"file", line.file}, {"line", line.line}, {"column", line.column}});
  }
  Json all = {{"action", side.action},
              {"kernel", side.kernel},
              {"launch", side.launch},
              {"cta", Json::array_of(side.cta)},
              {"thread", Json::array_of(side.thread)},
              {"thread_known", side.thread_known},
              {"waited", side.waited},
              {"is_host", side.is_host},
              {"lines", std::move(lines)},
              {"instruction", side.instruction},
              {"ptx_line", side.ptx_line}};
  if (side.device.has_value()) all["device"] = *side.device;
  return all;
}

Json to_json(const RaceFinding& finding) {
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
  for (const RaceFinding& finding : findings) out << to_json(finding).text() << '\n';
  if (grids != 0) out << Json{{"process", getpid()}, {"grids", grids}}.text() << '\n';
  out.flush();
  if (!out) {
    std::fprintf(stderr, "slipstream emulator: cannot write SLIPSTREAM_EMULATOR_CHECK '%s'\n",
                 file.c_str());
  }
}

}  // namespace slipstream::emulator::runtime
