"""Programmatic dependencies of a captured CUDA graph: how many it has, and how to make them full ones.

With a full dependency a kernel starts when the one before it has ended, as without programmatic dependent launch. So
every kernel is measured with and without it in the same way, whether its library has a switch or not.
"""

import ctypes

PROGRAMMATIC = 1  # CUgraphDependencyType


class EdgeData(ctypes.Structure):
    _fields_ = (
        ("from_port", ctypes.c_ubyte),
        ("to_port", ctypes.c_ubyte),
        ("type", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte * 5),
    )


class Edges:
    """Those of a graph, by the driver's functions of CUDA 12.3 and later."""

    def __init__(self, graph):
        self._driver = ctypes.CDLL("libcuda.so.1")
        self._graph = ctypes.c_void_p(graph)
        count = ctypes.c_size_t(0)
        self._call("cuGraphGetEdges", None, None, None, ctypes.byref(count))
        self._from = (ctypes.c_void_p * count.value)()
        self._to = (ctypes.c_void_p * count.value)()
        self._data = (EdgeData * count.value)()
        if count.value:
            self._call("cuGraphGetEdges", self._from, self._to, self._data, ctypes.byref(count))

    def __len__(self):
        return len(self._data)

    @property
    def programmatic(self):
        return sum(edge.type == PROGRAMMATIC for edge in self._data)

    def make_full(self):
        if not self.programmatic:
            return
        count = ctypes.c_size_t(len(self))
        self._call("cuGraphRemoveDependencies", self._from, self._to, self._data, count)
        self._data = (EdgeData * len(self))()
        self._call("cuGraphAddDependencies", self._from, self._to, self._data, count)

    def _call(self, name, *arguments):
        function = getattr(self._driver, f"{name}_v2")
        result = function(self._graph, *arguments)
        if result != 0:
            raise RuntimeError(f"{name}: CUDA error {result}")
