#include "engine/ranks/command.h"

#include <cstring>
#include <span>
#include <type_traits>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

template <class Part, class Visit>
requires std::is_same_v<std::remove_const_t<Part>, StepPart>
void each_field(Part& part, Visit& visit) {
  visit(part.sequence);
  visit(part.ids);
  visit(part.sample);
  visit(part.mask);
}

template <class Options, class Visit>
requires std::is_same_v<std::remove_const_t<Options>, SequenceOptions>
void each_field(Options& options, Visit& visit) {
  visit(options.sampling);
  visit(options.logit_bias);
  visit(options.stop_token_ids);
  visit(options.pages);
  visit(options.length);
  visit(options.given_ids);
  visit(options.sampled_ids);
}

// Structs that each_field knows.
template <class T>
constexpr bool kHasFields = std::is_same_v<T, StepPart> || std::is_same_v<T, SequenceOptions>;

class CommandWriter {
 public:
  template <class T>
  void operator()(const T& value) {
    if constexpr (kHasFields<T>) {
      each_field(value, *this);
    } else {
      static_assert(std::is_trivially_copyable_v<T>);
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }
  template <class T>
  void operator()(const std::vector<T>& values) {
    (*this)(static_cast<uint64_t>(values.size()));
    for (const T& value : values) (*this)(value);
  }

  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class CommandReader {
 public:
  explicit CommandReader(const std::string& bytes) : left_(bytes) {}

  template <class T>
  void operator()(T& value) {
    if constexpr (kHasFields<T>) {
      each_field(value, *this);
    } else {
      static_assert(std::is_trivially_copyable_v<T>);
      require(sizeof value);
      std::memcpy(&value, left_.data(), sizeof value);
      left_ = left_.subspan(sizeof value);
    }
  }
  template <class T>
  void operator()(std::vector<T>& values) {
    uint64_t size = 0;
    (*this)(size);
    require(size);  // an element has at least a byte
    values.resize(size);
    for (T& value : values) (*this)(value);
  }

  void require_end() const {
    if (!left_.empty()) fail();
  }

 private:
  void require(uint64_t bytes) const {
    if (bytes > left_.size()) fail();
  }
  [[noreturn]] static void fail() {
    throw RankError("what rank 0 sends must be a command, is something else");
  }

  std::span<const char> left_;
};

// Calls `visit` with every field.
template <class SomeCommand, class Visit>
requires std::is_same_v<std::remove_const_t<SomeCommand>, Command>
void each_field(SomeCommand& command, Visit& visit) {
  visit(command.kind);
  visit(command.tokens_seen);
  visit(command.settled_steps);
  visit(command.number);
  visit(command.options);
  visit(command.parts);
  visit(command.sequences);
  visit(command.ids);
  visit(command.hidden);
  visit(command.lists);
}

}  // namespace

std::string encode(const Command& command) {
  CommandWriter writer;
  each_field(command, writer);
  return writer.take();
}

Command decode_command(const std::string& bytes) {
  Command command;
  CommandReader reader(bytes);
  each_field(command, reader);
  reader.require_end();
  return command;
}

}  // namespace slipstream::engine
