"""Microseconds per call: in CUDA graphs, with and without programmatic dependent launch, and from Python."""

import itertools
import statistics
import time

import torch
from pdl_edges import Edges

WARM_UPS, REPLAYS, EAGER_PASSES = 3, 30, 7


class Chain:
    """A CUDA graph of `count` calls that take the argument sets in turn."""

    def __init__(self, call, arguments, count, pdl):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            call(arguments[0])
        torch.cuda.synchronize()
        self._count = count
        self._graph = torch.cuda.CUDAGraph(keep_graph=True)
        with torch.cuda.graph(self._graph, stream=stream):
            for given in itertools.islice(itertools.cycle(arguments), count):
                call(given)
        edges = Edges(self._graph.raw_cuda_graph())
        self.launches = (len(edges) + 1) / count
        self.programmatic = edges.programmatic
        if not pdl:
            edges.make_full()
        self._graph.instantiate()

    def times(self):
        """Of the replays, per call."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times = []
        for _ in range(WARM_UPS + REPLAYS):
            begin.record()
            self._graph.replay()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) * 1000 / self._count)
        return times[WARM_UPS:]


def summary(times):
    """(median, 10th and 90th percentile)."""
    ordered = sorted(times)
    last = len(ordered) - 1
    return statistics.median(ordered), ordered[round(0.1 * last)], ordered[round(0.9 * last)]


def in_graphs(call, arguments, count, other):
    """What `call` costs in a chain of itself and in turn with `other`, whose own cost is taken off."""
    result = {}
    for name, pdl in (("off", False), ("on", True)):
        chain = Chain(call, arguments, count, pdl)
        result[name], result[f"{name}_p10"], result[f"{name}_p90"] = summary(chain.times())

        def both(given):
            call(given)
            other(given)

        pairs = statistics.median(Chain(both, arguments, count, pdl).times())
        alone = statistics.median(Chain(other, arguments, count, pdl).times())
        result[f"alternating_{name}"] = pairs - alone
    result["launches"] = chain.launches
    result["programmatic"] = chain.programmatic
    return result


def eager_us(call, arguments, count):
    """What a loop in Python gets: the host's time or the device's, whichever is longer."""
    times = []
    for _ in range(2 + EAGER_PASSES):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for given in itertools.islice(itertools.cycle(arguments), count):
            call(given)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * 1e6 / count)
    return statistics.median(times[2:])


def copy_bandwidth():
    """Bytes per microsecond of a copy on the device, read and written."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = []
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(10):
        begin.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000)
    return 2 * source.numel() / statistics.median(times)
