#include "tests/model/support/shapes.h"

#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {

const std::string& Shape::directory() const {
  return tiny_checkpoint(tiny::with_changes(tiny::tiny_spec(base), name, changes));
}

std::vector<Shape> other_shapes() {
  return {
      {"SixteenHeads", "deepseek-v32-tiny",
       R"({"num_attention_heads": 16, "num_key_value_heads": 16, "hidden_size": 384,
           "index_topk": 96, "n_routed_experts": 48, "vocab_size": 517})"},
      {"OneHead", "deepseek-v32-tiny",
       R"({"num_attention_heads": 1, "num_key_value_heads": 1, "hidden_size": 1024,
           "index_topk": 128, "n_routed_experts": 12, "n_group": 4, "topk_group": 2,
           "num_hidden_layers": 2})"},
      {"ThreeHeads", "glm-5-tiny",
       R"({"num_attention_heads": 3, "num_key_value_heads": 3, "hidden_size": 640,
           "q_lora_rank": 384, "index_topk": 100, "index_n_heads": 17, "n_routed_experts": 13,
           "moe_intermediate_size": 384, "num_experts_per_tok": 8, "vocab_size": 301,
           "num_hidden_layers": 2})"},
      {"AllDense", "glm-5.2-tiny-bf16",
       R"({"num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 512,
           "first_k_dense_replace": 4, "index_topk": 127, "n_shared_experts": 2})"},
      {"SharedLists", "glm-5.2-tiny-bf16",
       R"({"num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 896,
           "q_lora_rank": 256, "index_topk": 112, "index_n_heads": 33, "n_routed_experts": 20,
           "n_group": 5, "topk_group": 2, "vocab_size": 999, "num_hidden_layers": 3,
           "indexer_types": ["full", "shared", "shared"]})"},
      {"EightGroups", "deepseek-v32-tiny",
       R"({"num_attention_heads": 5, "num_key_value_heads": 5, "hidden_size": 768,
           "index_topk": 120, "n_routed_experts": 48, "topk_group": 3, "num_experts_per_tok": 6,
           "moe_intermediate_size": 256, "vocab_size": 777, "num_hidden_layers": 2})"},
      {"Smallest", "glm-5-tiny",
       R"({"num_attention_heads": 1, "num_key_value_heads": 1, "hidden_size": 128,
           "q_lora_rank": 128, "intermediate_size": 128, "moe_intermediate_size": 128,
           "index_topk": 96, "index_n_heads": 1, "n_routed_experts": 2, "num_experts_per_tok": 1,
           "vocab_size": 33, "num_hidden_layers": 2})"},
  };
}

}  // namespace slipstream::model::test
