#include "io/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace slipstream::io {
namespace {

TEST(JsonWriter, WritesEveryKindOfValue) {
  EXPECT_EQ(Json().text(), "null");
  EXPECT_EQ(Json(true).text(), "true");
  EXPECT_EQ(Json(-3).text(), "-3");
  EXPECT_EQ(Json(std::numeric_limits<uint64_t>::max()).text(), "18446744073709551615");
  EXPECT_EQ(Json(std::numeric_limits<int64_t>::min()).text(), "-9223372036854775808");
  EXPECT_EQ(Json("text").text(), "\"text\"");
  EXPECT_EQ(Json::array().text(), "[]");
  EXPECT_EQ(Json::array_of(std::vector<int>{1, 2}).text(), "[1,2]");
  EXPECT_EQ((Json{{"a", 1}, {"b", false}}).text(), R"({"a":1,"b":false})");
}

TEST(JsonWriter, KeepsEveryBitOfANumber) {
  for (const double value : {0.1, 1.0 / 3, 2.0, 1e300, -5e-324, 123456789.125}) {
    EXPECT_EQ(nlohmann::json::parse(Json(value).text()).get<double>(), value);
  }
}

TEST(JsonWriter, TellsAFractionFromACount) {
  EXPECT_EQ(Json(2.0).text(), "2.0");
  EXPECT_EQ(Json(2).text(), "2");
  EXPECT_EQ(Json(1e300).text(), "1e+300");
}

TEST(JsonWriter, HasNoNumberForWhatIsNotFinite) {
  EXPECT_EQ(Json(std::nan("")).text(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).text(), "null");
}

TEST(JsonWriter, EscapesWhatAStringMustNotHold) {
  std::string text = "quote\" back\\ line\n tab\t end\x1f h\xc3\xa9";
  text += '\0';
  EXPECT_EQ(nlohmann::json::parse(Json(text).text()).get<std::string>(), text);
}

TEST(JsonWriter, KeepsUtf8AndMarksWhatIsNone) {
  const auto read_back = [](const std::string& text) {
    return nlohmann::json::parse(Json(text).text()).get<std::string>();
  };
  const std::string mark = "\xef\xbf\xbd";
  for (const std::string good :
       {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(read_back("a" + good + "b"), "a" + good + "b");
  }
  EXPECT_EQ(read_back("y\xffz"), "y" + mark + "z");
  EXPECT_EQ(read_back("cut \xe2\x82"), "cut " + mark + mark);
  // Longer than it need be, half of a pair of UTF-16, and beyond the last character.
  for (const std::string bad : {"\xc0\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    std::string marks;
    for (size_t i = 0; i < bad.size(); ++i) marks += mark;
    EXPECT_EQ(read_back(bad), marks);
  }
}

TEST(JsonWriter, KeepsTheOrderOfMembersAndReplacesOneThatIsThere) {
  Json json;
  json["z"] = 1;
  json["a"].push_back({{"only", "member"}});
  json["a"].push_back(2);
  json["z"] = 3;
  EXPECT_EQ(json.text(), R"({"z":3,"a":[{"only":"member"},2]})");
}

TEST(JsonWriter, IndentsForPeople) {
  const Json json{{"a", Json::array_of(std::vector<int>{1})}, {"b", Json::array()}};
  EXPECT_EQ(json.text(2), "{\n  \"a\": [\n    1\n  ],\n  \"b\": []\n}");
}

}  // namespace
}  // namespace slipstream::io
