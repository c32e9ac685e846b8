"""The plug-in of SGLang against the signatures of SGLang 0.5.23: recorded here, and read from the package where
SLIPSTREAM_TEST_SGLANG names a folder with it. The package itself cannot be imported without a GPU."""

import ast
import inspect
import os
import pathlib
import sys
import types
import typing

import numpy
import pytest
from operands import Random, assert_same_bits, bits_of, filled, integers, needs_torch, torch
from slipstream import sglang

# Each target's parameters with defaults; "*" comes before those by name only.
RECORDED = {
    "sglang.kernels.ops.kvcache.mla_buffer.set_mla_kv_buffer_triton": (
        "kv_buffer, loc, cache_k_nope, cache_k_rope, *, reserved_skip_index=0"
    ),
    "sglang.kernels.ops.kvcache.set_mla_kv_buffer.set_mla_kv_buffer": (
        "kv_buffer, loc, cache_k_nope, cache_k_rope, num_warps=0, *, reserved_skip_index=0"
    ),
    "sglang.kernels.ops.gemm.fused_a_gemm.dsv3_fused_a_gemm": (
        "mat_a, mat_b, output=None, backend=FusedAGemmBackend.AUTO"
    ),
    "sglang.kernels.ops.gemm.tiny_gemm.tiny_gemm_bf16": (
        "x, w, out=None, *, out_dtype=None, n_split=None, max_m=16"
    ),
    "sglang.kernels.ops.attention.rope.apply_rope_with_cos_sin_cache_inplace": (
        "q, k, cos_sin_cache, positions, *, is_neox, rope_dim=0, fused_args=None"
    ),
    "sglang.srt.layers.attention.dsa.dsa_indexer.Indexer._apply_q_scale_and_softmax_scale": (
        "self, weights, q_scale"
    ),
}
TARGETS = [target for _, targets in sglang.REPLACEMENTS.values() for target in targets]


def hook_of(target):
    return next(hook for hook, targets in sglang.REPLACEMENTS.values() if target in targets)


def test_every_target_has_a_recorded_signature():
    assert sorted(TARGETS) == sorted(RECORDED)


@pytest.mark.parametrize("target", TARGETS)
def test_a_hook_takes_whatever_its_target_takes(target):
    theirs = ast.parse(f"def f({RECORDED[target]}): pass").body[0].args
    ours = inspect.signature(hook_of(target)).parameters
    positional = [a.arg for a in theirs.args]
    if positional[0] == "self":
        positional[0] = "indexer"
    assert [*ours][: 1 + len(positional)] == ["original", *positional]
    for keyword in theirs.kwonlyargs:
        assert ours[keyword.arg].kind in (
            inspect.Parameter.KEYWORD_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )


PACKAGE = os.environ.get("SLIPSTREAM_TEST_SGLANG")


@pytest.mark.skipif(PACKAGE is None, reason="SLIPSTREAM_TEST_SGLANG names no package")
@pytest.mark.parametrize("target", TARGETS)
def test_the_recorded_signature_is_that_of_the_package(target):
    module, name = target.rsplit(".", 1)
    path = pathlib.Path(PACKAGE) / (module.replace(".", "/") + ".py")
    if not path.exists():  # a method
        path = pathlib.Path(PACKAGE) / (module.rsplit(".", 1)[0].replace(".", "/") + ".py")
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    arguments = functions[0].args
    for argument in [*arguments.args, *arguments.kwonlyargs]:
        argument.annotation = None
    assert ast.unparse(arguments) == RECORDED[target]


class Registry:
    """As sglang.srt.plugins.hook_registry has it: an AROUND hook gets the original first."""

    hooks: typing.ClassVar = {}

    @classmethod
    def register(cls, target, hook, hook_type):
        assert hook_type == "around"
        cls.hooks[target] = hook


