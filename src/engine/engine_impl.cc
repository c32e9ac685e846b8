#include "engine/engine_impl.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>

#include "engine/follower.h"
#include "engine/load_options.h"
#include "engine/ranks/process_meeting.h"
#include "engine/ranks/thread_meeting.h"
#include "io/log.h"
#include "pdl/device.h"

namespace slipstream::engine {
namespace {

std::vector<int64_t> numbers_of(std::span<const SequenceId> sequences) {
  std::vector<int64_t> result;
  for (const SequenceId sequence : sequences) result.push_back(static_cast<int64_t>(sequence));
  return result;
}

Command command_for(Command::Kind kind, std::span<const SequenceId> sequences) {
  Command command;
  command.kind = kind;
  command.sequences = numbers_of(sequences);
  return command;
}

Command command_with_number(Command::Kind kind, int64_t number) {
  Command command;
  command.kind = kind;
  command.number = number;
  return command;
}

ProcessPlace place_of(const LoadOptions& options) {
  const RankProcess& process = *options.ranks.process;
  ProcessPlace place;
  place.rank = process.rank;
  place.ranks = options.ranks.count;
  place.host = process.host;
  place.port = process.port;
  place.silence = std::chrono::milliseconds(static_cast<int64_t>(options.poll_limit * 1000)) +
                  std::chrono::seconds(2);
  return place;
}

double seconds_since(Meter::Clock::time_point begin) {
  return std::chrono::duration<double>(Meter::Clock::now() - begin).count();
}

io::LogSubject subject_of(SequenceId sequence) {
  return {.rank = 0, .sequence = static_cast<int64_t>(sequence)};
}

uint64_t given_tokens(std::span<const StepPart> parts) {
  uint64_t sum = 0;
  for (const StepPart& part : parts) {
    sum += std::ranges::count_if(part.ids, [](int id) { return id != kLastSampled; });
  }
  return sum;
}

uint64_t sampled_tokens(std::span<const StepToken> tokens) {
  return std::ranges::count_if(tokens, [](const StepToken& token) { return token.token >= 0; });
}

}  // namespace

template <class Call>
auto Engine::Impl::guarded(const Call& call) {
  require_usable();
  const pdl::CurrentDevice device(device_);
  in_call_ = true;
  struct Leaving {
    bool& flag;
    ~Leaving() { flag = false; }
  } leaving{in_call_};
  try {
    rank_->settle();
    const struct Noting {
      Impl& impl;
      ~Noting() { impl.note_state(); }
    } noting{*this};
    return call();
  } catch (const InvalidArgument&) {
    meter_.refused();
    throw;
  } catch (const Canceled&) {
    throw;
  } catch (const std::exception& error) {
    close(error);
    throw;
  }
}

template <class Call>
auto Engine::Impl::conducted(Command command, const Call& call) {
  return guarded([&] {
    tell_others(std::move(command));
    return call();
  });
}

Engine::Impl::Impl(const std::string& directory, const LoadOptions& options) {
  check_load_options(options);
  io::require_known_log_level();
  const auto begin = Meter::Clock::now();
  const Ranks& ranks = options.ranks;
  device_ = ranks.process ? ranks.process->device : ranks.count > 1 ? 0 : pdl::current_device();
  const pdl::CurrentDevice device(device_);
  if (ranks.count > 1 && ranks.process) meeting_ = meet_processes(place_of(options));
  if (ranks.count > 1 && !ranks.process) start_threads(directory, options);
  try {
    rank_ = std::make_unique<RankEngine>(directory, options, meeting_.get());
  } catch (const std::exception& error) {
    close(error);
    for (std::thread& thread : threads_) thread.join();
    throw;
  }
  if (meeting_ == nullptr) rank_->cancel_where([this] { return take_cancel(); });
  note_state();
  const MemoryUse memory = rank_->memory_use();
  io::log(LogLevel::kInfo, {.rank = rank_number()},
          "loaded {}: {} bytes of weights, {} of caches, {} of workspace, in {:.1f} s", directory,
          memory.weight_bytes, memory.cache_bytes, memory.workspace_bytes, seconds_since(begin));
}

Engine::Impl::~Impl() {
  if (meeting_ != nullptr && closed_.empty()) {
    if (meeting_->rank() != 0) {
      if (!followed_to_the_end_) {
        close(RankError(fmt::format("rank {} has left", meeting_->rank())));
      }
    } else {
      try {
        meeting_->send(encode(command_with_number(Command::Kind::kStop, 0)));
      } catch (const std::exception& error) {
        close(error);
      }
    }
  }
  int before = 0;
  (void)cudaGetDevice(&before);
  (void)cudaSetDevice(device_);
  RankEngine::end(std::move(rank_));
  (void)cudaSetDevice(before);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Engine::Impl::start_threads(const std::string& directory, const LoadOptions& options) {
  std::vector<std::unique_ptr<Meeting>> meetings = make_thread_meetings(options.ranks.count);
  meeting_ = std::move(meetings.front());
  for (size_t rank = 1; rank < meetings.size(); ++rank) {
    threads_.emplace_back([directory, options, meeting = std::move(meetings[rank])] {
      run_follower(directory, options, *meeting);
    });
  }
}

void Engine::Impl::require_open() const {
  {
    const std::scoped_lock lock(closing_);
    if (!closed_.empty()) throw Error("the engine is closed, for: " + closed_);
  }
  if (rank_number() != 0) {
    throw InvalidArgument(
        fmt::format("an engine must be asked on rank 0, is on rank {}, which can only follow()",
                    rank_number()));
  }
}

void Engine::Impl::require_usable() const {
  require_open();
  if (in_call_) throw InvalidArgument("an engine must not be called from its own on_tokens");
}

void Engine::Impl::tell_others(Command command) const {
  if (meeting_ == nullptr) return;
  command.settled_steps = rank_->settled_steps();
  command.tokens_seen = rank_->tokens_seen();
  meeting_->send(encode(command));
}

void Engine::Impl::close(const std::exception& error) noexcept {
  if (meeting_ != nullptr) fail_for(*meeting_, error);
  const std::scoped_lock lock(closing_);
  if (!closed_.empty()) return;
  closed_ = error.what();
  if (closed_.empty()) closed_ = "an error without text";
  meter_.failed(error);
  io::log(LogLevel::kError, {.rank = rank_number()}, "the engine is closed, for: {}", closed_);
}

void Engine::Impl::note_state() {
  const Sequences& sequences = rank_->sequences();
  meter_.set_state({.sequences = sequences.living(),
                    .cache_pages = rank_->cache_pages(),
                    .cache_pages_in_use = sequences.pages_in_use()});
}

void Engine::Impl::note_canceled(const char* call) {
  meter_.canceled();
  io::log(LogLevel::kWarning, {.rank = rank_number()}, "{} was canceled", call);
}

SequenceId Engine::Impl::create_sequence(const SequenceOptions& options) {
  Command command = command_for(Command::Kind::kCreate, {});
  command.options = options;
  const SequenceId id =
      conducted(std::move(command), [&] { return rank_->create_sequence(options); });
  io::log(LogLevel::kDebug, subject_of(id), "created");
  return id;
}

void Engine::Impl::free(SequenceId sequence) {
  conducted(command_for(Command::Kind::kFree, {&sequence, 1}), [&] { rank_->free(sequence); });
  io::log(LogLevel::kDebug, subject_of(sequence), "freed");
}

int64_t Engine::Impl::length(SequenceId sequence) {
  return guarded([&] { return rank_->length(sequence); });
}

int Engine::Impl::prefill(SequenceId sequence, std::span<const int> ids) {
  Command command = command_for(Command::Kind::kPrefill, {&sequence, 1});
  command.ids.assign(ids.begin(), ids.end());
  const auto begin = Meter::Clock::now();
  try {
    const int token = conducted(std::move(command), [&] { return rank_->prefill(sequence, ids); });
    const double seconds = seconds_since(begin);
    meter_.prefilled(ids.size(), (ids.size() + kMaxStepTokens - 1) / kMaxStepTokens, seconds);
    io::log(LogLevel::kDebug, subject_of(sequence), "prefilled {} tokens in {:.1f} ms", ids.size(),
            seconds * 1e3);
    return token;
  } catch (const Canceled&) {
    note_canceled("prefill");
    throw;
  }
}

void Engine::Impl::append_pages(SequenceId sequence, std::span<const int> pages) {
  Command command = command_for(Command::Kind::kAppendPages, {&sequence, 1});
  command.ids.assign(pages.begin(), pages.end());
  conducted(std::move(command), [&] { rank_->append_pages(sequence, pages); });
}

Ticket Engine::Impl::enqueue(std::span<const StepPart> parts) {
  Command command = command_for(Command::Kind::kEnqueue, {});
  if (meeting_ != nullptr) command.parts.assign(parts.begin(), parts.end());
  const Ticket ticket = conducted(std::move(command), [&] {
    const Ticket enqueued = rank_->enqueue(parts);
    meter_.step_enqueued();
    return enqueued;
  });
  meter_.prompt_tokens_enqueued(given_tokens(parts));
  return ticket;
}

std::vector<StepToken> Engine::Impl::wait(Ticket ticket) {
  require_open();
  const pdl::CurrentDevice device(device_);
  try {
    std::vector<StepToken> tokens = rank_->wait(ticket);
    meter_.step_arrived();
    meter_.handed_out(sampled_tokens(tokens));
    return tokens;
  } catch (const InvalidArgument&) {
    meter_.refused();
    throw;
  } catch (const std::exception& error) {
    close(error);
    throw;
  }
}

void Engine::Impl::force(SequenceId sequence, int token) {
  Command command = command_for(Command::Kind::kForce, {&sequence, 1});
  command.ids = {token};
  conducted(std::move(command), [&] { rank_->force(sequence, token); });
}

std::vector<float> Engine::Impl::logits(SequenceId sequence) {
  return conducted(command_for(Command::Kind::kLogits, {&sequence, 1}), [&] {
    std::vector<float> part = rank_->logits(sequence);
    std::vector<float> all = meeting_ == nullptr ? part : gather_logits(*meeting_, part);
    const uint64_t nonfinite =
        std::ranges::count_if(all, [](float value) { return !std::isfinite(value); });
    meter_.looked_at(all, nonfinite);
    if (nonfinite > 0) {
      io::log(LogLevel::kWarning, subject_of(sequence), "{} of {} logits are NaN or infinite",
              nonfinite, all.size());
    }
    return all;
  });
}

LayerResult Engine::Impl::run_layer(int layer, std::span<const float> hidden,
                                    std::span<const IndexList> lists) {
  Command command = command_with_number(Command::Kind::kRunLayer, layer);
  command.hidden.assign(hidden.begin(), hidden.end());
  command.lists.assign(lists.begin(), lists.end());
  return conducted(std::move(command), [&] { return rank_->run_layer(layer, hidden, lists); });
}

void Engine::Impl::run(std::span<const SequenceId> sequences, int count,
                       const std::function<bool(std::span<const int>)>& on_tokens) {
  if (!on_tokens) throw InvalidArgument("on_tokens must be a function, is empty");
  std::exception_ptr thrown_to_caller;
  Command begin = command_for(Command::Kind::kBeginRun, sequences);
  begin.number = count;
  conducted(std::move(begin), [&] {
    rank_->begin_run(sequences, count);
    int delivered = 0;
    bool wanted = true;
    const auto deliver = [&] {
      ++delivered;
      try {
        if (take_cancel()) throw Canceled("the run was canceled");
        const std::span<const int> tokens = rank_->next_round();
        meter_.handed_out(tokens.size());
        wanted = on_tokens(tokens) && delivered < count;
      } catch (...) {
        thrown_to_caller = std::current_exception();
        delivered = 0;
        wanted = false;
      }
    };
    while (wanted && rank_->has_round()) deliver();
    while (wanted) {
      if (std::optional<RunStep> next = rank_->next_step()) {
        Command step = command_with_number(Command::Kind::kStep, next->shape.drafts);
        step.ids = {rank_->received_steps()};
        tell_others(std::move(step));
        rank_->enqueue_step(std::move(*next));
        meter_.step_enqueued();
        continue;
      }
      rank_->receive_step();
      meter_.step_arrived();
      while (wanted && rank_->has_round()) deliver();
    }
    Command end = command_with_number(Command::Kind::kEndRun, delivered);
    end.ids = {rank_->received_steps()};
    tell_others(std::move(end));
    rank_->end_run(delivered, rank_->received_steps());
    meter_.forget_steps();
  });
  if (!thrown_to_caller) return;
  try {
    std::rethrow_exception(thrown_to_caller);
  } catch (const Canceled&) {
    note_canceled("a run");
    throw;
  }
}

void Engine::Impl::follow() {
  if (rank_number() == 0) {
    throw InvalidArgument(
        "follow() is for the processes of other ranks than 0, is called on rank 0");
  }
  if (!closed_.empty()) throw Error("the engine is closed, for: " + closed_);
  const pdl::CurrentDevice device(device_);
  try {
    follow_rank_0(*rank_, *meeting_);
    followed_to_the_end_ = true;
  } catch (const std::exception& error) {
    close(error);
    throw;
  }
}

}  // namespace slipstream::engine
