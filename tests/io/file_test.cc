#include "io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "io/appended_file.h"
#include "io/replacement_file.h"
#include "slipstream/error.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::io {
namespace {

using model::test::message_of;
using model::test::read_text;
using model::test::TemporaryDirectory;

class File : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }

  // What there is, by name.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      result.push_back(entry.path().filename().string());
    }
    std::ranges::sort(result);
    return result;
  }

  // Why `path` cannot be written, before and after the work: it must be the same.
  static std::string refusal(const std::string& path) {
    std::vector<std::string> messages;
    for (const bool asks_only : {true, false}) {
      try {
        if (asks_only) {
          require_writable(path);
        } else {
          write_text(path, "text");
        }
        ADD_FAILURE() << "no error for " << path;
      } catch (const Error& error) {
        messages.emplace_back(error.what());
      }
    }
    EXPECT_EQ(messages.front(), messages.back());
    return messages.front();
  }

  static mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  TemporaryDirectory directory_;
};

// The names that files of a folder get, in the order in which they do.
class NewNames {
 public:
  explicit NewNames(const std::string& folder) : queue_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(queue_.value(), folder.c_str(), IN_CREATE | IN_MOVED_TO), 0);
  }

  [[nodiscard]] std::vector<std::string> take() const {
    std::vector<std::string> names;
    alignas(inotify_event) std::array<char, 4096> buffer{};
    const ssize_t bytes = read(queue_.value(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < bytes;) {
      const char* const event = buffer.data() + at;
      uint32_t length = 0;  // of the name, with zeros at its end
      std::memcpy(&length, event + offsetof(inotify_event, len), sizeof(length));
      names.emplace_back(event + sizeof(inotify_event));
      at += static_cast<ssize_t>(sizeof(inotify_event) + length);
    }
    return names;
  }

 private:
  FileDescriptor queue_;
};

TEST_F(File, IsReplacedAndNothingElseIsLeft) {
  write_text(path("out"), "earlier");
  write_text(path("out"), "later");
  EXPECT_EQ(read_file(path("out")), "later");
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

TEST_F(File, WhoseFolderIsNotNamedGoesIntoTheCurrentOne) {
  const std::filesystem::path earlier = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  write_text("out", "text");
  std::filesystem::current_path(earlier);
  EXPECT_EQ(read_file(path("out")), "text");
}

TEST_F(File, OfTheUserWithANameLikeOursIsLeftAlone) {
  write_text(path("out.partial"), "mine");
  require_writable(path("out"));
  write_text(path("out"), "text");
  EXPECT_EQ(read_file(path("out.partial")), "mine");
}

TEST_F(File, KeepsItsMode) {
  write_text(path("out"), "secret");
  chmod(path("out").c_str(), 0600);
  write_text(path("out"), "later");
  EXPECT_EQ(mode_of(path("out")), 0600U);
}

TEST_F(File, IsNewWithTheModeOfTheUsersMask) {
  const mode_t earlier = umask(027);
  write_text(path("out"), "text");
  umask(earlier);
  EXPECT_EQ(mode_of(path("out")), 0640U);
}

TEST_F(File, BehindASymbolicLinkIsReplacedAndTheLinkStays) {
  std::filesystem::create_directory(path("folder"));
  write_text(path("folder/real"), "earlier");
  std::filesystem::create_symlink("folder/real", path("link"));
  write_text(path("link"), "later");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("folder/real")), "later");
}

TEST_F(File, BehindALinkToNothingIsMade) {
  std::filesystem::create_symlink("real", path("link"));
  write_text(path("link"), "text");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("real")), "text");
}

TEST_F(File, TakesNoPlaceOfADevice) {
  EXPECT_EQ(refusal("/dev/null"),
            "/dev/null: cannot be written: must be a regular file, is a device");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(File, TakesNoPlaceOfAFifo) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(refusal(path("fifo")),
            path("fifo") + ": cannot be written: must be a regular file, is a FIFO");
  EXPECT_TRUE(std::filesystem::is_fifo(path("fifo")));
}

TEST_F(File, TakesNoPlaceOfADirectory) {
  EXPECT_EQ(refusal(directory_.path()),
            directory_.path() + ": cannot be written: must be a regular file, is a directory");
  EXPECT_EQ(refusal(path("none/")), path("none/") + ": cannot be written: Is a directory");
}

TEST_F(File, IsNamedWhereItsFolderDoesNotExist) {
  EXPECT_EQ(refusal(path("none/out")),
            path("none/out") + ": cannot be written: No such file or directory");
}

TEST_F(File, WithoutANameIsRefused) {
  EXPECT_EQ(refusal(""), ": cannot be written: must have a name");
}