@pytest.fixture
def registry(monkeypatch):
    module = types.ModuleType("sglang.srt.plugins.hook_registry")
    module.HookRegistry, module.HookType = Registry, types.SimpleNamespace(AROUND="around")
    for name in ("sglang", "sglang.srt", "sglang.srt.plugins"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    Registry.hooks = {}
    return Registry


def test_replaces_nothing_unless_named(registry, monkeypatch):
    monkeypatch.delenv(sglang.VARIABLE, raising=False)
    sglang.plugin()
    assert registry.hooks == {}


def test_replaces_what_is_named_and_lists_it(registry, monkeypatch, caplog):
    monkeypatch.setenv(sglang.VARIABLE, "tiny_gemm_bf16, dsv3_fused_a_gemm")
    sglang.plugin()
    assert sorted(registry.hooks) == [
        "sglang.kernels.ops.gemm.fused_a_gemm.dsv3_fused_a_gemm",
        "sglang.kernels.ops.gemm.tiny_gemm.tiny_gemm_bf16",
    ]
    assert "slipstream replaces sglang.kernels.ops.gemm.tiny_gemm.tiny_gemm_bf16, " in caplog.text


def test_all_is_everything(registry, monkeypatch):
    monkeypatch.setenv(sglang.VARIABLE, "all")
    sglang.plugin()
    assert sorted(registry.hooks) == sorted(TARGETS)


def test_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="or all, names attention"):
        sglang.named("tiny_gemm_bf16,attention")


# --- What a replaced call does


def unexpected(*arguments, **named):
    raise AssertionError("passed on to SGLang")


@needs_torch
def test_a_cache_write_gives_the_references_bits(references):
    random = Random()
    nope, rope, loc = random.bfloat16(2, 1, 64), random.bfloat16(2, 1, 16), integers([2, 0])
    kv_buffer = filled((4, 1, 80), "bfloat16")
    references.set_mla_kv_buffer(kv_buffer.host, loc.host, nope.host, rope.host, -1, None)
    sglang.set_mla_kv_buffer(
        unexpected, kv_buffer.device, loc.device, nope.device, rope.device, reserved_skip_index=-1
    )
    assert_same_bits(kv_buffer)


@needs_torch
def test_the_router_and_fused_a_give_the_references_bits(references):
    random = Random()
    x, w, out = (
        random.small_integers(2, 128),
        random.small_integers(16, 128),
        filled((2, 16), "bfloat16"),
    )
    references.dsv3_router_gemm(x.host, w.host, out.host)
    for result in (
        sglang.tiny_gemm_bf16(unexpected, x.device, w.device, max_m=16),
        sglang.dsv3_fused_a_gemm(unexpected, x.device, w.device.t()),
    ):
        numpy.testing.assert_array_equal(bits_of(result), out.host_bits())


@needs_torch
def test_rope_gives_the_references_bits(references):
    random = Random()
    positions, table = integers([3, 1]), random.rope_table(4, 16)
    q, k = random.bfloat16(2, 4, 32), random.bfloat16(2, 1, 32)
    references.apply_rope_with_cos_sin_cache_inplace(
        positions.host, q.host, k.host, 32, table.host, False, None, None, None, None
    )
    sglang.apply_rope(unexpected, q.device, k.device, table.device, positions.device, is_neox=False)
    assert_same_bits(q, k)


@needs_torch
def test_the_gate_gives_the_references_bits(references):
    random = Random()
    weights, q_scale = random.float32(2, 8), random.float32(2, 8, 1)
    output = filled((2, 8, 1), "float32")
    references.apply_q_scale_and_softmax_scale(weights.host, q_scale.host, 0.25, output.host)
    indexer = types.SimpleNamespace(softmax_scale=0.25)
    result = sglang.apply_q_scale_and_softmax_scale(
        unexpected, indexer, weights.device, q_scale.device
    )
    numpy.testing.assert_array_equal(bits_of(result), output.host_bits())


@needs_torch
def test_passes_on_what_slipstream_has_no_operator_for():
    seen = []

    def original(*arguments, **named):
        seen.append((len(arguments), sorted(named)))

    x, w = torch.empty(17, 128, dtype=torch.bfloat16), torch.empty(16, 128, dtype=torch.bfloat16)
    sglang.tiny_gemm_bf16(original, x, w)
    sglang.dsv3_fused_a_gemm(original, x, w.t())
    sglang.set_mla_kv_buffer(original, torch.empty(4, 8), None, torch.empty(1, 8), None)
    sglang.apply_rope(
        original, x.view(17, 2, 64), w.view(16, 1, 128), torch.empty(4, 64), None, is_neox=True
    )
    sglang.apply_q_scale_and_softmax_scale(original, None, x, x)
    assert seen == [
        (3, ["max_m", "n_split", "out_dtype"]),
        (4, []),
        (4, ["reserved_skip_index"]),
        (4, ["fused_args", "is_neox", "rope_dim"]),
        (3, []),
    ]
