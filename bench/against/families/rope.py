"""Rotary embedding, in place and with quantization."""

import slipstream
import torch
from cases import Case, Contender, normal, on_host, result, wipe, zeros
from references import rotate, rotation_table
from rivals import flashinfer, sglang

HEADS, LATENT, WIDTH, POSITIONS = 16, 512, 64, 4096  # heads of one rank of eight


def _positions(tokens):
    return torch.arange(tokens, dtype=torch.int64) * 37 + 5


def rope(row, copies):
    del copies  # activations are new in each step, and stay in the cache
    tokens = row.tokens
    given = [torch.randn(tokens, heads, WIDTH).bfloat16() for heads in (HEADS, 1)]
    query, key = (tensor.cuda() for tensor in given)
    flat = [tensor.view(tokens, -1) for tensor in (query, key)]
    table, positions = rotation_table(POSITIONS, WIDTH), _positions(tokens)
    wanted = [rotate(on_host(tensor), table, positions.numpy(), True) for tensor in given]
    cache, pos_ids = torch.from_numpy(table).float().cuda(), positions.cuda()

    def reset():
        query.copy_(given[0])
        key.copy_(given[1])

    return Case(
        [None],
        reset,
        lambda: [result("query", query, wanted[0]), result("key", key, wanted[1])],
        [
            Contender(
                "slipstream",
                "",
                lambda _: slipstream.apply_rope_with_cos_sin_cache_inplace(
                    pos_ids, *flat, WIDTH, cache, False
                ),
            ),
            Contender(
                "sglang apply_rope",
                "sglang",
                lambda _: sglang("attention.rope.apply_rope_with_cos_sin_cache_inplace")(
                    query, key, cache, pos_ids, is_neox=False
                ),
            ),
            Contender(
                "flashinfer apply_rope",
                "flashinfer",
                lambda _: flashinfer("rope.apply_rope_with_cos_sin_cache_inplace")(
                    pos_ids, *flat, WIDTH, cache, False
                ),
            ),
        ],
        tokens * 4 * (HEADS + 1) * WIDTH,
    )


def rope_quant(row, copies):
    del copies
    tokens = row.tokens
    parts = {
        "q_rope": normal(tokens, HEADS, WIDTH),
        "k_rope": normal(tokens, WIDTH),
        "q_nope": normal(tokens, HEADS, LATENT),
        "k_nope": normal(tokens, LATENT),
    }
    outputs = {
        f"{name}_out": zeros(*part.shape, dtype=torch.float8_e4m3fn) for name, part in parts.items()
    }
    table, positions = rotation_table(POSITIONS, WIDTH), _positions(tokens)
    tables = {"cos_sin_cache": torch.from_numpy(table).float().cuda(), "pos_ids": positions.cuda()}
    wanted = {name: on_host(part) for name, part in parts.items()}
    wanted["q_rope"] = rotate(wanted["q_rope"], table, positions.numpy(), True)
    wanted["k_rope"] = rotate(wanted["k_rope"][:, None], table, positions.numpy(), True)[:, 0]

    def call(function):
        return lambda _: function()(**parts, **tables, **outputs, is_neox=False, enable_pdl=True)

    return Case(
        [None],
        lambda: wipe(*outputs.values()),
        lambda: [result(f"{name}_out", outputs[f"{name}_out"], wanted[name]) for name in wanted],
        [
            Contender("slipstream", "", call(lambda: slipstream.mla_rope_quantize_fp8)),
            Contender(
                "flashinfer mla_rope_quantize_fp8",
                "flashinfer",
                call(lambda: flashinfer("rope.mla_rope_quantize_fp8")),
            ),
        ],
        tokens * 3 * (HEADS + 1) * (LATENT + WIDTH),
    )