TEST_F(File, ThatTheUserMayNotWriteToIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write to every file";
  write_text(path("out"), "earlier");
  chmod(path("out").c_str(), 0444);
  EXPECT_EQ(refusal(path("out")), path("out") + ": cannot be written: Permission denied");
  EXPECT_EQ(read_file(path("out")), "earlier");
}

TEST_F(File, KeepsItsOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  write_text(path("out"), "earlier");
  ASSERT_EQ(chown(path("out").c_str(), 1234, 1234), 0);
  write_text(path("out"), "later");
  struct stat status {};
  ASSERT_EQ(stat(path("out").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1234U);
}

TEST_F(File, OfSeveralWritersIsWholeAndAllSucceed) {
  constexpr size_t kBytes = 1 << 20;
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 5; ++i) write_text(path("out"), std::string(kBytes, letter));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = read_file(path("out"));
  EXPECT_EQ(text, std::string(kBytes, text.front()));
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

// In a process of its own: the limit is for all threads.
TEST_F(File, OverTheLimitOfSizeLeavesTheEarlierOne) {
  write_text(path("out"), "earlier");
  const auto write_too_much = [&] {
    std::signal(SIGXFSZ, SIG_IGN);  // as every command does
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_text(path("out"), std::string(8192, 'x'));
    } catch (const Error& error) {
      (void)std::fputs(error.what(), stderr);
      _exit(7);
    }
    _exit(0);
  };
  EXPECT_EXIT(write_too_much(), testing::ExitedWithCode(7),
              "out: cannot be written: File too large");
  EXPECT_EQ(read_file(path("out")), "earlier");
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

// Neither has a process that is killed anything to leave.
// So a kill at any moment leaves it or nothing. An earlier one makes a second name necessary for a moment.
TEST_F(File, ThatIsNewGetsNoNameButItsOwn) {
  if (!FileDescriptor(open(directory_.path().c_str(), O_TMPFILE | O_WRONLY, 0600)).is_open()) {
    GTEST_SKIP() << "this file system knows no files without a name";
  }
  const NewNames names(directory_.path());
  write_text(path("out"), "text");
  EXPECT_EQ(names.take(), std::vector<std::string>{"out"});
  write_text(path("out"), "later");
  EXPECT_EQ(names.take().back(), "out");
}

TEST_F(File, HasNoNameUntilItIsWhole) {
  ReplacementFile file(path("out"));
  file.write(std::as_bytes(std::span("half")));
  EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_F(File, IsWrittenUnderAUniqueNameWhereTheSystemNeedsOne) {
  {
    ReplacementFile file(path("out"), ReplacementFile::Kept::kUnderUniqueName);
    EXPECT_EQ(names().size(), 1U);
  }
  EXPECT_EQ(names(), std::vector<std::string>{});
  ReplacementFile file(path("out"), ReplacementFile::Kept::kUnderUniqueName);
  file.write(std::as_bytes(std::span("text", 4)));
  file.publish();
  EXPECT_EQ(read_file(path("out")), "text");
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

TEST_F(File, ThatIsAFifoOrADeviceIsNotRead) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  for (const std::string& name : {path("fifo"), std::string("/dev/zero"), directory_.path()}) {
    EXPECT_EQ(message_of([&] { (void)read_file(name); }),
              name + ": must be a readable regular file, is not one");
  }
}

TEST_F(File, ThatIsEmptyReadsAsNothing) {
  write_text(path("empty"), "");
  EXPECT_EQ(read_file(path("empty")), "");
}

TEST_F(File, ThatIsAppendedToKeepsWhatItHasAndIsMadeWhereItIsNotThere) {
  append_text(path("reports"), "one\n");
  require_appendable(path("reports"));
  append_text(path("reports"), "two\n");
  EXPECT_EQ(read_text(path("reports")), "one\ntwo\n");
}

TEST_F(File, ThatIsAppendedToMustBeARegularOne) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), S_IRUSR | S_IWUSR), 0);
  const FileDescriptor reader(open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK));
  ASSERT_EQ(mkfifo(path("unread").c_str(), S_IRUSR | S_IWUSR), 0);
  for (const std::string& file :
       {path("fifo"), path("unread"), std::string("/dev/null"), path("")}) {
    EXPECT_THROW(require_appendable(file), Error) << file;
    EXPECT_THROW(append_text(file, "text"), Error) << file;
  }
}

TEST_F(File, ThatIsAppendedToSaysThatItHasNoRoom) {
  const auto append = [this] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      append_text(path("reports"), std::string(8192, 'x'));
    } catch (const Error& error) {
      (void)std::fputs(error.what(), stderr);
      _exit(3);
    }
    _exit(0);
  };
  EXPECT_EXIT(append(), testing::ExitedWithCode(3), "reports: cannot be written: File too large");
}

}  // namespace
}  // namespace slipstream::io
