#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

// A file of the format with any header, right or wrong.
std::string file_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

class Safetensors : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name = "a.safetensors") const {
    return directory_.path(name);
  }

  void write(const std::string& header, const std::string& data,
             const std::string& name = "a.safetensors") const {
    write_text(path(name), file_bytes(header, data));
  }

  // What is wrong with a.safetensors, without the file's name in front.
  [[nodiscard]] std::string complaint() const {
    const std::string message = message_of([&] { (void)TensorStore::open_file(path()); });
    EXPECT_TRUE(message.starts_with(path() + ": ")) << message;
    return message.substr(path().size() + 2);
  }

  [[nodiscard]] std::string directory_complaint() const {
    return message_of([&] { (void)TensorStore::open_directory(directory_.path()); });
  }

  TemporaryDirectory directory_;
};

TEST_F(Safetensors, ReadsBackWhatItWrote) {
  std::vector<float> floats(6);
  std::iota(floats.begin(), floats.end(), 0.5F);
  const std::vector<int32_t> integers = {7, -8};
  const std::vector<OutputTensor> tensors = {
      OutputTensor::of("logits", {2, 3}, std::span<const float>(floats)),
      OutputTensor::of("ids", {2}, std::span<const int32_t>(integers))};
  write_safetensors(path(), tensors);

  const TensorStore store = TensorStore::open_file(path());
  EXPECT_EQ(store.tensors().size(), 2U);
  EXPECT_EQ(store.at("logits").describe(), "F32[2, 3]");
  EXPECT_EQ(store.at("logits").numel(), 6);
  EXPECT_EQ(std::memcmp(store.at("logits").bytes.data(), floats.data(), 24), 0);
  EXPECT_EQ(store.at("ids").describe(), "I32[2]");
  EXPECT_EQ(std::memcmp(store.at("ids").bytes.data(), integers.data(), 8), 0);
}

TEST_F(Safetensors, WritesDataAtAMultipleOfEight) {
  const std::vector<float> one = {1};
  write_safetensors(path(), std::vector{OutputTensor::of("x", {1}, std::span<const float>(one))});
  const std::string bytes = read_text(path());
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes.size(), 8 + length + 4);
}

TEST_F(Safetensors, RefusesToWriteAShapeThatDoesNotFit) {
  const std::vector<float> values(5);
  const std::vector tensors = {OutputTensor::of("x", {2, 3}, std::span<const float>(values))};
  EXPECT_EQ(message_of([&] { write_safetensors(path(), tensors); }),
            path() + ": tensor x: F32[2, 3] must have its shape's bytes, has 20");
}

TEST_F(Safetensors, NamesTheFileThatCannotBeWritten) {
  const std::string nowhere = path("missing/out.safetensors");
  try {
    write_safetensors(nowhere, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(nowhere + ": cannot be written"));
  }
}

TEST_F(Safetensors, KnowsBeforeWritingWhereItCannot) {
  for (const std::string& nowhere : {path("missing/out"), path("")}) {
    try {
      io::require_writable(nowhere);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(nowhere + ": cannot be written: "));
    }
  }
}

TEST_F(Safetensors, LeavesNothingBehindWhenItAsks) {
  write_text(path("out"), "earlier");
  io::require_writable(path("out"));
  io::require_writable(path("other"));
  EXPECT_EQ(read_text(path("out")), "earlier");
  EXPECT_FALSE(std::filesystem::exists(path("other")));
  EXPECT_FALSE(std::filesystem::exists(path("out.partial")));
}

TEST_F(Safetensors, AcceptsEmptyTensorsAndScalars) {
  write(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},)"
        R"("s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})",
        std::string(8, 'x'));
  const TensorStore store = TensorStore::open_file(path());
  EXPECT_EQ(store.at("e").numel(), 0);
  EXPECT_EQ(store.at("s").numel(), 1);
}

TEST_F(Safetensors, IgnoresMetadata) {
  write(R"({"__metadata__":{"format":"pt"}})", "");
  EXPECT_TRUE(TensorStore::open_file(path()).tensors().empty());
}

TEST_F(Safetensors, RejectsFilesShorterThanTheHeaderLength) {
  write_text(path(), "1234");
  EXPECT_EQ(complaint(), "must start with an 8-byte header length, has 4 bytes");
}

TEST_F(Safetensors, RejectsHeadersThatReachBeyondTheFile) {
  std::string bytes = file_bytes(R"({"x":)", "");
  bytes[0] = 127;
  write_text(path(), bytes);
  EXPECT_EQ(complaint(), "the header length must be from 2 to 5 in this file, is 127");
}

