#include "engine/ranks/connection.h"

#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

constexpr uint32_t kMagic = 0x50494c53;            // "SLIP": whoever else connects is turned away
constexpr uint32_t kMaxBytes = uint32_t{1} << 30;  // of a message
constexpr timeval kPatience{10, 0};                // for a side that stops in a message

struct Head {
  uint32_t magic;
  uint32_t kind;
  uint32_t bytes;
};

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

std::unique_ptr<addrinfo, FreeAddresses> addresses_of(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (code != 0) {
    throw Error(fmt::format("MASTER_ADDR must be the address of rank 0's machine, is {}: {}", host,
                            gai_strerror(code)));
  }
  return std::unique_ptr<addrinfo, FreeAddresses>(list);
}

int open_socket(const addrinfo& address) {
  return socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
}

bool is_readable(int socket, int milliseconds) {
  pollfd waiting{socket, POLLIN, 0};
  return poll(&waiting, 1, milliseconds) > 0;
}

// Where nobody listens at a port of this machine, a socket that happens to get that port for itself
// is connected to itself.
bool is_its_own_peer(int socket) {
  sockaddr_storage here{};
  sockaddr_storage there{};
  socklen_t here_bytes = sizeof here;
  socklen_t there_bytes = sizeof there;
  return getsockname(socket, reinterpret_cast<sockaddr*>(&here), &here_bytes) == 0 &&
         getpeername(socket, reinterpret_cast<sockaddr*>(&there), &there_bytes) == 0 &&
         here_bytes == there_bytes && std::memcmp(&here, &there, here_bytes) == 0;
}

}  // namespace

Connection::Connection(int socket) : socket_(socket) {
  const int on = 1;
  (void)setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  (void)setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

Connection::~Connection() { (void)close(socket_); }

bool Connection::send(const Message& message) noexcept {
  const std::lock_guard lock(sending_);
  const Head head{kMagic, static_cast<uint32_t>(message.kind),
                  static_cast<uint32_t>(message.text.size())};
  if (message.text.size() > kMaxBytes) return false;
  const std::array<std::pair<const void*, size_t>, 2> parts = {
      {{&head, sizeof head}, {message.text.data(), message.text.size()}}};
  for (auto [data, bytes] : parts) {
    while (bytes > 0) {
      const ssize_t sent = ::send(socket_, data, bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      data = static_cast<const char*>(data) + sent;
      bytes -= static_cast<size_t>(sent);
    }
  }
  return true;
}

bool Connection::read(void* target, size_t bytes) noexcept {
  while (bytes > 0) {
    const ssize_t got = recv(socket_, target, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    target = static_cast<char*>(target) + got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

Connection::Outcome Connection::receive(Message& message, int milliseconds) noexcept {
  if (!is_readable(socket_, milliseconds)) return Outcome::kNothing;
  Head head{};
  if (!read(&head, sizeof head) || head.magic != kMagic || head.bytes > kMaxBytes ||
      head.kind > static_cast<uint32_t>(Message::Kind::kAlive)) {
    return Outcome::kClosed;
  }
  try {
    message.text.resize(head.bytes);
  } catch (const std::bad_alloc&) {
    return Outcome::kClosed;
  }
  message.kind = static_cast<Message::Kind>(head.kind);
  return read(message.text.data(), message.text.size()) ? Outcome::kMessage : Outcome::kClosed;
}

void Connection::shut_down() noexcept { (void)shutdown(socket_, SHUT_RDWR); }

Listener::Listener(const std::string& host, int port) {
  const auto addresses = addresses_of(host, port);
  int reason = 0;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    socket_ = open_socket(*address);
    if (socket_ < 0) continue;
    const int on = 1;
    (void)setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(socket_, address->ai_addr, address->ai_addrlen) == 0 && listen(socket_, 64) == 0) {
      return;
    }
    reason = errno;
    (void)close(socket_);
    socket_ = -1;
  }
  throw Error(fmt::format(
      "rank 0 must listen on port {} of {} (MASTER_PORT + 1 of MASTER_ADDR), cannot: {}", port,
      host, std::strerror(reason)));
}

Listener::~Listener() {
  if (socket_ >= 0) (void)close(socket_);
}

std::optional<int> Listener::accept(int milliseconds) {
  if (!is_readable(socket_, milliseconds)) return std::nullopt;
  const int socket = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) return std::nullopt;
  return socket;
}

std::optional<int> connect_to(const std::string& host, int port) {
  const auto addresses = addresses_of(host, port);
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    const int socket = open_socket(*address);
    if (socket < 0) continue;
    const bool is_connected = connect(socket, address->ai_addr, address->ai_addrlen) == 0;
    if (is_connected && !is_its_own_peer(socket)) return socket;
    (void)close(socket);
  }
  return std::nullopt;
}

}  // namespace slipstream::engine
