#include "engine/ranks/command.h"

#include <cstring>
#include <span>
#include <type_traits>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

class CommandWriter {
 public:
  template <class T>
  void operator()(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
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
    static_assert(std::is_trivially_copyable_v<T>);
    require(sizeof value);
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
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
void each_field(SomeCommand& command, Visit& visit) {
  visit(command.kind);
  visit(command.tokens_seen);
  visit(command.number);
  visit(command.sampling);
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