TEST_F(Safetensors, RejectsHeadersThatAreNotJson) {
  write("{\"x\":nonsense}", "");
  EXPECT_TRUE(complaint().starts_with("header: must be JSON"));
}

TEST_F(Safetensors, RejectsDuplicateNames) {
  write(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
        R"("x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
        "ab");
  EXPECT_EQ(complaint(), "header: the key \"x\" must be unique in its object, is repeated");
}

TEST_F(Safetensors, RejectsMissingFields) {
  write(R"({"x":{"dtype":"U8","shape":[1]}})", "a");
  EXPECT_EQ(complaint(), "tensor x: must have dtype, shape and data_offsets, has no data_offsets");
}

TEST_F(Safetensors, RejectsUnknownTypes) {
  write(R"({"x":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", "a");
  EXPECT_EQ(complaint(), "tensor x: dtype must be one of the format's, is \"F4\"");
}

TEST_F(Safetensors, RejectsNegativeSizes) {
  write(R"({"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "a");
  EXPECT_EQ(complaint(), "tensor x: shape must be a list of at most 8 sizes, is [-1]");
}

TEST_F(Safetensors, RejectsShapesThatDoNotFitTheirBytes) {
  write(R"({"x":{"dtype":"BF16","shape":[3],"data_offsets":[0,4]}})", "abcd");
  EXPECT_EQ(complaint(), "tensor x: data_offsets must span the 6 bytes of BF16[3], span 4");
}

TEST_F(Safetensors, RejectsShapesWhoseSizeOverflows) {
  write(R"({"x":{"dtype":"F64","shape":[281474976710656,281474976710656],"data_offsets":[0,0]}})",
        "");
  EXPECT_NE(complaint().find("must span the (too many) bytes"), std::string::npos);
}

