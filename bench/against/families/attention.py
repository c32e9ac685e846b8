"""Sparse attention of one rank's heads over 2048 latent rows of 656 bytes, and the heads' values."""

import numpy as np
import references
import torch
from cases import Case, Contender, normal, on_host, random, rotated, wipe, zeros
from references import GROUP
from rivals import bundled
from slipstream import _step

HEADS, LATENT, ROPE, NOPE, VALUE, TOPK = 16, 512, 64, 128, 128, 2048
PAGE, ROW_BYTES = _step.PAGE_SIZE, 656
FLASH_MLA_HEADS = 64  # that it computes at least
SCALE = (NOPE + ROPE) ** -0.5


class _Cache:
    """Rows of 512 codes, four scales and 64 numbers of bfloat16; many are repeated."""

    DISTINCT = 65536

    def __init__(self, slots):
        made = min(slots, self.DISTINCT)
        codes = torch.randn(made, LATENT, generator=random).to(torch.float8_e4m3fn)
        scales = torch.rand(made, LATENT // GROUP, generator=random) + 0.5
        rope = torch.randn(made, ROPE, generator=random).bfloat16()
        self._parts = codes, scales, rope
        rows = torch.cat([part.view(torch.uint8) for part in self._parts], 1)
        self.bytes = rows.repeat(-(-slots // made), 1)[:slots].cuda()

    def rows(self, slots):
        codes, scales, rope = (on_host(part[slots % len(part)]) for part in self._parts)
        return np.concatenate([codes * np.repeat(scales, GROUP, -1), rope], -1)


class _FlashMla:
    def __init__(self, queries, lists, weights):
        tokens = queries.shape[0]
        padded = torch.zeros(tokens, 1, FLASH_MLA_HEADS, LATENT + ROPE, dtype=torch.bfloat16)
        padded[:, 0, :HEADS] = torch.from_numpy(queries)
        self.queries = padded.cuda()
        self.lists = lists[:, None]
        self.weights = weights
        self.schedule = None

    def run(self, cache):
        """[tokens, heads, 512]"""
        if self.schedule is None:  # once for all layers of a step
            self.schedule, _ = bundled("flash_mla", "get_mla_metadata")()
        output, _ = bundled("flash_mla", "flash_mla_with_kvcache")(
            self.queries,
            cache.view(-1, PAGE, 1, ROW_BYTES),
            None,
            None,
            LATENT,
            self.schedule,
            None,
            SCALE,
            is_fp8_kvcache=True,
            indices=self.lists,
        )
        return output[:, 0, :HEADS]

    def values(self, cache):
        """[tokens, heads, 128]"""
        latent = self.run(cache)
        return torch.bmm(latent.transpose(0, 1), self.weights).transpose(0, 1)


def attend(row, copies):
    tokens, context = row.tokens, row.context
    slots = tokens * context
    cache = _Cache(slots)
    caches = rotated(cache.bytes, copies)
    pages = torch.arange(slots // PAGE, dtype=torch.int32).view(tokens, -1).cuda()
    position = context - 1
    step_rows = _step.step_rows(torch.full((tokens,), position, dtype=torch.int32)).cuda()
    lists = torch.stack(
        [
            torch.randperm(context, generator=random)[:TOPK].sort().values + token * context
            for token in range(tokens)
        ]
    ).int()
    absorbed, queries = normal(tokens, HEADS, LATENT), normal(tokens, HEADS, NOPE + ROPE)
    table = references.rotation_table(context, ROPE)
    rope = torch.from_numpy(table).float().cuda()
    w_uv = torch.randn(HEADS * VALUE, LATENT, generator=random).mul(LATENT**-0.5).bfloat16()
    packed = _step.pack(w_uv)
    packed.tiles = packed.tiles.cuda()
    splits = _step.attention_splits(tokens, HEADS, TOPK)
    partials = zeros(tokens, HEADS, splits, LATENT, dtype=torch.float32)
    part_weights = zeros(tokens, HEADS, splits, 2, dtype=torch.float32)
    output = zeros(tokens, HEADS * VALUE)
    device_lists = lists.cuda()

    positions = np.full(tokens, position)
    rotated_part = references.rotate(on_host(queries)[..., NOPE:], table, positions, True)
    full_queries = np.concatenate([on_host(absorbed), rotated_part], -1)
    latent = np.stack(
        [
            references.attention(full_queries[token], keys, keys[:, :LATENT], SCALE)
            for token, keys in ((token, cache.rows(lists[token].long())) for token in range(tokens))
        ]
    )
    per_head = on_host(w_uv).reshape(HEADS, VALUE, LATENT)
    values = np.einsum("thl,hvl->thv", latent, per_head)
    rival_weights = w_uv.view(HEADS, VALUE, LATENT).transpose(1, 2).cuda()
    rival = _FlashMla(full_queries, device_lists, rival_weights)
    returned = [output, values]

    def reset():
        wipe(output)
        returned[:] = output, values

    def ours(given):
        _step.attend(
            absorbed,
            queries,
            rope,
            device_lists,
            step_rows,
            pages,
            given,
            SCALE,
            partials,
            part_weights,
            None,
        )
        _step.project_values(packed, partials, part_weights, output)

    def keep(function, wanted):
        def call(given):
            returned[:] = function(given), wanted

        return call

    def results():
        found, wanted = returned
        return [("output", on_host(found).reshape(wanted.shape), wanted, 1e-2)]

    return Case(
        caches,
        reset,
        results,
        [
            Contender("slipstream attend + project_values", "", ours),
            Contender("flash_mla + torch bmm", "flash_mla", keep(rival.values, values)),
            Contender("flash_mla", "flash_mla", keep(rival.run, latent), remark="without W_UV"),
        ],
        tokens * TOPK * (ROW_BYTES + 4) + 2 * w_uv.numel(),
        calls=100,
    )
