// What an Engine does: asks its rank, and where there are several has the others do the same.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/rank_engine.h"
#include "engine/ranks/command.h"
#include "engine/ranks/meeting.h"
#include "slipstream/engine.h"

namespace slipstream::engine {

class Engine::Impl {
 public:
  Impl(const std::string& directory, const LoadOptions& options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const RankEngine& rank() const { return *rank_; }
  [[nodiscard]] RankEngine& rank() { return *rank_; }
  [[nodiscard]] int rank_number() const { return meeting_ == nullptr ? 0 : meeting_->rank(); }

  SequenceId create_sequence(const SequenceOptions& options);
  void free(SequenceId sequence);
  [[nodiscard]] int64_t length(SequenceId sequence);
  int prefill(SequenceId sequence, std::span<const int> ids);
  void run(std::span<const SequenceId> sequences, int count,
           const std::function<bool(std::span<const int>)>& on_tokens);
  void append_pages(SequenceId sequence, std::span<const int> pages);
  Ticket enqueue(std::span<const StepPart> parts);
  // By any thread, also while another one is in a call.
  std::vector<StepToken> wait(Ticket ticket);
  void force(SequenceId sequence, int token);
  std::vector<float> logits(SequenceId sequence);
  LayerResult run_layer(int layer, std::span<const float> hidden, std::span<const IndexList> lists);
  void follow();

 private:
  void start_threads(const std::string& directory, const LoadOptions& options);
  // Open, and on the rank that is asked.
  void require_open() const;
  void require_usable() const;
  // Runs `call`. An error of device or ranks closes the engine: on all ranks.
  template <class Call>
  auto guarded(const Call& call);
  // The same after the other ranks have been told to do it, too.
  template <class Call>
  auto conducted(Command command, const Call& call);
  void tell_others(Command command) const;
  void close(const std::exception& error) noexcept;

  std::unique_ptr<Meeting> meeting_;  // of several ranks
  std::vector<std::thread> threads_;  // of the other ranks, where they are threads
  int device_ = 0;
  std::unique_ptr<RankEngine> rank_;
  mutable std::mutex closing_;  // of closed_, which the thread that waits may set
  std::string closed_;          // why; empty while it is open
  bool in_call_ = false;
  bool followed_to_the_end_ = false;
};

}  // namespace slipstream::engine
