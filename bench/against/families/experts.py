"""Routed experts as one rank of eight of DeepSeek-V3.2 has them. No two of the tokens choose the same expert."""

import itertools
import json
import pathlib

import numpy as np
import references
import torch
from cases import Case, Contender, normal, on_host, wipe, zeros
from references import GROUP
from rivals import function, sglang
from slipstream import _step

from families.blocks import Blocks, random_blocks, random_scales

HIDDEN, WIDTH, EXPERTS, CHOICES, GROUPS, KEPT_GROUPS, SCALING = 7168, 256, 256, 8, 8, 4, 2.5
# Its tensor cores sum e4m3 products to some 14 bits: 1 in 50 of the numbers that are then rounded to
# e4m3 falls on the neighbor, which is 1/16 away. 0.010 to 0.013 on an H200.
SGLANG_TOLERANCE = 2e-2
DISTINCT = 4  # matrices of codes; each expert has one of them, with scales of its own


class _Weights:
    """A matrix of all experts, in everybody's form; `banded`: in ours of down projections."""

    def __init__(self, rows, columns, banded):
        self.codes = [random_blocks(rows, columns).codes for _ in range(DISTINCT)]
        self.scales = torch.stack([random_scales(rows, columns) for _ in range(EXPERTS)])
        self.plain = torch.empty(EXPERTS, rows, columns, dtype=torch.float8_e4m3fn, device="cuda")
        for expert in range(EXPERTS):
            self.plain[expert].copy_(self.codes[expert % DISTINCT])
        self.plain_scales = self.scales.cuda()
        self.packed = self._banded(rows) if banded else self._tiled(rows)

    def _tiled(self, rows):
        packed = [_step.pack(codes, self.scales[0]).tiles for codes in self.codes]
        tiles = torch.cat([packed[expert % DISTINCT] for expert in range(EXPERTS)])
        tile_scales = self.scales.repeat_interleave(GROUP // 16, 1)[:, : rows // 16]
        scales = tile_scales.reshape(-1, tile_scales.shape[-1]).contiguous()
        return _step.Matrix(tiles.cuda(), scales.cuda(), rows)

    def _banded(self, rows):
        experts = [
            _step.pack_bands(self.codes[expert % DISTINCT], self.scales[expert]).tiles
            for expert in range(EXPERTS)
        ]
        return _step.Matrix(torch.cat(experts).cuda(), None, rows)

    def numbers(self, expert):
        return Blocks(self.codes[expert % DISTINCT], self.scales[expert]).numbers()


class _Routing:
    """Logits by which the tokens choose experts `first` and on: a pair in each of four groups."""

    def __init__(self, tokens, turn):
        size = EXPERTS // GROUPS
        self.ids = np.zeros((tokens, CHOICES), int)
        for token in range(tokens):
            number = (token + turn * tokens) % (EXPERTS // CHOICES)
            half, pair = number % 2, number // 2
            groups = half * KEPT_GROUPS + np.arange(KEPT_GROUPS)
            self.ids[token] = (groups[:, None] * size + 2 * pair + np.arange(2)).ravel()
        logits = np.random.default_rng(turn).normal(-2, 0.3, (tokens, EXPERTS))
        chosen = np.random.default_rng(turn + 1).uniform(0.5, 2, (tokens, CHOICES))
        np.put_along_axis(logits, self.ids, chosen, 1)
        logits = logits.astype(np.float32).astype(float)
        gates = 1 / (1 + np.exp(-np.take_along_axis(logits, self.ids, 1)))
        self.weights = SCALING * gates / gates.sum(-1, keepdims=True)
        self.logits = torch.from_numpy(logits).float().cuda()
        self.device_ids = torch.from_numpy(self.ids).int().cuda()
        self.device_weights = torch.from_numpy(self.weights).float().cuda()
        self.aligned = None  # SGLang's order of tokens by experts, once it is made


def _configuration(tokens, suffix):
    """SGLang's newest tuning for an H200 and this many tokens, the nearest that its file has.

    It is of 257 experts, since SGLang adds the shared one to them.
    """
    package = pathlib.Path(function("sglang.kernels.__file__")).parent.parent
    folder = package / "srt/layers/moe/moe_runner/triton_utils/configs"
    name = (
        f"E={EXPERTS + 1},N={WIDTH},device_name=NVIDIA_H200,dtype=fp8_w8a8,block_shape=[128, 128]"
    )
    files = sorted(each / f"{name}{suffix}.json" for each in folder.glob("triton_*"))
    files = [file for file in files if file.is_file()]
    if not files:
        raise RuntimeError(f"no file {name}{suffix}.json below {folder}")
    table = {
        int(key): value
        for key, value in json.loads(files[-1].read_text(encoding="utf-8")).items()
        if key.isdigit()
    }
    return table[min(table, key=lambda key: abs(key - tokens))]


class _SglangExperts:
    """Its kernels: alignment, quantization, w13, SiLU and quantization, w2, sum."""

    def __init__(self, tokens, gate_up, down):
        self.tokens, self.gate_up, self.down = tokens, gate_up, down
        self.pairs = tokens * CHOICES
        self.codes = zeros(tokens, HIDDEN, dtype=torch.float8_e4m3fn)
        self.scales = zeros(tokens, HIDDEN // GROUP, dtype=torch.float32)
        self.second = zeros(tokens, CHOICES, HIDDEN)
        self.cumulated = zeros(EXPERTS + 3, dtype=torch.int32)
        self.is_ready = False

    def prepare(self, hidden, routings):
        """At the first call, which no graph records: what depends on the tuning, and what `multiply` needs."""
        if self.is_ready:
            return
        self.up_config = _configuration(self.tokens, "")
        self.down_config = _configuration(self.tokens, "_down")
        self.up_config.pop("USE_TMA", None)
        self.by_tma = self.down_config.pop("USE_TMA", False)
        block = self.up_config["BLOCK_SIZE_M"]
        rows = self.pairs * block
        rows = rows if self.by_tma else self.pairs
        self.first = zeros(rows, 2 * WIDTH)
        self.active_codes = zeros(rows, WIDTH, dtype=torch.float8_e4m3fn)
        self.active_scales = zeros(rows, WIDTH // GROUP, dtype=torch.float32)
        self.quantize(hidden)
        for routing in routings:
            routing.aligned = tuple(
                zeros(size, dtype=torch.int32) for size in (self.pairs * block, self.pairs, 1)
            )
            self.align(routing)
        self.is_ready = True

    def align(self, routing):
        block = self.up_config["BLOCK_SIZE_M"]
        if self.pairs <= 64:
            small = sglang("moe.moe_align_small_numel.moe_align_small_numel")
            small(routing.device_ids, EXPERTS + 1, block, *routing.aligned)
        else:
            align = sglang("moe.moe_align.moe_align_block_size")
            ids = routing.device_ids
            align(ids, EXPERTS + 1, block, *routing.aligned, self.cumulated, True)

    def quantize(self, hidden):
        quantize = sglang("quantization.per_token_group_quant.per_token_group_quant")
        quantize(hidden, self.codes, self.scales, GROUP)

    def multiply(self, routing):
        quantize = sglang("quantization.per_token_group_quant.per_token_group_quant")
        up = {"c_sorted": True} if self.by_tma else {}
        self._launch((self.codes, self.scales), self.gate_up, self.first, routing, CHOICES, up)
        layout = {}
        if self.by_tma:
            layout = {
                "sorted_token_ids": routing.aligned[0],
                "num_tokens_post_padded": routing.aligned[2],
                "num_valid_tokens": self.pairs,
            }
        active = self.active_codes, self.active_scales
        quantize(self.first, *active, GROUP, fuse_silu_and_mul=True, **layout)
        down = {"a_use_tma": True, "b_use_tma": True} if self.by_tma else {}
        self._launch(active, self.down, self.second, routing, 1, down)

    def _launch(self, rows, weights, output, routing, top_k, options):
        is_down = weights is self.down
        sglang("moe.fused_moe_triton_kernels.invoke_fused_moe_kernel")(
            rows[0],
            weights.plain,
            None,
            output,
            rows[1],
            weights.plain_scales,
            None,
            routing.device_weights,
            routing.device_ids,
            *routing.aligned,
            is_down,
            top_k,
            self.down_config if is_down else self.up_config,
            compute_type=function("triton.language.bfloat16"),
            use_fp8_w8a8=True,
            use_int8_w8a8=False,
            use_int8_w8a16=False,
            use_int4_w4a16=False,
            per_channel_quant=False,
            block_shape=[GROUP, GROUP],
            **options,
        )

    def run(self, hidden, routing, output):
        self.align(routing)
        self.quantize(hidden)
        self.multiply(routing)
        sglang("moe.fused_moe_triton_kernels.moe_sum_reduce_triton")(self.second, output, 1.0)


def moe(row, copies):
    tokens = row.tokens
    hidden = normal(tokens, HIDDEN)
    gate_up, down = _Weights(2 * WIDTH, HIDDEN, False), _Weights(HIDDEN, WIDTH, True)
    shared = random_blocks(HIDDEN, WIDTH).banded()
    shared_rows = zeros(tokens, 2 * WIDTH)  # ours adds a shared expert: that of nothing
    bias = zeros(EXPERTS, dtype=torch.float32)
    choices = zeros(tokens, CHOICES, 2, dtype=torch.int32)
    activated = zeros(tokens, CHOICES, 2 * WIDTH)
    output = zeros(tokens, HIDDEN)
    turns = max(1, EXPERTS // CHOICES // tokens) if copies else 1
    routings = [_Routing(tokens, turn) for turn in range(turns)]
    routing = _step.Routing(GROUPS, KEPT_GROUPS, SCALING)
    rival = _SglangExperts(tokens, gate_up, down)

    rows = on_host(hidden)
    codes, scales = references.quantize_groups(rows)
    codes = torch.from_numpy(codes).to(torch.float8_e4m3fn)
    units = _step.code_units(codes, torch.from_numpy(scales).float()).cuda()
    expected = np.zeros((tokens, HIDDEN))
    for token, choice in itertools.product(range(tokens), range(CHOICES)):
        expert = routings[0].ids[token, choice]
        part = references.expert(rows[token], gate_up.numbers(expert), down.numbers(expert))
        expected[token] += routings[0].weights[token, choice] * part

    def ours(given):
        _step.routed_experts(
            given.logits, bias, routing, units, HIDDEN, gate_up.packed, choices, activated
        )
        _step.expert_down(choices, EXPERTS, activated, down.packed, shared_rows, shared, output)

    found = [lambda: on_host(output)]

    def six_kernels(given):
        rival.prepare(hidden, routings)
        rival.run(hidden, given, output)

    def three_kernels(given):
        rival.prepare(hidden, routings)
        rival.multiply(given)
        found[0] = lambda: on_host(rival.second).sum(1)

    def reset():
        wipe(output, rival.second)
        found[0] = lambda: on_host(output)

    chosen = tokens * CHOICES
    return Case(
        routings,
        reset,
        lambda: [("output", found[0](), expected, 1e-2)],
        [
            Contender(
                "slipstream routed_experts + expert_down",
                "",
                ours,
                remark="the router's launch has quantized",
            ),
            Contender(
                "sglang align, quant, w13, silu + quant, w2, sum",
                "sglang",
                six_kernels,
                tolerance=SGLANG_TOLERANCE,
                remark="without choice and shared expert",
            ),
            Contender(
                "sglang w13, silu + quant, w2",
                "sglang",
                three_kernels,
                tolerance=SGLANG_TOLERANCE,
                remark="without choice, alignment, quantization, sum, shared expert",
            ),
        ],
        chosen * 3 * WIDTH * HIDDEN + WIDTH * HIDDEN + 4 * tokens * HIDDEN,
        calls=48,
    )
