#include "io/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "io/file.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::io {
namespace {

using model::test::message_of;
using model::test::TemporaryDirectory;

constexpr size_t kBytes = 1 << 20;

class Mapped : public testing::Test {
 protected:
  Mapped() { write_text(path_, std::string(kBytes, 'x')); }

  static int sum_of(const MappedFile& file) {
    int sum = 0;
    for (const std::byte byte : file.bytes()) sum += static_cast<int>(byte);
    return sum;
  }
  static std::string complaint_about(const MappedFile& file) {
    return message_of([&] { file.require_unchanged(); });
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path("file");
};

TEST_F(Mapped, FileThatShrinksIsAnErrorThatNamesIt) {
  const MappedFile file(path_);
  ASSERT_EQ(truncate(path_.c_str(), 4096), 0);
  EXPECT_EQ(sum_of(file), 4096 * 'x');
  EXPECT_EQ(complaint_about(file),
            path_ +
                ": must keep its 1048576 bytes while it is read, has 4096 now (is it being "
                "downloaded or copied?)");
}

// As where a download begins anew.
TEST_F(Mapped, FileThatShrankAndGrewAgainIsOne) {
  const MappedFile file(path_);
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  EXPECT_EQ(sum_of(file), 0);
  ASSERT_EQ(truncate(path_.c_str(), kBytes), 0);
  EXPECT_EQ(complaint_about(file),
            path_ + ": must be readable to its end, the system could not read all of it");
}

TEST_F(Mapped, FileThatIsWrittenToIsOne) {
  const MappedFile file(path_);
  usleep(20000);  // more than a tick of the file system's clock
  std::FILE* stream = std::fopen(path_.c_str(), "r+");
  ASSERT_NE(stream, nullptr);
  (void)std::fputs("other", stream);
  (void)std::fclose(stream);
  EXPECT_EQ(complaint_about(file), path_ +
                                       ": must stay as it is while it is read, was written to (is "
                                       "it being downloaded or copied?)");
}

TEST_F(Mapped, FileThatIsReplacedOrRemovedStaysWhatItWas) {
  const MappedFile file(path_);
  write_text(path_, "other");
  EXPECT_EQ(sum_of(file), static_cast<int>(kBytes) * 'x');
  std::filesystem::remove(path_);
  EXPECT_EQ(sum_of(file), static_cast<int>(kBytes) * 'x');
  file.require_unchanged();
}

TEST_F(Mapped, FileIsGuardedAfterItWasMoved) {
  write_text(directory_.path("other"), std::string(kBytes, 'y'));
  MappedFile first(directory_.path("other"));
  first = MappedFile(path_);
  const MappedFile file(std::move(first));
  ASSERT_EQ(truncate(path_.c_str(), 4096), 0);
  EXPECT_EQ(sum_of(file), 4096 * 'x');
  EXPECT_TRUE(complaint_about(file).starts_with(path_ + ": must keep"));
}

TEST_F(Mapped, FilesOfOthersAreNotGuarded) {
  const auto fault = [&] {
    const MappedFile ours(path_);
    const FileDescriptor descriptor = open_regular_file(path_);
    void* address = mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE, descriptor.value(), 0);
    (void)truncate(path_.c_str(), 4096);
    (void)*(static_cast<volatile char*>(address) + 8192);
  };
  EXPECT_DEATH(fault(), "");
}

TEST_F(Mapped, FileMustNotBeAFifoADeviceOrADirectory) {
  const std::string fifo = directory_.path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& name : {fifo, std::string("/dev/zero"), directory_.path()}) {
    EXPECT_EQ(message_of([&] { const MappedFile file(name); }),
              name + ": must be a readable regular file, is not one");
  }
}

}  // namespace
}  // namespace slipstream::io
