#include "engine/load_options.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>

#include "pdl/device.h"
#include "step/kernels/support/step_row.h"
#include "step/windows.h"

namespace slipstream::engine {
namespace {

static_assert(kMaxRanks == step::kMaxRanks, "the public limit is that of the windows");
static_assert(kMaxDrafts == step::kernels::kMaxDrafts, "the public limit is that of the kernels");

void check_stream(const LoadOptions& options) {
  const cudaStream_t stream = options.stream;
  if (options.ranks.count > 1) {
    if (stream == nullptr) return;
    throw InvalidArgument("stream must be null with several ranks, each of which makes its own");
  }
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
    throw InvalidArgument("stream must be one made by cudaStreamCreate, is a default stream");
  }
  unsigned flags = 0;
  const cudaError_t code = cudaStreamGetFlags(stream, &flags);
  if (code == cudaSuccess) return;
  (void)cudaGetLastError();
  throw InvalidArgument(fmt::format("stream must be one made by cudaStreamCreate, is not: {}",
                                    cudaGetErrorString(code)));
}

void check_ranks(const LoadOptions& options) {
  const Ranks& ranks = options.ranks;
  if (ranks.count < 1 || ranks.count > kMaxRanks) {
    throw InvalidArgument(fmt::format("ranks must be 1 to {}, are {}", kMaxRanks, ranks.count));
  }
  if (ranks.count > 1 && options.tp != 1) {
    throw InvalidArgument(fmt::format("tp must be 1 with several ranks, is {}", options.tp));
  }
  if (!(options.poll_limit >= 0.001 && options.poll_limit <= 3600)) {
    throw InvalidArgument(
        fmt::format("poll_limit must be from 0.001 to 3600 seconds, is {}", options.poll_limit));
  }
  if (ranks.count == 1) return;
  const int devices = pdl::device_count();
  if (ranks.process) {
    const RankProcess& process = *ranks.process;
    if (process.rank < 0 || process.rank >= ranks.count) {
      throw InvalidArgument(
          fmt::format("rank must be from 0 to {}, is {}", ranks.count - 1, process.rank));
    }
    if (process.device >= 0 && process.device < devices) return;
    throw InvalidArgument(fmt::format("device must be one of the {} that this process sees, is {}",
                                      devices, process.device));
  }
  if (ranks.count > devices) {
    throw InvalidArgument(
        fmt::format("ranks must have a GPU each, are {} with {} GPUs", ranks.count, devices));
  }
  for (int a = 0; a < ranks.count; ++a) {
    for (int b = 0; b < ranks.count; ++b) {
      int reaches = 1;
      if (a != b) check_cuda(cudaDeviceCanAccessPeer(&reaches, a, b), "cudaDeviceCanAccessPeer");
      if (reaches != 0) continue;
      throw InvalidArgument(fmt::format(
          "GPUs of several ranks must reach each other's memory, but {} does not reach {}", a, b));
    }
  }
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int number_from(const char* name, int least, int most) {
  const std::string text = variable(name);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size() &&
      number >= least && number <= most) {
    return number;
  }
  throw InvalidArgument(fmt::format("{} must be a number from {} to {}, is {}", name, least, most,
                                    text.empty() ? "not set" : "\"" + text + "\""));
}

}  // namespace

void check_load_options(const LoadOptions& options) {
  check_ranks(options);
  check_stream(options);
  check_sizes(options);
}

void check_sizes(const LoadOptions& options) {
  if (options.kv_format != KvFormat::kBf16 && options.kv_format != KvFormat::kFp8) {
    throw InvalidArgument(
        fmt::format("kv_format must be kBf16 or kFp8, is {}", static_cast<int>(options.kv_format)));
  }
  constexpr int64_t kMaxCacheTokens = int64_t{1} << 31;  // its slots are counted in int
  if (options.cache_tokens < 1 || options.cache_tokens > kMaxCacheTokens) {
    throw InvalidArgument(fmt::format("cache_tokens must be from 1 to {}, is {}", kMaxCacheTokens,
                                      options.cache_tokens));
  }
  constexpr int kMaxSequences = 1 << 20;
  if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
    throw InvalidArgument(fmt::format("max_sequences must be from 1 to {}, is {}", kMaxSequences,
                                      options.max_sequences));
  }
  constexpr int kMaxAdjusted = 1 << 10;  // words of their histories are counted in int
  if (options.max_adjusted_sequences < 0 || options.max_adjusted_sequences > kMaxAdjusted) {
    throw InvalidArgument(fmt::format("max_adjusted_sequences must be from 0 to {}, is {}",
                                      kMaxAdjusted, options.max_adjusted_sequences));
  }
  if (options.step_limit != 0 && !(options.step_limit >= 0.001 && options.step_limit <= 86400)) {
    throw InvalidArgument(fmt::format("step_limit must be from 0.001 to 86400 seconds, or 0, is {}",
                                      options.step_limit));
  }
  if (options.drafts < 0 || options.drafts > kMaxDrafts) {
    throw InvalidArgument(
        fmt::format("drafts must be from 0 to {}, are {}", kMaxDrafts, options.drafts));
  }
  if (options.drafts > 0 && options.ranks.count == 1 && options.tp > 1) {
    throw InvalidArgument(
        fmt::format("drafts must be 0 for the share of one rank of {} alone, are {}", options.tp,
                    options.drafts));
  }
  if (options.drafts > 0 && options.trace_launches) {
    throw InvalidArgument(
        fmt::format("drafts must be 0 with trace_launches, are {}", options.drafts));
  }
  if (options.lora_norm_eps && !(*options.lora_norm_eps > 0 && *options.lora_norm_eps < 1)) {
    throw InvalidArgument(
        fmt::format("lora_norm_eps must be between 0 and 1, is {}", *options.lora_norm_eps));
  }
}

std::optional<Ranks> Ranks::from_environment() {
  if (variable("WORLD_SIZE").empty()) return std::nullopt;
  Ranks ranks;
  ranks.count = number_from("WORLD_SIZE", 1, kMaxRanks);
  if (ranks.count == 1) return std::nullopt;
  RankProcess process;
  process.rank = number_from("RANK", 0, ranks.count - 1);
  process.device = number_from("LOCAL_RANK", 0, 1023);
  process.host = variable("MASTER_ADDR");
  if (process.host.empty()) {
    throw InvalidArgument("MASTER_ADDR must be the address of rank 0's machine, is not set");
  }
  process.port = number_from("MASTER_PORT", 1, 65534) + 1;
  ranks.process = process;
  return ranks;
}

}  // namespace slipstream::engine
