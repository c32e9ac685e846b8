"""Microseconds per call, in a CUDA graph and from Python."""

import itertools
import statistics
import time

import torch

CALLS, REPLAYS, EAGER_PASSES = 200, 20, 7


def graph_us(call, arguments):
    """The calls use the argument sets in turn."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for given in arguments:
            call(given)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for given in itertools.islice(itertools.cycle(arguments), CALLS):
            call(given)
    times = []
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(3 + REPLAYS):
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / CALLS)
    return statistics.median(times[3:])


def eager_us(call, arguments):
    """What a loop in Python gets: the host's time or the device's, whichever is longer."""
    times = []
    for _ in range(2 + EAGER_PASSES):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for given in itertools.islice(itertools.cycle(arguments), CALLS):
            call(given)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * 1e6 / CALLS)
    return statistics.median(times[2:])
