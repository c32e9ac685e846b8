#include "cli/child_process.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "cli/standard_streams.h"

namespace slipstream::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr auto kGrace = std::chrono::seconds(2);  // from asking a program to end to ending it

// SIGCHLD, and what is passed on: signals are waited for like any other event, so no handler is
// needed.
sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    sigaddset(&set, signal);
  }
  return set;
}

// In the child: as if it had been started by a shell, but for its parent's sake.
void prepare_child(const sigset_t& mask, pid_t parent) {
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotExecute);  // it ended before that was asked for
}

// The next signal, or 0 if there is none until then.
int wait_for_signal(const sigset_t& set, std::optional<Clock::time_point> until) {
  if (!until) return sigwaitinfo(&set, nullptr);
  const auto rest = std::max(duration_cast<nanoseconds>(*until - Clock::now()), nanoseconds(0));
  const timespec time{static_cast<time_t>(rest.count() / 1'000'000'000),
                      static_cast<long>(rest.count() % 1'000'000'000)};
  const int signal = sigtimedwait(&set, nullptr, &time);
  return signal < 0 && errno == EAGAIN ? 0 : signal;
}

std::optional<int> exit_code_of(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  return WIFSIGNALED(status) ? kEndedBySignal + WTERMSIG(status) : WEXITSTATUS(status);
}

EndOfChild wait_for(pid_t child, const sigset_t& signals, double timeout_seconds) {
  std::optional<Clock::time_point> until;
  if (timeout_seconds > 0) {
    until = Clock::now() +
            duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  }
  EndOfChild end;
  while (true) {
    if (const std::optional<int> code = exit_code_of(child)) {
      end.exit_code = *code;
      return end;
    }
    const int signal = wait_for_signal(signals, until);
    if (signal == 0) {
      kill(child, end.timed_out ? SIGKILL : SIGTERM);
      end.timed_out = true;
      until = Clock::now() + kGrace;
    } else if (signal > 0 && signal != SIGCHLD) {
      kill(child, signal);
    }
  }
}

}  // namespace

int replace_by_program(const std::vector<std::string>& program) {
  std::vector<char*> arguments;
  arguments.reserve(program.size() + 1);
  for (const std::string& argument : program) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  restore_signals();
  execvp(arguments.front(), arguments.data());
  const int code = errno == ENOENT ? kNotFound : kCannotExecute;
  std::fprintf(stderr, "slipstream: cannot run '%s': %s\n", arguments.front(),
               std::strerror(errno));
  return code;
}

EndOfChild run_program(const std::vector<std::string>& program, double timeout_seconds) {
  std::fflush(nullptr);
  std::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would take the exit code away
  const sigset_t signals = awaited_signals();
  sigset_t earlier;
  sigprocmask(SIG_BLOCK, &signals, &earlier);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    prepare_child(earlier, parent);
    _exit(replace_by_program(program));
  }
  EndOfChild end{.exit_code = kCannotExecute};
  if (child > 0) {
    end = wait_for(child, signals, timeout_seconds);
  } else {
    std::fprintf(stderr, "slipstream: cannot start a process: %s\n", std::strerror(errno));
  }
  sigprocmask(SIG_SETMASK, &earlier, nullptr);
  return end;
}

}  // namespace slipstream::cli
