#include "io/log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "slipstream/error.h"

namespace slipstream::io {
namespace {

// What is logged while it lives, at a level.
class KeptLog {
 public:
  explicit KeptLog(LogLevel level) : earlier_(log_level()) {
    set_log_level(level);
    set_log_sink([this](const LogRecord& record) { records.push_back(record); });
  }
  ~KeptLog() {
    set_log_sink({});
    set_log_level(earlier_);
  }
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;

  std::vector<LogRecord> records;

 private:
  LogLevel earlier_;
};

TEST(Log, KeepsRecordsUpToItsLevel) {
  const KeptLog kept(LogLevel::kWarning);
  log(LogLevel::kError, {}, "an error");
  log(LogLevel::kWarning, {}, "a warning");
  log(LogLevel::kInfo, {}, "news");
  ASSERT_EQ(kept.records.size(), 2U);
  EXPECT_EQ(kept.records[0].text, "an error");
  EXPECT_EQ(kept.records[1].text, "a warning");
}

TEST(Log, SaysNothingWhereItIsOff) {
  const KeptLog kept(LogLevel::kOff);
  log(LogLevel::kError, {}, "an error");
  EXPECT_TRUE(kept.records.empty());
}

TEST(Log, HasTimeLevelRankAndSequenceInALine) {
  EXPECT_EQ(to_string({LogLevel::kInfo, 1'764'372'662'123, 3, 7, "prefilled 34 tokens"}),
            "2025-11-28T23:31:02.123Z INFO  rank 3 sequence 7: prefilled 34 tokens");
  EXPECT_EQ(to_string({LogLevel::kError, 0, 0, -1, "closed"}),
            "1970-01-01T00:00:00.000Z ERROR rank 0: closed");
}

TEST(Log, GoesToStandardErrorUnlessASinkIsSet) {
  testing::internal::CaptureStderr();
  log(LogLevel::kError, {.rank = 1, .sequence = 2}, "{} of {}", 3, 4);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(text.ends_with("ERROR rank 1 sequence 2: 3 of 4\n")) << text;
}

TEST(Log, GoesOnWhereASinkThrows) {
  set_log_sink([](const LogRecord& /*record*/) { throw std::runtime_error("full"); });
  log(LogLevel::kError, {}, "an error");
  set_log_sink({});
}

TEST(Log, NamesTheLevelsThereAre) {
  EXPECT_EQ(log_level_of("debug"), LogLevel::kDebug);
  try {
    (void)log_level_of("loud");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "the log level must be off, error, warning, info or debug, is 'loud'");
  }
}

TEST(Log, RefusesNonsenseInTheEnvironment) {
  ASSERT_EQ(setenv("SLIPSTREAM_LOG", "loud", 1), 0);
  try {
    require_known_log_level();
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(
        error.what(),
        "SLIPSTREAM_LOG: the log level must be off, error, warning, info or debug, is 'loud'");
  }
  unsetenv("SLIPSTREAM_LOG");
  require_known_log_level();
}

}  // namespace
}  // namespace slipstream::io
