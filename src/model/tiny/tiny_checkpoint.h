// Tiny random checkpoints in the published layouts: the heads of the real models, everything else
// small. The weights are a pure function of seed and tensor name, so every machine makes the same
// bytes, and the goldens stored with the tests belong to them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace slipstream::model::tiny {

struct TinySpec {
  std::string name;
  std::string config;  // text of the config.json to write; its sizes decide the tensors' shapes
  uint64_t seed = 0;
  bool fp8 = true;  // linears as e4m3 with 128x128 scales, else bf16
  // Mean of e_score_correction_bias. Clearly negative, it tells masking with minus infinity from
  // masking with 0.
  double bias_mean = 0;
  bool counts = false;  // the model of tiny/counting.h; not with fp8
};

// The specs that the tests and the demo use.
[[nodiscard]] const std::vector<TinySpec>& tiny_specs();
// One of them by name. Throws InvalidArgument naming those there are.
[[nodiscard]] const TinySpec& tiny_spec(const std::string& name);
// The same spec with other sizes: `changes` is a JSON object whose keys replace those of
// config.json. Throws InvalidArgument if it is not one.
[[nodiscard]] TinySpec with_changes(const TinySpec& spec, const std::string& name,
                                    const std::string& changes);

// Writes config.json, the shards and their index into `directory`, which is made if it is missing.
void write_tiny_checkpoint(const TinySpec& spec, const std::string& directory,
                           int64_t shard_bytes = 6 << 20);

}  // namespace slipstream::model::tiny
