#include "code/archive.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "code/byte_reader.h"
#include "zip_file.h"

namespace slipstream::code {
namespace {

using test::ZipMember;

// Names and contents.
using Contents = std::vector<std::pair<std::string, std::string>>;

Contents contents_of(const std::string& archive) {
  Contents contents;
  DecompressionLimit limit(archive.size());
  for (const ArchiveMember& member : archive_members(as_bytes(archive), "a")) {
    contents.emplace_back(member.name, member_bytes(as_bytes(archive), member, limit));
  }
  return contents;
}

// The error of reading everything in it.
std::string error_of(const std::string& archive) {
  try {
    contents_of(archive);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "none";
}

bool says(const std::string& archive, const std::string& what) {
  const std::string error = error_of(archive);
  return error.find(what) != std::string::npos || (ADD_FAILURE() << error, false);
}

const std::string kLong(3'000'000, 'x');  // more than a piece of the output

TEST(Zip, GivesStoredAndDeflatedMembers) {
  const std::string file = test::zip_file(
      {{"folder/", ""}, {"folder/a.so", "stored"}, {"b.ptx", kLong, true}, {"empty", "", true}});
  ASSERT_TRUE(is_archive(as_bytes(file)));
  EXPECT_EQ(contents_of(file),
            (Contents{{"folder/a.so", "stored"}, {"b.ptx", kLong}, {"empty", ""}}));
}

TEST(Zip, GivesWhatStandsInZip64Fields) {
  const std::string file = test::zip_file({{"a", "stored"}, {"b", kLong, true}}, true);
  EXPECT_EQ(contents_of(file), (Contents{{"a", "stored"}, {"b", kLong}}));
}

TEST(Zip, GivesTheStartOfAMember) {
  const std::string file = test::zip_file({{"a", kLong, true}, {"b", "123", false}});
  const auto members = archive_members(as_bytes(file), "a");
  EXPECT_EQ(member_start(as_bytes(file), members.at(0), 8), "xxxxxxxx");
  EXPECT_EQ(member_start(as_bytes(file), members.at(1), 8), "123");
}

TEST(Zip, HasNoMembersWhereItIsEmpty) {
  const std::string file = test::zip_file({});
  EXPECT_TRUE(is_archive(as_bytes(file)));
  EXPECT_TRUE(contents_of(file).empty());
}

TEST(Zip, IsFoundBeforeAComment) {
  std::string file = test::zip_file({{"a", "text"}});
  file.replace(file.size() - 2, 2, test::little_endian(5, 2));
  EXPECT_EQ(contents_of(file + "hello"), (Contents{{"a", "text"}}));
}

TEST(Zip, RefusesWhatIsEncryptedOrCompressedInAnotherWay) {
  EXPECT_TRUE(says(test::zip_file({{"a", "text", false, 1}}), "must not be encrypted"));
  std::string file = test::zip_file({{"a", "text"}});
  file[file.find("PK\x01\x02") + 10] = 14;  // LZMA
  EXPECT_TRUE(says(file, "must be stored or deflated"));
}

TEST(Zip, RefusesDamage) {
  const std::string file = test::zip_file({{"a", kLong, true}});
  std::string damaged = file;
  damaged.replace(33, 4, "\xff\xff\xff\xff");
  EXPECT_NE(error_of(damaged), "none");
  std::string other = test::zip_file({{"a", "text"}});
  other[31] = 'T';  // of the data
  EXPECT_TRUE(says(other, "must have the checksum"));
  EXPECT_TRUE(says(file.substr(0, file.size() - 30), "zip archive's directory"));
}

TEST(Zip, RefusesAnotherSizeThanStated) {
  for (const int change : {-1, 1}) {
    std::string file = test::zip_file({{"a", std::string(1000, 'x'), true}});
    char& size = file[file.find("PK\x01\x02") + 24];
    size = static_cast<char>(size + change);
    EXPECT_TRUE(says(file, "as the directory says")) << change;
  }
}

TEST(Zip, IsReadWithinItsBoundsWhateverItSays) {
  const std::string file = test::zip_file({{"a", "text", true}, {"b", "more"}}, true);
  for (size_t i = 0; i < file.size(); ++i) {
    for (const int value : {0x00, 0x7f, 0xff}) {
      std::string changed = file;
      changed[i] = static_cast<char>(value);
      error_of(changed);
    }
    error_of(file.substr(0, i));
  }
}

TEST(Zip, UnpacksNoMoreThanTheLimitAllows) {
  const std::string zeros(80 << 20, '\0');  // above the 64 MiB that are always allowed
  EXPECT_TRUE(says(test::zip_file({{"a", zeros, true}}), "must decompress to at most"));
}

TEST(Zip, PrintsNoControlCharactersOfNames) {
  const std::string file = test::zip_file({{"a\x1b[2J\n", "text"}});
  EXPECT_EQ(contents_of(file).at(0).first, "a?[2J?");
}

std::string library_member(const std::string& name, const std::string& bytes) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{}{}", name, 0, 0, 0, 644, bytes.size(),
                     bytes, bytes.size() % 2 == 1 ? "\n" : "");
}

TEST(StaticLibrary, GivesItsObjects) {
  const std::string file = "!<arch>\n" + library_member("/", "symbols") +
                           library_member("//", "a_long_name_of_an_object.o/\nother.o/\n") +
                           library_member("short.o/", "odd") + library_member("/0", "first") +
                           library_member("/28", "second");
  ASSERT_TRUE(is_archive(as_bytes(file)));
  EXPECT_EQ(contents_of(file), (Contents{{"short.o", "odd"},
                                         {"a_long_name_of_an_object.o", "first"},
                                         {"other.o", "second"}}));
}

TEST(StaticLibrary, GivesObjectsWithNamesAsOnBsd) {
  const std::string file = "!<arch>\n" + library_member("__.SYMDEF", "symbols!") +
                           library_member("#1/8", std::string("name.o\0\0", 8) + "bytes");
  EXPECT_EQ(contents_of(file), (Contents{{"name.o", "bytes"}}));
}

TEST(StaticLibrary, RefusesWhatIsNoneOrCutOff) {
  const std::string file = "!<arch>\n" + library_member("a.o/", "bytes");
  EXPECT_NE(error_of(file.substr(0, file.size() - 3)), "none");
  std::string damaged = file;
  damaged[8 + 48] = 'x';
  EXPECT_TRUE(says(damaged, "size must be a decimal number"));
  EXPECT_TRUE(says("!<arch>\n" + library_member("/99", "bytes"), "name must be in the table"));
  EXPECT_TRUE(says("!<arch>\n" + library_member("#1/99", "bytes"), "name must be in the member"));
}

}  // namespace
}  // namespace slipstream::code
