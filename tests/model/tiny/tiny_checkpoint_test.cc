#include "model/tiny/tiny_checkpoint.h"

#include <gtest/gtest.h>

#include <map>

#include "model/safetensors.h"
#include "model/tiny/philox.h"
#include "model/tiny/sha256.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

std::string hash_of(const std::string& text) {
  return tiny::to_hex(tiny::sha256(std::as_bytes(std::span(text))));
}

TEST(Sha256, KnowsTheStandardsExamples) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Philox, GivesNumPysWords) {
  tiny::Philox generator({0x0123456789ABCDEF, 0xFEDCBA9876543210});
  EXPECT_EQ(generator.next(), (tiny::Philox::Block{0x2d2e7c09c193c5fa, 0xd56c6aa2d11f06aa,
                                                   0x184fcdf7f5474a23, 0x367832d087008054}));
  EXPECT_EQ(generator.next(), (tiny::Philox::Block{0x56ffd4cf84d16286, 0x09fc1192f2145d80,
                                                   0x53d6554fb9aa0f62, 0xc3f437f88182365}));
}

// SHA-256 of each shard.
const std::map<std::string, std::vector<std::string>> kShards = {
    {"deepseek-v32-tiny",
     {"5ca7efe2028737d67ef1940ddd76d41dfd747361bb08be4325f1c29b31b0f985",
      "6037d87a4155cb68e6e84ba0b39b759480b70b9933ece61972ef0fa71b054527",
      "baf1e90c4aee2ef69a0c61e0018bff67f673947daa387e614c399c12cbe9d23d",
      "1296d5ef452ab36aa812e300d572a14a1205d9f259a4005f843228a746fe34ed"}},
    {"glm-5-tiny",
     {"0982263144b6d0182639ca810203f23dcf1275eb3472e3051809c747948f06d1",
      "0c40143310767dfb1ce57cf675bcd87f32164da523d5688c189a605a00df3c01",
      "c4b9679365fe2653254f1c493717578178e1adec196a49420f4fd470e8c00d63"}},
    {"glm-5.2-tiny-bf16",
     {"6381a8125e27f7e65859174337a73f15dd55d110eee6e55fd11ebf29b744fb85",
      "7bedd647fd88b38be6ddc760476e75ab457608d16e03a97b10792c33fd982f67",
      "544f29a4969a4293f2746f6ce7a524b5009ed7b5ffe84fb807b9116fa2a41d04",
      "dd824493f270565aa98c55c41a2c749916af566c5b72a2701da79f6944992416",
      "b5aea2420dd95a7ad623726037ff37dd88f87eabef555a6005b5819d8c6b4bc2",
      "6b046066bfed3f0fcc5c572a65695edbb7f0b3ec65790075b26df1d059e2efc2"}},
    {"deepseek-v32-ranks-tiny",
     {"1bcd2247647862fb22b6362dd1bbc678d2dffe318b6310fb3647be0f1b73c0ad",
      "8030d5f3083100b15c5acabd2eb3ad316219efac13bf994581325f6dbf426fcd",
      "a52e17a9b9292808eed605ca510e9d34d434c6900cf70af289c06b5545e5aeff",
      "51088503911c061fc4597fb76495da99274a964daeb49ce14acb2d0a2e72ec92"}},
    {"glm-5.2-ranks-tiny",
     {"0277bcba6f99c667750d5d86e1bfa12decf274b32f9c6fb6765150edcc979abe",
      "7d93e00a1e764a011ddcf4ace3f7a538ba7b6d2bb8541fc93c09bfe2fa91ed5a",
      "37abee87178fedf02d950402dcd5ad247ad7f273d282bfdc362406c471e5bdd0",
      "17438b191621ecee2e4247651ff1249c66c36e15ee4de21cb3ab3275591decbb",
      "592619d805da91a3eb210485bf35cba04666017acae71ffb21eaf6b2bf65ad08",
      "162f526959c014b13da492c7ee53a86affcbd7d2b2cab54ed24d53a34e931c82"}},
};

// The goldens were made with these bytes.
TEST(TinyCheckpoint, MakesTheBytesOfTheGoldens) {
  for (const auto& [name, hashes] : kShards) {
    std::vector<std::string> found;
    for (size_t i = 0; i < hashes.size(); ++i) {
      found.push_back(
          hash_of(read_text(tiny_checkpoint(name) + "/model-0000" + std::to_string(i + 1) +
                            "-of-0000" + std::to_string(hashes.size()) + ".safetensors")));
    }
    EXPECT_EQ(found, hashes) << name;
  }
}

TEST(TinyCheckpoint, ChangesTheShapesThatItIsAskedTo) {
  const tiny::TinySpec spec = tiny::with_changes(tiny::tiny_spec("glm-5-tiny"), "wide",
                                                 R"({"hidden_size": 384, "vocab_size": 301})");
  const TensorStore store = TensorStore::open_directory(tiny_checkpoint(spec));
  EXPECT_EQ(store.at("lm_head.weight").describe(), "BF16[301, 384]");
}

TEST(TinyCheckpoint, NamesTheCheckpointsThereAre) {
  EXPECT_EQ(
      message_of([] { (void)tiny::tiny_spec("glm-4"); }),
      "tiny checkpoint must be one of deepseek-v32-tiny, glm-5-tiny, glm-5.2-tiny-bf16, "
      "deepseek-v3-tiny, deepseek-v32-ranks-tiny, glm-5.2-ranks-tiny, counting-tiny, is glm-4");
}

}  // namespace
}  // namespace slipstream::model::test
