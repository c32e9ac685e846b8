// What the options of `slipstream generate` mean.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>

#include "cli/generate_engine.h"
#include "io/file.h"
#include "model/sampling.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kDefaultCount = 16;

bool separates(char letter) {
  return letter == ',' || letter == ' ' || letter == '\n' || letter == '\t' || letter == '\r';
}

// The word at the beginning of `text`, shortened to what a message can hold: a file that is no list
// of ids may be one long word.
std::string first_word(std::string_view text) {
  constexpr size_t kLongest = 40;
  const auto end = std::find_if(text.begin(), text.end(), separates);
  const std::string word(text.begin(), end);
  return word.size() <= kLongest ? word : word.substr(0, kLongest) + "...";
}

void check_ids(std::span<const int> ids, const std::string& source, int vocab_size) {
  const auto outside = std::ranges::find_if(ids, [&](int id) { return id >= vocab_size; });
  if (outside == ids.end()) return;
  throw InvalidArgument(fmt::format("{} must be token ids from 0 to vocab_size - 1 = {}, has {}",
                                    source, vocab_size - 1, *outside));
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
      throw InvalidArgument(fmt::format("{} must be token ids like 1,2,3, has \"{}\"", source,
                                        first_word({at, end})));
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
                             : parse_ids(io::read_file(options.prompt_file), options.prompt_file);
  if (ids.empty()) throw InvalidArgument("the prompt must have at least one token id, has none");
  return ids;
}

int token_count(const GenerateOptions& options, size_t forced) {
  if (forced == 0) return options.count.value_or(kDefaultCount);
  const int available = static_cast<int>(forced);
  if (options.count.value_or(available) > available) {
    throw InvalidArgument(fmt::format("-n must be at most the {} ids of --force-ids, is {}",
                                      available, *options.count));
  }
  return options.count.value_or(available);
}

DraftRequest drafts_of(const GenerateOptions& options) {
  if (options.drafts == "auto") return {engine::kMaxDrafts, true};
  const std::string& text = options.drafts;
  DraftRequest request;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), request.most);
  const bool is_number = error == std::errc() && stop == text.data() + text.size();
  if (is_number && request.most >= 0 && request.most <= engine::kMaxDrafts) return request;
  throw InvalidArgument(fmt::format("--drafts must be 0 to {} or auto, is {}", engine::kMaxDrafts,
                                    text.empty() ? "empty" : text));
}

model::ModelConfig read_config(const GenerateOptions& options) {
  return model::read_model_config((std::filesystem::path(options.model) / "config.json").string());
}

TokenRequest read_request(const GenerateOptions& options, const model::ModelConfig& config) {
  (void)drafts_of(options);
  TokenRequest request;
  request.prompt = read_prompt(options);
  request.forced = parse_ids(options.force_ids, "--force-ids");
  if (request.forced.empty() && !options.force_ids.empty()) {
    throw InvalidArgument("--force-ids must be at least one token id, has none");
  }
  request.count = token_count(options, request.forced.size());
  check_ids(request.prompt, options.prompt_ids.empty() ? options.prompt_file : "--prompt-ids",
            config.vocab_size);
  check_ids(request.forced, "--force-ids", config.vocab_size);
  if (request.positions() > config.max_position_embeddings) {
    throw InvalidArgument(
        fmt::format("prompt and -n must need at most max_position_embeddings = {} positions, need "
                    "{}",
                    config.max_position_embeddings, request.positions()));
  }
  model::check_sampling(sampling_of(options));
  return request;
}

}  // namespace slipstream::cli
