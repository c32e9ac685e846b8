// Ends a long check early and still reports what it found.
#pragma once

namespace slipstream::cli {

// While it lives, SIGTERM and SIGINT ask for an end, and so does the end of the time limit if that is
// not 0. A second signal, or ten seconds without an answer, end the process at once. One at a time.
class StopRequests {
 public:
  explicit StopRequests(double timeout_seconds);
  ~StopRequests();
  StopRequests(const StopRequests&) = delete;
  StopRequests& operator=(const StopRequests&) = delete;

  // Whether an end was asked for, and whether it was by the time limit.
  static bool requested();
  static bool time_is_over();
};

}  // namespace slipstream::cli
