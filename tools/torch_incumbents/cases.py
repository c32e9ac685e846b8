"""One function per operator: its operands at the sizes of DeepSeek-V3.2, Slipstream's call and the rivals'."""

import dataclasses
from collections.abc import Callable

import slipstream
import torch
from operands import (
    compared,
    normal,
    on_host,
    rotate_interleaved,
    rotated,
    rotation_table,
    zeros,
)
from rivals import flashinfer, sglang

HIDDEN, EXPERTS, FUSED_A = 7168, 256, 2112
HEADS, LATENT, ROPE = 128, 512, 64
INDEX_HEADS = 64
SLOTS, POSITIONS = 65536, 4096


@dataclasses.dataclass
class Contender:
    name: str
    call: Callable  # of one of the case's arguments
    precision: torch.dtype | None = None  # of what it computes, where the output is wider


@dataclasses.dataclass
class Case:
    name: str
    rows: int
    arguments: list  # what rotates; the first is what is compared
    reset: Callable  # before each contender: outputs are wiped, inputs are as they were
    compare: Callable  # of the contender's precision: None, or what is wrong
    contenders: list


def _positions(rows):
    return torch.arange(rows, dtype=torch.int64) * 37 + 5


def dsv3_router_gemm(rows, copies):
    hidden = normal(rows, HIDDEN)
    weights = rotated(lambda: normal(EXPERTS, HIDDEN, scale=HIDDEN**-0.5), copies)
    output = zeros(rows, EXPERTS, dtype=torch.float32)
    expected = on_host(hidden) @ on_host(weights[0]).T
    return Case(
        "dsv3_router_gemm [256 x 7168], fp32",
        rows,
        weights,
        lambda: output.copy_(torch.zeros(rows, EXPERTS)),
        lambda precision: compared([("output", output, expected)], precision),
        [
            Contender(
                "slipstream",
                lambda weight: slipstream.dsv3_router_gemm(hidden, weight, output=output),
            ),
            Contender(
                "flashinfer mm_M1_16_K7168",
                lambda weight: flashinfer("gemm.mm_M1_16_K7168_N256")(
                    hidden, weight.t(), output, launch_with_pdl=True
                ),
            ),
            Contender(
                "sglang tiny_gemm_bf16",
                lambda weight: sglang("gemm.tiny_gemm.tiny_gemm_bf16")(hidden, weight, output),
            ),
            Contender(
                "torch mm, then to fp32",
                lambda weight: output.copy_(torch.mm(hidden, weight.t())),
                torch.bfloat16,
            ),
        ],
    )


def dsv3_fused_a_gemm(rows, copies):
    hidden = normal(rows, HIDDEN)
    weights = rotated(lambda: normal(FUSED_A, HIDDEN, scale=HIDDEN**-0.5), copies)
    results = [zeros(rows, FUSED_A)]
    expected = on_host(hidden) @ on_host(weights[0]).T

    def keep(result):
        results[0] = result

    return Case(
        "dsv3_fused_a_gemm [2112 x 7168], bf16",
        rows,
        weights,
        lambda: keep(zeros(rows, FUSED_A)),
        lambda _: compared([("output", results[0], expected)]),
        [
            Contender(
                "slipstream",
                lambda weight: slipstream.dsv3_fused_a_gemm(hidden, weight.t(), results[0]),
            ),
            # With an output given it would copy into it.
            Contender(
                "sglang dsv3_fused_a_gemm",
                lambda weight: keep(
                    sglang("gemm.fused_a_gemm.dsv3_fused_a_gemm")(hidden, weight.t())
                ),
            ),
            Contender(
                "flashinfer tinygemm_bf16",
                lambda weight: flashinfer("gemm.tinygemm_bf16")(
                    hidden, weight, results[0], use_pdl=True
                ),
            ),
            Contender("torch mm", lambda weight: torch.mm(hidden, weight.t(), out=results[0])),
        ],
    )


def set_mla_kv_buffer(rows, copies):
    nope, rope = normal(rows, LATENT), normal(rows, ROPE)
    caches = rotated(lambda: zeros(SLOTS, LATENT + ROPE), copies)
    loc = (_positions(rows) * 101 % SLOTS).cuda()
    expected = torch.cat([on_host(nope), on_host(rope)], 1)

    def compare(_):
        same = torch.equal(on_host(caches[0])[loc.cpu()], expected)
        return None if same else "rows of the cache are not those that were given"

    def call(function):
        return lambda cache: function(cache, loc, nope, rope)

    def indexed(cache):
        cache[loc] = torch.cat([nope, rope], 1)

    return Case(
        "set_mla_kv_buffer 512 + 64, bf16",
        rows,
        caches,
        lambda: caches[0].copy_(torch.zeros(SLOTS, LATENT + ROPE)),
        compare,
        [
            Contender("slipstream", call(slipstream.set_mla_kv_buffer)),
            Contender(
                "sglang set_mla_kv_buffer",
                lambda cache: sglang("kvcache.set_mla_kv_buffer.set_mla_kv_buffer")(
                    cache, loc, nope, rope
                ),
            ),
            Contender("torch cat, index_put", indexed),
        ],
    )


