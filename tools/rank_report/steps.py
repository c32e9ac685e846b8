"""Steps of full-size models: real ranks, one of them alone, and all others played by one GPU."""

import json

BATCHES = "1,2,4,8"
CONTEXTS = "8192,65536"
DRY_CONFIG = {
    "model_type": "deepseek_v32",
    "vocab_size": 1000,
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "q_lora_rank": 128,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "index_n_heads": 8,
    "index_head_dim": 128,
    "index_topk": 128,
    "first_k_dense_replace": 1,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 4,
    "topk_group": 2,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
    "rope_theta": 10000,
    "eos_token_id": 1,
    "quantization_config": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
        "scale_fmt": "ue8m0",
    },
}


def plan(options):
    return [
        f"steps of {model} on {options.gpus} real ranks (traced), of one alone (traced), and with "
        f"{options.gpus - 1} ranks played by one GPU: batches {BATCHES}, contexts {CONTEXTS}, as "
        "many layers as fit (about 90 s)"
        for model in options.models
    ]


def run(runner):
    runner.report["steps"] = {}
    for model in runner.options.models:
        runner.report["steps"][model] = measure(runner, model)


def measure(runner, model):
    options = runner.options
    common = ["--model", model, "--batch", BATCHES, "--context", CONTEXTS]
    if options.dry_run:
        config = runner.out / "dry_config.json"
        width = 128 * options.gpus
        sizes = {"intermediate_size": width, "moe_intermediate_size": width}
        config.write_text(json.dumps(DRY_CONFIG | sizes), encoding="utf-8")
        common = ["--model", config, "--batch", "1", "--context", "200", "--replays", 1]
        common += ["--bandwidth-mb", 1]
    results = {}
    real = bench(runner, f"{model}-real", [*common, "--tp", options.gpus, *layers_of(options)])
    if real is None:
        return results
    results["real"] = real
    layers = ["--layers", real["layers"]]
    alone = bench(runner, f"{model}-alone", [*common, "--tp", options.gpus, "--alone", *layers])
    played = [*common, "--peers", options.gpus - 1, "--steps-only", *layers]
    for name, figures in (("alone", alone), ("played", bench(runner, f"{model}-played", played))):
        if figures is not None:
            results[name] = figures
    runner.expect(real["communication"] == "all ranks", f"{model}: all ranks must exchange")
    return results


def layers_of(options):
    # Emulated devices share the host's memory: what would fit there says nothing.
    layers = options.layers or (DRY_CONFIG["num_hidden_layers"] if options.dry_run else None)
    return ["--layers", layers] if layers else ["--fit"]


def bench(runner, name, arguments):
    runner.say(f"bench decode {name}")
    file = runner.out / "figures.json"
    file.unlink(missing_ok=True)
    done = runner.run([runner.slipstream, "bench", "decode", *arguments, f"--json={file}"])
    if not runner.succeeded(done, name):
        return None
    figures = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    return figures
