// Messages over a TCP connection: whole, of some kind, in order.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace slipstream::engine {

struct Message {
  enum class Kind : uint8_t { kHello, kGather, kCommand, kFailure, kLeave, kAlive };
  Kind kind = Kind::kAlive;
  std::string text;
};

// Closes itself. Messages may be sent by several threads, and received by one.
class Connection {
 public:
  explicit Connection(int socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False if the other side is gone, or takes nothing for a while.
  bool send(const Message& message) noexcept;
  // What came of a wait for the next message.
  enum class Outcome : uint8_t { kMessage, kNothing, kClosed };
  // Waits up to `milliseconds` for the message to begin.
  [[nodiscard]] Outcome receive(Message& message, int milliseconds) noexcept;
  // Whoever receives, here or there, finds the connection closed.
  void shut_down() noexcept;

 private:
  [[nodiscard]] bool read(void* target, size_t bytes) noexcept;

  int socket_;
  std::mutex sending_;
};

// Where ranks meet. Rank 0 listens; throws Error naming the address where it cannot.
class Listener {
 public:
  Listener(const std::string& host, int port);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The next connection's socket; none after `milliseconds`.
  [[nodiscard]] std::optional<int> accept(int milliseconds);

 private:
  int socket_ = -1;
};

// A socket connected to host:port; none if nobody listens there (yet). Throws Error for a host that
// has no address.
[[nodiscard]] std::optional<int> connect_to(const std::string& host, int port);

}  // namespace slipstream::engine
