// What the options of `slipstream generate` mean.

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "cli/generate.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kDefaultCount = 16;

std::string read_file(const std::string& path) {
  std::ostringstream text;
  const std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InvalidArgument(fmt::format("{}: must be a readable file", path));
  text << stream.rdbuf();
  return text.str();
}

bool separates(char letter) {
  return letter == ',' || letter == ' ' || letter == '\n' || letter == '\t' || letter == '\r';
}

}  // namespace

std::vector<int> parse_ids(const std::string& text, const std::string& source) {
  std::vector<int> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    while (at != end && separates(*at)) ++at;
    if (at == end) return ids;
    int id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (stop != end && !separates(*stop))) {
      const char* word_end = at;
      while (word_end != end && !separates(*word_end)) ++word_end;
      throw InvalidArgument(fmt::format("{} must be token ids like 1,2,3, has \"{}\"", source,
                                        std::string(at, word_end)));
    }
    ids.push_back(id);
    at = stop;
  }
}

std::vector<int> read_prompt(const GenerateOptions& options) {
  if (options.prompt_ids.empty() == options.prompt_file.empty()) {
    throw InvalidArgument("one of --prompt-ids and --prompt-file must be given");
  }
  const bool inline_ids = !options.prompt_ids.empty();
  std::vector<int> ids = inline_ids
                             ? parse_ids(options.prompt_ids, "--prompt-ids")
                             : parse_ids(read_file(options.prompt_file), options.prompt_file);
  if (ids.empty()) throw InvalidArgument("the prompt must have at least one token id, has none");
  return ids;
}

int token_count(const GenerateOptions& options, std::size_t forced) {
  if (forced == 0) return options.count.value_or(kDefaultCount);
  const int available = static_cast<int>(forced);
  if (options.count.value_or(available) > available) {
    throw InvalidArgument(fmt::format("-n must be at most the {} ids of --force-ids, is {}",
                                      available, *options.count));
  }
  return options.count.value_or(available);
}

}  // namespace slipstream::cli
