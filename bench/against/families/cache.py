"""Writes to the latent cache."""

import numpy as np
import slipstream
import torch
from cases import Case, Contender, normal, on_host, rotated, wipe, zeros
from rivals import sglang

LATENT, ROPE, SLOTS = 512, 64, 65536


def cache_write(row, copies):
    tokens = row.tokens
    nope, rope = normal(tokens, LATENT), normal(tokens, ROPE)
    caches = rotated(zeros(SLOTS, LATENT + ROPE), copies)
    slots = (torch.arange(tokens) * 37 + 5) * 101 % SLOTS
    loc = slots.cuda()
    expected = np.concatenate([on_host(nope), on_host(rope)], 1)

    def results():
        return [("rows of the cache", on_host(caches[0])[slots.numpy()], expected, 0.0)]

    def indexed(cache):
        cache[loc] = torch.cat([nope, rope], 1)

    return Case(
        caches,
        lambda: wipe(caches[0]),
        results,
        [
            Contender(
                "slipstream",
                "",
                lambda cache: slipstream.set_mla_kv_buffer(cache, loc, nope, rope),
            ),
            Contender(
                "sglang set_mla_kv_buffer",
                "sglang",
                lambda cache: sglang("kvcache.set_mla_kv_buffer.set_mla_kv_buffer")(
                    cache, loc, nope, rope
                ),
            ),
            Contender("torch cat, index_put", "torch", indexed),
        ],
        tokens * (4 * (LATENT + ROPE) + 8),
    )
