#include "code/linked_ptx.h"

#include <gtest/gtest.h>

#include <span>

#include "code/byte_reader.h"
#include "code/fatbin.h"

namespace slipstream::code {
namespace {

const std::vector<PtxPart> kParts = {{"first.ptx", ".version 8.0\n//linked-ptx 3 x\n"},
                                     {"second one", ""},
                                     {"line\nbreak", ".version 9.0\n"}};

TEST(LinkedPtx, ComesApartAsItWasPutTogether) {
  const std::string text = join_linked_ptx(kParts);
  EXPECT_TRUE(is_linked_ptx(text));
  const std::vector<PtxPart> parts = split_linked_ptx(text);
  ASSERT_EQ(parts.size(), kParts.size());
  for (size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(parts[i].text, kParts[i].text);
  EXPECT_EQ(parts[0].name, "first.ptx");
  EXPECT_EQ(parts[1].name, "second one");
  EXPECT_EQ(parts[2].name, "line?break");
}

TEST(LinkedPtx, IsReadAsAnImageForEachPart) {
  const std::string text = join_linked_ptx(kParts);
  const std::vector<Image> images = read_images(as_bytes(text), "test");
  ASSERT_EQ(images.size(), kParts.size());
  for (uint32_t i = 0; i < images.size(); ++i) {
    EXPECT_EQ(images[i].kind, ImageKind::kPtx);
    EXPECT_EQ(images[i].fat_binary, i);
    EXPECT_EQ(images[i].bytes, kParts[i].text);
  }
}

TEST(LinkedPtx, OfWrongLengthsIsRefused) {
  const std::string text = join_linked_ptx(kParts);
  for (size_t length = 1; length < text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    try {
      EXPECT_LT(split_linked_ptx(cut).size(), kParts.size()) << cut;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find("after a line with its length"), std::string::npos);
    }
  }
  for (const char* const wrong :
       {"//linked-ptx 5 x\nabc\n", "//linked-ptx x\n", "//linked-ptx -1 x\n\n",
        "//linked-ptx 99999999999999999999 x\n\n"}) {
    EXPECT_THROW(split_linked_ptx(wrong), FormatError) << wrong;
  }
}

}  // namespace
}  // namespace slipstream::code
