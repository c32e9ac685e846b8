#include "bench/step_team.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "pdl/device.h"
#include "pdl/stream.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::bench::test {
namespace {

constexpr const char* kConfig = R"({
  "model_type": "deepseek_v32", "vocab_size": 512, "hidden_size": 512, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 128, "kv_lora_rank": 512,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
  "index_n_heads": 2, "index_head_dim": 128, "index_topk": 128,
  "intermediate_size": 512, "moe_intermediate_size": 512, "first_k_dense_replace": 1,
  "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4,
  "n_group": 4, "topk_group": 2, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "rope_theta": 10000, "eos_token_id": 1,
  "quantization_config": {
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128], "scale_fmt": "ue8m0"
  }
})";

// Two steps, the second with the tokens of the first.
StepOutput two_steps(StepBench& bench, int tokens, cudaStream_t stream) {
  bench.set_shape({.batch = tokens, .context = 200});
  bench.reset(1);
  for (int step = 0; step < 2; ++step) bench.enqueue({.stream = stream}, false);
  return bench.output();
}

TEST(PlayedRanks, LeaveTheStepOfARankAloneAsItIs) {
  if (pdl::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  const model::test::TemporaryDirectory folder;
  BenchModel model{.name_or_file = folder.path("config.json"), .tp = 4};
  std::ofstream(model.name_or_file) << kConfig;
  const pdl::Stream stream;
  const std::unique_ptr<StepBench> alone = make_step_bench(model, stream.get());
  model.others = Others::kPlayed;
  const std::unique_ptr<StepBench> played = make_step_team(model, stream.get());
  for (const int tokens : {1, 5}) {
    const StepOutput expected = two_steps(*alone, tokens, stream.get());
    const StepOutput result = two_steps(*played, tokens, stream.get());
    EXPECT_EQ(result.sampled, expected.sampled) << tokens;
    EXPECT_EQ(result.logits, expected.logits) << tokens;
  }
}

}  // namespace
}  // namespace slipstream::bench::test
