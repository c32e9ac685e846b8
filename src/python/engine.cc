// slipstream/engine.h for Python. Defaults and names of arguments are the business of python/slipstream/engine.py; here
// sequences are integers and options a dictionary.
#include "slipstream/engine.h"

#include <fmt/format.h>
#include <tvm/ffi/tvm_ffi.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "python/call.h"
#include "python/engine_handle.h"
#include "python/export.h"
#include "python/named_options.h"
#include "python/sequence_options.h"

namespace slipstream::python {
namespace {

using engine::Engine;
using engine::SequenceId;
using tvm::ffi::Function;
using tvm::ffi::TensorView;

// Calls `body` with the engine of `handle`.
template <class Body>
auto with_engine(const EngineHandle& handle, Body&& body) {
  return with_python_errors([&] { return handle->use(std::forward<Body>(body)); });
}

std::vector<SequenceId> to_sequences(const Integers& ids) {
  std::vector<SequenceId> result;
  for (const int64_t id : ids) result.push_back(SequenceId{id});
  return result;
}

Integers to_integers(std::span<const int> values) {
  Integers result;
  for (const int value : values) result.push_back(value);
  return result;
}

engine::Ranks ranks_of(NamedOptions& options) {
  int count = 1;
  bool from_environment = false;
  std::string host;
  options.read("ranks", count);
  options.read("ranks_from_environment", from_environment);
  options.read("rank_host", host);
  if (from_environment) return engine::Ranks::from_environment().value_or(engine::Ranks{});
  if (host.empty()) return engine::Ranks::threads(count);
  engine::RankProcess process{.host = host};
  options.read("rank", process.rank);
  options.read("rank_device", process.device);
  options.read("rank_port", process.port);
  return {count, process};
}

engine::KvFormat kv_format_of(NamedOptions& options) {
  std::string name = "bf16";
  options.read("kv_format", name);
  if (name == "bf16") return engine::KvFormat::kBf16;
  if (name == "fp8") return engine::KvFormat::kFp8;
  throw InvalidArgument(fmt::format("load: kv_format must be bf16 or fp8, is {}", name));
}

engine::LoadOptions load_options_of(const OptionMap& given) {
  NamedOptions options("load", given);
  engine::LoadOptions result;
  result.ranks = ranks_of(options);
  result.kv_format = kv_format_of(options);
  options.read("cache_tokens", result.cache_tokens);
  options.read("max_sequences", result.max_sequences);
  options.read("max_adjusted_sequences", result.max_adjusted_sequences);
  options.read("external_pages", result.external_pages);
  options.read("drafts", result.drafts);
  options.read("adaptive_drafts", result.adaptive_drafts);
  options.read("fp8_draft_head", result.fp8_draft_head);
  options.read("index_hadamard", result.index_hadamard);
  options.read("poll_limit", result.poll_limit);
  options.read("step_limit", result.step_limit);
  options.read("trace_launches", result.trace_launches);
  options.read("lora_norm_eps", result.lora_norm_eps);
  options.read("graphs", result.graphs);
  if (const auto report = options.find<Function>("on_progress", "a function")) {
    result.on_progress = [report = *report](const engine::LoadProgress& progress) {
      report(progress.rank, progress.bytes, progress.total_bytes, progress.seconds);
    };
  }
  return result;
}

EngineHandle engine_load(const tvm::ffi::String& directory, const OptionMap& options) {
  return with_python_errors([&] {
    return EngineHandle(
        tvm::ffi::make_object<EngineObject>(std::string(directory), load_options_of(options)));
  });
}

void set_memory(OptionMap& facts, const engine::MemoryUse& memory) {
  facts.Set("weight_bytes", memory.weight_bytes);
  facts.Set("cache_bytes", memory.cache_bytes);
  facts.Set("workspace_bytes", memory.workspace_bytes);
}

OptionMap engine_plan(const tvm::ffi::String& directory, const OptionMap& options) {
  return with_python_errors([&] {
    OptionMap facts;
    set_memory(facts, Engine::plan(std::string(directory), load_options_of(options)));
    return facts;
  });
}

// Bytes of the current device: free ones, and all.
Integers device_memory() {
  return with_python_errors([&] {
    size_t free = 0;
    size_t total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return Integers{static_cast<int64_t>(free), static_cast<int64_t>(total)};
  });
}

void engine_close(const EngineHandle& handle) {
  with_python_errors([&] { handle->close(); });
}

// What stays the same as long as the engine lives.
OptionMap engine_facts(const EngineHandle& handle) {
  return with_engine(handle, [](Engine& engine) {
    OptionMap facts;
    facts.Set("vocab_size", engine.vocab_size());
    facts.Set("num_hidden_layers", engine.num_hidden_layers());
    facts.Set("hidden_size", engine.hidden_size());
    facts.Set("max_position_embeddings", engine.max_position_embeddings());
    facts.Set("eos_token_ids", to_integers(engine.eos_token_ids()));
    facts.Set("rank", engine.rank());
    set_memory(facts, engine.memory_use());
    return facts;
  });
}

OptionMap engine_draft_statistics(const EngineHandle& handle) {
  return with_engine(handle, [](Engine& engine) {
    const engine::DraftStatistics statistics = engine.draft_statistics();
    OptionMap result;
    result.Set("steps", statistics.steps);
    result.Set("tokens", statistics.tokens);
    result.Set("checked", Integers(statistics.checked.begin(), statistics.checked.end()));
    result.Set("accepted", Integers(statistics.accepted.begin(), statistics.accepted.end()));
    return result;
  });
}

void engine_follow(const EngineHandle& handle) {
  with_engine(handle, [](Engine& engine) { engine.follow(); });
}

int64_t engine_create_sequence(const EngineHandle& handle, const OptionMap& options) {
  return with_engine(handle, [&](Engine& engine) {
    return static_cast<int64_t>(engine.create_sequence(sequence_options_of(options)));
  });
}

void engine_free(const EngineHandle& handle, int64_t sequence) {
  with_engine(handle, [&](Engine& engine) { engine.free(SequenceId{sequence}); });
}

int64_t engine_length(const EngineHandle& handle, int64_t sequence) {
  return with_engine(handle, [&](Engine& engine) { return engine.length(SequenceId{sequence}); });
}

int64_t engine_prefill(const EngineHandle& handle, int64_t sequence, const Integers& ids) {
  return with_engine(handle, [&](Engine& engine) -> int64_t {
    return engine.prefill(SequenceId{sequence}, to_ints("prefill: ids", ids));
  });
}

Integers engine_step(const EngineHandle& handle, const Integers& sequences) {
  return with_engine(
      handle, [&](Engine& engine) { return to_integers(engine.step(to_sequences(sequences))); });
}

// `on_tokens` answers false to stop; anything else goes on.
void engine_run(const EngineHandle& handle, const Integers& sequences, int64_t count,
                const Function& on_tokens) {
  with_engine(handle, [&](Engine& engine) {
    engine.run(to_sequences(sequences), to_int("run: count", count),
               [&](std::span<const int> tokens) {
                 const tvm::ffi::Any answer = on_tokens(to_integers(tokens));
                 return answer.try_cast<bool>().value_or(true);
               });
  });
}

void engine_force(const EngineHandle& handle, int64_t sequence, int64_t token) {
  with_engine(handle, [&](Engine& engine) {
    engine.force(SequenceId{sequence}, to_int("force: token", token));
  });
}

// Into `result`, fp32 [vocab_size] of the host.
void engine_logits(const EngineHandle& handle, int64_t sequence, const TensorView& result) {
  with_engine(handle, [&](Engine& engine) {
    const std::vector<float> logits = engine.logits(SequenceId{sequence});
    if (result.ndim() != 1 || result.size(0) != static_cast<int64_t>(logits.size())) {
      throw InvalidArgument(fmt::format("logits: result must be [{}]", logits.size()));
    }
    std::copy(logits.begin(), logits.end(), static_cast<float*>(result.data_ptr()));
  });
}

}  // namespace

SLIPSTREAM_EXPORT(device_memory, device_memory)
SLIPSTREAM_EXPORT(engine_plan, engine_plan)
SLIPSTREAM_EXPORT(engine_load, engine_load)
SLIPSTREAM_EXPORT(engine_close, engine_close)
SLIPSTREAM_EXPORT(engine_facts, engine_facts)
SLIPSTREAM_EXPORT(engine_draft_statistics, engine_draft_statistics)
SLIPSTREAM_EXPORT(engine_follow, engine_follow)
SLIPSTREAM_EXPORT(engine_create_sequence, engine_create_sequence)
SLIPSTREAM_EXPORT(engine_free, engine_free)
SLIPSTREAM_EXPORT(engine_length, engine_length)
SLIPSTREAM_EXPORT(engine_prefill, engine_prefill)
SLIPSTREAM_EXPORT(engine_step, engine_step)
SLIPSTREAM_EXPORT(engine_run, engine_run)
SLIPSTREAM_EXPORT(engine_force, engine_force)
SLIPSTREAM_EXPORT(engine_logits, engine_logits)

}  // namespace slipstream::python