TEST_F(Safetensors, RejectsBackwardOffsets) {
  write(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", "a");
  EXPECT_EQ(complaint(), "tensor x: data_offsets must be [begin, end], is [1,0]");
}

TEST_F(Safetensors, RejectsTruncatedData) {
  write(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "abcd");
  EXPECT_EQ(complaint(),
            "tensor x: data_offsets must end within the file's 4 bytes of data, end at 8 "
            "(truncated file?)");
}

// Opens a damaged file: either an InvalidArgument, or tensors that lie inside of it.
void open_damaged(const std::string& file, const std::string& bytes) {
  write_text(file, bytes);
  try {
    const TensorStore store = TensorStore::open_file(file);
    for (const auto& [name, tensor] : store.tensors()) {
      std::byte sum{};
      for (const std::byte byte : tensor.bytes) sum ^= byte;
      EXPECT_LE(tensor.bytes.size(), bytes.size()) << static_cast<int>(sum);
    }
  } catch (const InvalidArgument&) {
    // As it should be.
  }
}

TEST_F(Safetensors, SurvivesDamageAnywhere) {
  const std::string bytes =
      file_bytes(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                 R"("b":{"dtype":"U8","shape":[1],"data_offsets":[24,25]}})",
                 std::string(25, 'x'));
  for (size_t i = 0; i < bytes.size(); ++i) {
    open_damaged(path(), bytes.substr(0, i));
    for (const char damage : {'\xff', '"', '}', '9'}) {
      std::string damaged = bytes;
      damaged[i] = damage;
      open_damaged(path(), damaged);
    }
  }
}

TEST_F(Safetensors, RejectsOverlaps) {
  write(R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
        R"("y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
        "abcd");
  EXPECT_EQ(complaint(),
            "tensor y: data must begin at 3, where the tensor before it ends, begins at 2");
}

TEST_F(Safetensors, RejectsHolesAndTrailingBytes) {
  write(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "ab");
  EXPECT_EQ(complaint(),
            "tensor x: data must begin at 0, where the tensor before it ends, begins at 1");
  write(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "abc");
  EXPECT_EQ(complaint(), "the tensors must cover all 3 bytes of data, cover 1");
}

TEST_F(Safetensors, RejectsDirectoriesAndMissingFiles) {
  EXPECT_EQ(message_of([&] { (void)TensorStore::open_file(path("no")); }),
            path("no") + ": must be a readable regular file, No such file or directory");
  EXPECT_EQ(message_of([&] { (void)TensorStore::open_file(directory_.path()); }),
            directory_.path() + ": must be a readable regular file, is not one");
  EXPECT_EQ(directory_complaint(),
            directory_.path() +
                ": must hold model.safetensors.index.json or model.safetensors, has neither");
}

constexpr const char* kOneByte = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
constexpr const char* kOtherByte = R"({"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";

TEST_F(Safetensors, ReadsASingleFileWithoutAnIndex) {
  write(kOneByte, "a", "model.safetensors");
  EXPECT_EQ(TensorStore::open_directory(directory_.path()).at("x").numel(), 1);
}

TEST_F(Safetensors, ReadsTheShardsOfAnIndex) {
  write(kOneByte, "a", "1.safetensors");
  write(kOtherByte, "b", "2.safetensors");
  write_text(path("model.safetensors.index.json"),
             R"({"weight_map":{"x":"1.safetensors","y":"2.safetensors"}})");
  const TensorStore store = TensorStore::open_directory(directory_.path());
  EXPECT_EQ(std::to_integer<char>(store.at("x").bytes[0]), 'a');
  EXPECT_EQ(std::to_integer<char>(store.at("y").bytes[0]), 'b');
  EXPECT_EQ(store.at("y").file, path("2.safetensors"));
}

TEST_F(Safetensors, RejectsATensorThatTheIndexPutsElsewhere) {
  write(kOneByte, "a", "1.safetensors");
  write(kOtherByte, "b", "2.safetensors");
  const std::string index = path("model.safetensors.index.json");
  write_text(index, R"({"weight_map":{"x":"1.safetensors","y":"1.safetensors"}})");
  EXPECT_EQ(directory_complaint(), path("1.safetensors") +
                                       ": tensor y: must be in this file, where " + index +
                                       " puts it, is missing");
}

TEST_F(Safetensors, RejectsATensorInTwoShards) {
  write(kOneByte, "a", "1.safetensors");
  write(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
        R"("y":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
        "bc", "2.safetensors");
  write_text(path("model.safetensors.index.json"),
             R"({"weight_map":{"x":"1.safetensors","y":"2.safetensors"}})");
  EXPECT_EQ(directory_complaint(), path("2.safetensors") +
                                       ": tensor x: must be in one file only, is also in " +
                                       path("1.safetensors"));
}

TEST_F(Safetensors, RejectsShardsOutsideTheDirectory) {
  const std::string index = path("model.safetensors.index.json");
  for (const std::string shard : {"../1.safetensors", "/1.safetensors", "..", "a/b", ""}) {
    write_text(index, R"({"weight_map":{"x":")" + shard + "\"}}");
    EXPECT_EQ(directory_complaint(),
              index + ": weight_map must name files next to the index, names \"" + shard + "\"");
  }
}

TEST_F(Safetensors, RejectsAnIndexWithoutAMap) {
  const std::string index = path("model.safetensors.index.json");
  write_text(index, "{}");
  EXPECT_EQ(directory_complaint(), index + ": weight_map must be an object, is absent");
}

TEST_F(Safetensors, RejectsAnIndexThatIsCutOff) {
  const std::string index = path("model.safetensors.index.json");
  write_text(index, R"({"weight_map":{"x":"1.safeten)");
  EXPECT_TRUE(directory_complaint().starts_with(index + ": must be JSON: "));
  write_text(index, "");
  EXPECT_EQ(directory_complaint(), index + ": must be JSON, is empty");
  write_text(index, R"({"weight_map":{"x":7}})");
  EXPECT_EQ(directory_complaint(), index + ": weight_map.x must be a string, is 7");
}

TEST_F(Safetensors, NamesAShardThatIsMissing) {
  write_text(path("model.safetensors.index.json"), R"({"weight_map":{"x":"1.safetensors"}})");
  EXPECT_EQ(directory_complaint(), path("1.safetensors") +
                                       ": must be a readable regular file, No such file or "
                                       "directory");
}

TEST_F(Safetensors, RejectsAHeaderOfManyLevels) {
  write(R"({"x":{"dtype":"U8","shape":)" + std::string(100000, '['), "");
  EXPECT_EQ(complaint(), "header: must be JSON of at most 32 levels, is deeper");
}

TEST_F(Safetensors, NamesAMissingTensor) {
  write(kOneByte, "a");
  const TensorStore store = TensorStore::open_file(path());
  EXPECT_EQ(message_of([&] { (void)store.at("z"); }),
            path() + ": tensor z must be there, is missing");
}

}  // namespace
}  // namespace slipstream::model::test
