"""Operators go to the caller's current stream and the tensors' device, also into a graph."""

import ctypes

import numpy
import slipstream
import tvm_ffi
from arrays import Array, call, on_device


def gate_arguments(device=0):
    weights = numpy.arange(8, dtype=numpy.float32).reshape(1, 8)
    scales = numpy.full((1, 8), 2, numpy.float32)
    output = Array(numpy.zeros((1, 8), numpy.float32), "float32", device)
    operands = (Array(weights, "float32", device), Array(scales, "float32", device), 0.5, output)
    return operands, output, weights


def values(output):
    return output.to_host().view(numpy.float32)


def current_device():
    device = ctypes.c_int()
    call("cudaGetDevice", ctypes.byref(device))
    return device.value


def test_a_graph_captures_the_call_and_replays_it():
    operands, output, weights = gate_arguments()
    stream, graph, executable = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    call("cudaStreamCreate", ctypes.byref(stream))
    call("cudaStreamBeginCapture", stream, 0)
    with tvm_ffi.use_raw_stream(tvm_ffi.device("cuda:0"), stream.value):
        slipstream.apply_q_scale_and_softmax_scale(*operands)
    call("cudaStreamEndCapture", stream, ctypes.byref(graph))
    assert (values(output) == 0).all(), "captured, not run"
    call("cudaGraphInstantiate", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
    call("cudaGraphLaunch", executable, stream)
    assert (values(output) == weights).all()
    call("cudaGraphExecDestroy", executable)
    call("cudaGraphDestroy", graph)
    call("cudaStreamDestroy", stream)


def test_runs_on_the_device_of_its_tensors_and_leaves_the_current_one():
    operands, output, weights = gate_arguments(device=1)
    assert current_device() == 0
    slipstream.apply_q_scale_and_softmax_scale(*operands)
    assert current_device() == 0
    assert (values(output) == weights).all()


def test_leaves_the_current_device_after_an_error_too():
    with on_device(1):
        operands, _, _ = gate_arguments(device=0)
        wrong = Array(numpy.zeros((1, 7), numpy.float32), "float32", 0)
        try:
            slipstream.apply_q_scale_and_softmax_scale(*operands[:3], wrong)
        except ValueError as error:
            assert "output must be of size 8" in str(error)
        else:
            raise AssertionError("not refused")
        assert current_device() == 1


def test_pdl_on_and_off_give_the_same_bits():
    results = []
    for enabled in (True, False):
        operands, output, _ = gate_arguments()
        for _ in range(3):
            slipstream.apply_q_scale_and_softmax_scale(*operands, enable_pdl=enabled)
        results.append(output.to_host())
    assert (results[0] == results[1]).all()
