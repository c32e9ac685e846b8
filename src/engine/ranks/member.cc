#include "engine/ranks/member.h"

#include <fmt/core.h>

#include <thread>

#include "pdl/device.h"

namespace slipstream::engine {
namespace {

std::string place_of_poll(const step::PollRecord& record, int layers) {
  using namespace step::kernels;
  if (record.exchange == kSampling) return fmt::format("sampling, round {}", record.round);
  if (record.exchange == kGathering) return "the start of a draft";
  const int layer = record.exchange / 2;
  return fmt::format("exchange {}: after {} of {}", record.exchange,
                     record.exchange % 2 == 0 ? "attention" : "the MLP",
                     layer < layers ? fmt::format("layer {}", layer)
                                    : fmt::format("draft {}", layer - layers + 1));
}

}  // namespace

RankMember::RankMember(Meeting& meeting, const model::ModelConfig& config,
                       double poll_limit_seconds)
    : meeting_(meeting),
      config_(config),
      poll_limit_seconds_(poll_limit_seconds),
      device_(pdl::current_device()),
      window_(Nccl::get(), meeting, step::window_bytes(config, meeting.ranks())),
      exchange_(window_.windows(), config, record_.on_device(),
                static_cast<uint64_t>(poll_limit_seconds * 1e9)) {
  clear();
  meeting_.on_failure([this] { stop_waiting(); });
}

RankMember::~RankMember() {
  meeting_.on_failure({});
  meeting_.leave();
}

void RankMember::require_all_alive() {
  const step::PollRecord record = record_.read();
  if (record.happened != 0) {
    // What others said before goes first: this poll may only have been given up for it.
    meeting_.fail(fmt::format("rank {} heard nothing from rank {} for {} s (step {}, {}, token {})",
                              meeting_.rank(), step::silent_rank(record, config_, meeting_.ranks()),
                              poll_limit_seconds_, record.step,
                              place_of_poll(record, config_.num_hidden_layers), record.token));
  }
  const std::string failure = meeting_.failure();
  if (!failure.empty()) throw RankError(failure);
}

void RankMember::meet() { (void)meeting_.gather(""); }

void RankMember::clear() {
  agree(&meeting_, [&] { step::clear_window(windows(), config_, stream_.get()); });
}

void RankMember::stop_waiting() noexcept {
  // On a thread of its own, so that nobody's current device changes.
  std::thread([this] {
    try {
      check_cuda(cudaSetDevice(device_), "cudaSetDevice");
      step::break_polls(windows(), stream_.get());
    } catch (const std::exception&) {
      // The device is lost, and with it whatever waits there.
    }
  }).join();
}

}  // namespace slipstream::engine
