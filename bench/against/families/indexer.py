"""Index scores of a paged cache of e4m3 keys, and the choice of the 2048 best."""

import numpy as np
import references
import torch
from cases import Case, Contender, normal, on_host, random, rotated, wipe, zeros
from rivals import deep_gemm, flashinfer, sglang
from slipstream import _step

HEADS, WIDTH, TOPK, ROPE = 64, 128, 2048, 64
CONSTANT = (HEADS * WIDTH) ** -0.5
PAGE = _step.PAGE_SIZE


class _Pages:
    """A table of pages in a random order; sequences follow each other."""

    def __init__(self, tokens, context):
        count = tokens * context // PAGE
        self.table = torch.randperm(count, generator=random).int().view(tokens, -1)
        self.device = self.table.cuda()
        positions = torch.full((tokens,), context - 1, dtype=torch.int32)
        self.rows = _step.step_rows(positions).cuda()
        self.positions = positions.long().cuda()
        self.lengths = torch.full((tokens,), context, dtype=torch.int32).cuda()
        self.count = count

    def slots(self, token, positions):
        table = self.table[token].numpy()
        return table[positions // PAGE] * PAGE + positions % PAGE


class _Keys:
    """Pages of 64 keys and then 64 scales, as the engine and SGLang keep them."""

    DISTINCT = 2048  # pages of codes; scales are all random

    def __init__(self, pages):
        made = min(pages.count, self.DISTINCT)
        codes = torch.randn(made, PAGE, WIDTH, generator=random).to(torch.float8_e4m3fn)
        self._scales = torch.rand(pages.count, PAGE, generator=random) + 0.5
        self._codes = codes.view(torch.uint8).flatten(1)
        repeated = self._codes.repeat(-(-pages.count // made), 1)[: pages.count]
        scales = self._scales.view(torch.uint8).view(pages.count, -1)
        self.cache = torch.cat([repeated, scales], 1).cuda()

    def of(self, table):
        """[keys, width] of a row of the page table."""
        table = table.long()
        codes = self._codes[table % len(self._codes)].view(torch.float8_e4m3fn)
        numbers = on_host(codes).reshape(-1, PAGE, WIDTH)
        return (numbers * on_host(self._scales[table])[..., None]).reshape(-1, WIDTH)


class _Queries:
    """Codes and weights of the index heads, as they are quantized."""

    def __init__(self, queries, gates, power_of_two):
        codes, scales = references.quantize_groups(queries, power_of_two=power_of_two)
        self.codes, self.weights = codes, gates * scales[..., 0] * CONSTANT

    def scores(self, keys):
        parts = zip(self.codes, self.weights, keys, strict=True)
        return np.stack([references.index_scores(*part) for part in parts])


class _Scoring:
    """Operands of scores. Ours rotates, transforms and quantizes queries; rivals get parts of that done."""

    def __init__(self, row, copies):
        tokens = row.tokens
        self.pages = _Pages(tokens, row.context)
        keys = _Keys(self.pages)
        self.caches = rotated(keys.cache, copies)
        self.queries, self.gates = normal(tokens, HEADS, WIDTH), normal(tokens, HEADS)
        self.gates_float = self.gates.cpu().float().cuda()
        self.scores = zeros(tokens, row.context, dtype=torch.float32)
        table = references.rotation_table(row.context, ROPE)
        self.rope = torch.from_numpy(table).float().cuda()
        positions = self.pages.positions.cpu().numpy()
        queries, gates = on_host(self.queries), on_host(self.gates)
        turned = references.rotate(queries[..., :ROPE], table, positions, True)
        turned = np.concatenate([turned, queries[..., ROPE:]], -1)
        transformed = references.hadamard(references.round_bf16(turned))
        self.quantized = _Queries(references.round_bf16(transformed), gates, power_of_two=True)
        keys = [keys.of(table_row) for table_row in self.pages.table]
        self.expected = self.quantized.scores(keys)
        # SGLang leaves the transform out: the products are the same, their rounding is not.
        self.expected_plain = _Queries(turned, gates, power_of_two=False).scores(keys)

    def ours(self, cache):
        _step.score_keys(
            self.queries,
            self.gates_float,
            self.rope,
            True,
            TOPK,
            self.pages.rows,
            self.pages.device,
            cache,
            self.scores,
            None,
        )


class _DeepGemmLogits:
    """Its paged logits; the schedule is made once, as for all layers of a step."""

    def __init__(self, scoring, context):
        self.scoring, self.context = scoring, context
        codes = torch.from_numpy(scoring.quantized.codes).to(torch.float8_e4m3fn)
        self.queries = codes[:, None].cuda()
        self.weights = torch.from_numpy(scoring.quantized.weights).float().cuda()
        self.lengths = scoring.pages.lengths[:, None].contiguous()
        self.schedule = None

    def run(self, cache):
        """Of queries that are quantized already."""
        return self._multiply(cache, self.queries, self.weights)

    def run_all(self, cache):
        """After SGLang's kernel for queries."""
        queries, weights = sglang("attention.dsa.indexer_q.fused_q_indexer_rope_first_quant")(
            self.scoring.queries,
            self.scoring.gates,
            CONSTANT,
            self.scoring.rope,
            self.scoring.pages.positions,
        )
        return self._multiply(cache, queries[:, None], weights[..., 0])

    def _multiply(self, cache, queries, weights):
        if self.schedule is None:
            processors = torch.cuda.get_device_properties(0).multi_processor_count
            self.schedule = deep_gemm("get_paged_mqa_logits_metadata")(
                self.lengths, PAGE, processors
            )
        return deep_gemm("fp8_paged_mqa_logits")(
            queries,
            cache.view(-1, PAGE, 1, WIDTH + 4),
            weights,
            self.lengths,
            self.scoring.pages.device,
            self.schedule,
            self.context,
            False,
        )


def _score_bytes(row):
    return row.tokens * (row.context * (WIDTH + 4 + 4) + HEADS * WIDTH * 2)


def scores(row, copies):
    scoring = _Scoring(row, copies)
    rival = _DeepGemmLogits(scoring, row.context)
    returned = [scoring.scores, scoring.expected]

    def reset():
        wipe(scoring.scores)
        returned[:] = scoring.scores, scoring.expected

    def keep(function, expected):
        def call(cache):
            returned[:] = function(cache), expected

        return call

    def results():
        found, wanted = returned
        return [("scores", on_host(found)[:, : row.context], wanted, 2e-3)]

    return Case(
        scoring.caches,
        reset,
        results,
        [
            Contender("slipstream score_keys", "", scoring.ours),
            Contender(
                "sglang query kernel + deepgemm logits",
                "sglang deep_gemm",
                keep(rival.run_all, scoring.expected_plain),
                remark="without Hadamard transform",
            ),
            Contender(
                "deepgemm fp8_paged_mqa_logits",
                "deep_gemm",
                keep(rival.run, scoring.expected),
                remark="queries quantized before",
            ),
        ],
        _score_bytes(row),
        calls=100,
    )


class _Selection:
    """The lists, ours and the rivals', and the sets that they must be."""

    def __init__(self, tokens, pages, wanted):
        self.pages, self.wanted = pages, wanted
        self.lists = zeros(tokens, TOPK, dtype=torch.int32)
        self.returned = self.lists
        self.returns_slots = True

    def reset(self):
        wipe(self.lists)
        self.returned, self.returns_slots = self.lists, True

    def results(self):
        """Keys as what is compared: 0 where the list has exactly the wanted ones."""
        found = np.sort(self.returned.cpu().numpy().astype(float), -1)
        wanted = [
            np.sort(self.pages.slots(token, keys) if self.returns_slots else keys)
            for token, keys in enumerate(self.wanted)
        ]
        return [("list", found, np.stack(wanted).astype(float), 0.0)]


def best(scores):
    """The positions of the TOPK best of each row."""
    return [np.argpartition(-row, TOPK - 1)[:TOPK] for row in scores]


class _SglangTopk:
    def __init__(self, selection):
        self.selection, self.plan = selection, None

    def run(self, scores):
        pages = self.selection.pages
        if self.plan is None:  # once for all layers of a step
            self.plan = sglang("attention.dsv4.topk.plan_topk_v2")(pages.lengths)
        sglang("attention.dsv4.topk.topk_transform_paged_v2")(
            scores, pages.lengths, pages.device, self.selection.lists, PAGE, self.plan
        )


def topk(row, copies):
    tokens, context = row.tokens, row.context
    pages = _Pages(tokens, context)
    values = torch.randn(tokens, context, generator=random)
    selection = _Selection(tokens, pages, best(values.numpy()))
    sglang_topk = _SglangTopk(selection)
    given = rotated(values.cuda(), copies)

    def fast_topk(scores):
        selection.returned = sglang("attention.fast_topk.fast_topk")(scores, pages.lengths, TOPK)
        selection.returns_slots = False

    def deep_select(scores):
        sglang("attention.deep_select.topk_page_transform")(
            scores,
            TOPK,
            page_table=pages.device,
            page_size=PAGE,
            end=pages.lengths,
            output_idx=selection.lists,
        )

    def by_flashinfer(scores):
        flashinfer("topk.top_k_page_table_transform")(
            scores,
            pages.device,
            pages.lengths,
            TOPK,
            dsa_graph_safe=True,
            page_size=PAGE,
            out=selection.lists,
        )

    return Case(
        given,
        selection.reset,
        selection.results,
        [
            Contender(
                "slipstream select_keys",
                "",
                lambda scores: _step.select_keys(
                    scores, pages.rows, pages.device, selection.lists, None
                ),
                remark="sorted by position",
            ),
            Contender("sglang topk_v2", "sglang", sglang_topk.run, remark="unsorted"),
            Contender("sglang deep_select", "sglang", deep_select, remark="unsorted"),
            Contender("sglang fast_topk", "sglang", fast_topk, remark="unsorted, positions"),
            Contender(
                "flashinfer top_k_page_table_transform",
                "flashinfer",
                by_flashinfer,
                remark="unsorted",
            ),
        ],
        row.tokens * (4 * context + 4 * TOPK),
    )


def indexer(row, copies):
    scoring = _Scoring(row, copies)
    selection = _Selection(row.tokens, scoring.pages, best(scoring.expected))
    plain = best(scoring.expected_plain)
    rival, rival_topk = _DeepGemmLogits(scoring, row.context), _SglangTopk(selection)
    wanted = [selection.wanted]

    def reset():
        selection.reset()
        wanted[0] = selection.wanted

    def ours(cache):
        scoring.ours(cache)
        _step.select_keys(
            scoring.scores, scoring.pages.rows, scoring.pages.device, selection.lists, None
        )

    def theirs(cache):
        rival_topk.run(rival.run_all(cache))
        wanted[0] = plain

    def results():
        """How many of the wanted keys are in the lists: near the border rounding decides."""
        lists = selection.lists.cpu().numpy()
        found = [
            np.isin(scoring.pages.slots(token, keys), lists[token]).sum()
            for token, keys in enumerate(wanted[0])
        ]
        return [("wanted keys", np.array(found, float), np.full(row.tokens, float(TOPK)), 5e-3)]

    return Case(
        scoring.caches,
        reset,
        results,
        [
            Contender("slipstream score_keys + select_keys", "", ours),
            Contender(
                "sglang query kernel + deepgemm logits + sglang topk_v2",
                "sglang deep_gemm",
                theirs,
                remark="without Hadamard transform",
            ),
        ],
        _score_bytes(row) + row.tokens * (4 * row.context + 4 * TOPK),
        calls=100,
    )