def mla_rope_quantize_fp8(rows, copies):
    del copies  # all of it is new in each step of a model
    parts = {
        "q_rope": normal(rows, HEADS, ROPE),
        "k_rope": normal(rows, ROPE),
        "q_nope": normal(rows, HEADS, LATENT),
        "k_nope": normal(rows, LATENT),
    }
    outputs = {
        f"{name}_out": zeros(*part.shape, dtype=torch.float8_e4m3fn) for name, part in parts.items()
    }
    table, positions = rotation_table(POSITIONS, ROPE), _positions(rows)
    on_device = {"cos_sin_cache": table.cuda(), "pos_ids": positions.cuda()}
    host = {name: on_host(part) for name, part in parts.items()}
    host["q_rope"] = rotate_interleaved(host["q_rope"], table, positions)
    host["k_rope"] = rotate_interleaved(host["k_rope"][:, None], table, positions)[:, 0]

    def call(function):
        return lambda _: function()(**parts, **on_device, **outputs, is_neox=False, enable_pdl=True)

    def reset():
        for output in outputs.values():
            output.copy_(torch.zeros(output.shape).to(torch.float8_e4m3fn))

    return Case(
        "mla_rope_quantize_fp8, 128 heads",
        rows,
        [None],
        reset,
        lambda _: compared((f"{name}_out", outputs[f"{name}_out"], host[name]) for name in host),
        [
            Contender("slipstream", call(lambda: slipstream.mla_rope_quantize_fp8)),
            Contender(
                "flashinfer mla_rope_quantize",
                call(lambda: flashinfer("rope.mla_rope_quantize_fp8")),
            ),
        ],
    )


def apply_rope_with_cos_sin_cache_inplace(rows, copies):
    del copies
    given = [torch.randn(rows, heads, ROPE).bfloat16() for heads in (HEADS, 1)]
    query, key = (tensor.cuda() for tensor in given)
    flat = [tensor.view(rows, -1) for tensor in (query, key)]
    table, positions = rotation_table(POSITIONS, ROPE), _positions(rows)
    expected = [rotate_interleaved(tensor, table, positions) for tensor in given]
    cache, pos_ids = table.cuda(), positions.cuda()

    def reset():
        query.copy_(given[0])
        key.copy_(given[1])

    return Case(
        "apply_rope_with_cos_sin_cache, 128 + 1",
        rows,
        [None],
        reset,
        lambda _: compared([("query", query, expected[0]), ("key", key, expected[1])]),
        [
            Contender(
                "slipstream",
                lambda _: slipstream.apply_rope_with_cos_sin_cache_inplace(
                    pos_ids, *flat, ROPE, cache, False
                ),
            ),
            Contender(
                "flashinfer apply_rope",
                lambda _: flashinfer("rope.apply_rope_with_cos_sin_cache_inplace")(
                    pos_ids, *flat, ROPE, cache, False
                ),
            ),
            Contender(
                "sglang apply_rope",
                lambda _: sglang("attention.rope.apply_rope_with_cos_sin_cache_inplace")(
                    query, key, cache, pos_ids, is_neox=False
                ),
            ),
        ],
    )


def per_token_group_quant_8bit(rows, copies):
    del copies
    hidden, group = normal(rows, HIDDEN), 128
    codes = zeros(rows, HIDDEN, dtype=torch.float8_e4m3fn)
    scales = zeros(rows, HIDDEN // group, dtype=torch.float32)

    def compare(_):
        values = on_host(codes) * on_host(scales).repeat_interleave(group, 1)
        # As precise as its codes.
        return compared([("codes * scales", _Values(values), on_host(hidden))])

    def reset():
        codes.copy_(torch.zeros(codes.shape).to(torch.float8_e4m3fn))
        scales.copy_(torch.zeros(scales.shape))

    return Case(
        "per_token_group_quant_8bit 7168 / 128",
        rows,
        [None],
        reset,
        compare,
        [
            Contender(
                "slipstream",
                lambda _: slipstream.per_token_group_quant_8bit(hidden, codes, scales, group),
            ),
            Contender(
                "sglang per_token_group_quant",
                lambda _: sglang("quantization.per_token_group_quant.per_token_group_quant")(
                    hidden, codes, scales, group
                ),
            ),
        ],
    )


class _Values:
    """Values that were computed on the host from codes of e4m3."""

    dtype = torch.float8_e4m3fn

    def __init__(self, values):
        self._values = values

    def cpu(self):
        return self._values


def apply_q_scale_and_softmax_scale(rows, copies):
    del copies
    weights = normal(rows, INDEX_HEADS, dtype=torch.float32)
    scales = normal(rows, INDEX_HEADS, 1, dtype=torch.float32)
    softmax_scale = ROPE**-0.5
    results = [zeros(rows, INDEX_HEADS, 1, dtype=torch.float32)]
    expected = on_host(weights)[..., None] * on_host(scales) * softmax_scale

    def keep(result):
        results[0] = result

    def plain(weights, scales):
        return weights.unsqueeze(-1) * scales * softmax_scale

    compiled = torch.compile(plain, dynamic=True)  # as SGLang does
    return Case(
        "apply_q_scale_and_softmax_scale, 64",
        rows,
        [None],
        lambda: keep(zeros(rows, INDEX_HEADS, 1, dtype=torch.float32)),
        lambda _: compared([("output", results[0], expected)]),
        [
            Contender(
                "slipstream",
                lambda _: slipstream.apply_q_scale_and_softmax_scale(
                    weights, scales, softmax_scale, results[0]
                ),
            ),
            Contender("torch.compile", lambda _: keep(compiled(weights, scales))),
            Contender("torch", lambda _: keep(plain(weights, scales))),
        ],
    )


CASES = (
    dsv3_router_gemm,
    dsv3_fused_a_gemm,
    set_mla_kv_buffer,
    mla_rope_quantize_fp8,
    apply_rope_with_cos_sin_cache_inplace,
    per_token_group_quant_8bit,
    apply_q_scale_and_softmax_scale,
)
