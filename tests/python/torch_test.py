"""What only torch has: its streams, its compiler, and its rules for registered operators."""

import numpy
import pytest
import slipstream
from operands import Random, assert_same_bits, bits_of, filled, integers

torch = pytest.importorskip("torch")


def cache_write_operands():
    random = Random()
    nope, rope, loc = random.bfloat16(2, 64), random.bfloat16(2, 16), integers([2, 1])
    return filled((4, 80), "bfloat16"), loc, nope, rope


def write(kv_buffer, loc, nope, rope):
    slipstream.set_mla_kv_buffer(kv_buffer, loc, nope, rope)


@pytest.mark.parametrize("stream", ["default", "of its own"])
def test_runs_on_torchs_current_stream(references, stream):
    operands = cache_write_operands()
    references.set_mla_kv_buffer(*[o.host for o in operands], 0, None)
    chosen = torch.cuda.default_stream() if stream == "default" else torch.cuda.Stream()
    with torch.cuda.stream(chosen):
        write(*[o.device for o in operands])
    chosen.synchronize()
    assert_same_bits(operands[0])


def test_compiles_without_a_graph_break_and_still_writes(references):
    operands = cache_write_operands()
    references.set_mla_kv_buffer(*[o.host for o in operands], 0, None)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compile(write, fullgraph=True, backend=backend)(*[o.device for o in operands])
    assert_same_bits(operands[0])
    called = [str(node.target) for node in graphs[0].graph.nodes if node.op == "call_function"]
    assert called == ["slipstream.set_mla_kv_buffer"]


def test_an_optimizing_backend_keeps_what_is_only_written(references):
    # After functionalization an operator without results, of which nothing said that it writes, would be dropped.
    operands = cache_write_operands()
    references.set_mla_kv_buffer(*[o.host for o in operands], 0, None)
    compiled = torch.compile(write, fullgraph=True, backend="aot_eager")
    compiled(*[o.device for o in operands])
    assert_same_bits(operands[0])


def test_compiles_an_operator_that_allocates(references):
    random = Random()
    weights, q_scale, expected = (
        random.float32(2, 8),
        random.float32(2, 8, 1),
        filled((2, 8, 1), "float32"),
    )
    references.apply_q_scale_and_softmax_scale(weights.host, q_scale.host, 0.5, expected.host)

    def gate(weights, q_scale):
        return slipstream.apply_q_scale_and_softmax_scale(weights, q_scale, 0.5)

    result = torch.compile(gate, fullgraph=True, backend="eager")(weights.device, q_scale.device)
    assert result.shape == (2, 8, 1)
    numpy.testing.assert_array_equal(bits_of(result), expected.host_bits())


# Arguments that fit each schema, T for a tensor: nothing is computed from a fake one.
ARGUMENTS = {
    "dsv3_router_gemm": ["T", "T", "T", None],
    "dsv3_fused_a_gemm": ["T", "T", "T", None],
    "set_mla_kv_buffer": ["T", "T", "T", None, 0, "T", None],
    "set_mla_kv_buffer_fp8": ["T", "T", "T", "T", 0, None, None],
    "set_mla_kv_buffer_fp8_656": ["T", "T", "T", "T", True, 0, None, True],
    "mla_rope_quantize_fp8": [*"TTTTTT", True, 1.0, 1.0, *"TTTT", False],
    "apply_rope_with_cos_sin_cache_inplace": [*"TTT", 8, "T", True, *"TTTT", None, None],
    "per_token_group_quant_8bit": [*"TTT", 128, 1e-10, None, 448.0, False, False, None, None],
    "apply_q_scale_and_softmax_scale": ["T", "T", 1.0, "T", None],
}
WRITTEN = {
    "dsv3_router_gemm": {"output"},
    "dsv3_fused_a_gemm": {"output"},
    "set_mla_kv_buffer": {"kv_buffer", "dropped"},
    "set_mla_kv_buffer_fp8": {"kv_buffer", "dropped"},
    "set_mla_kv_buffer_fp8_656": {"kv_buffer", "dropped"},
    "mla_rope_quantize_fp8": {"q_rope_out", "k_rope_out", "q_nope_out", "k_nope_out"},
    "apply_rope_with_cos_sin_cache_inplace": {"query", "key", "k_buffer", "v_buffer", "dropped"},
    "per_token_group_quant_8bit": {"output_q", "output_s"},
    "apply_q_scale_and_softmax_scale": {"output"},
}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_is_registered_with_what_it_writes_and_a_fake(name):
    slipstream.supports_pdl  # noqa: B018  (registers)
    overload = getattr(torch.ops.slipstream, name).default
    written = {a.name for a in overload._schema.arguments if a.alias_info and a.alias_info.is_write}
    assert written == WRITTEN[name]
    with torch._subclasses.FakeTensorMode():
        tensor = torch.empty(2, 8, device="meta")
        assert overload(*[tensor if a == "T" else a for a in ARGUMENTS[name]]) is None


def test_refuses_a_tensor_of_the_cpu_through_torchs_dispatcher_too():
    kv_buffer, loc, nope, rope = [o.device for o in cache_write_operands()]
    slipstream.supports_pdl  # noqa: B018  (registers)
    with pytest.raises(ValueError, match="loc must be on a CUDA device, is on cpu"):
        torch.ops.slipstream.set_mla_kv_buffer(kv_buffer, loc.cpu(), nope, rope, 0, None, None)


def test_takes_slices_of_wider_tensors(references):
    random = Random()
    wide, loc, kv_buffer = random.bfloat16(3, 80), integers([1, 0, 2]), filled((4, 64), "bfloat16")
    assert wide.device[:, :64].stride() == (80, 1)
    narrow = random.bfloat16(3, 64)
    narrow.host._host[:] = wide.host_bits()[:, :64]
    references.set_mla_kv_buffer(kv_buffer.host, loc.host, narrow.host, None, 0, None)
    slipstream.set_mla_kv_buffer(kv_buffer.device, loc.device, wide.device[:, :64])
    assert_same_bits(kv_buffer)
