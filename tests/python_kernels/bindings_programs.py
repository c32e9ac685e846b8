"""Runs under `slipstream emulate`: programs of cuda.bindings and cuda.core, which compile CUDA by NVRTC."""

import unittest

import numpy as np
from cuda.bindings import driver, nvrtc
from cuda.core import (
    Device,
    LaunchConfig,
    Linker,
    LinkerOptions,
    PinnedMemoryResource,
    Program,
    ProgramOptions,
    VirtualMemoryResource,
    launch,
)

TIMES = r'extern "C" __global__ void times(int* out, int factor) { out[threadIdx.x] = threadIdx.x * factor; }'
INCREMENT = r'extern "C" __global__ void increment(int* values) { values[threadIdx.x] += 1; }'
CALLER = r"""
extern __device__ int other(int);
extern "C" __global__ void call(int* out) { out[threadIdx.x] = other(threadIdx.x); }
"""
CALLED = "__device__ int other(int x) { return 5 * x; }"
COUNT = 32
BYTES = 4 * COUNT


def checked(result):
    if int(result[0]) != 0:
        raise RuntimeError(result[0])
    return result[1] if len(result) == 2 else None


def values_at(address):
    values = np.zeros(COUNT, np.int32)
    checked(driver.cuMemcpyDtoH(values.ctypes.data, int(address), BYTES))
    return values


class Bindings(unittest.TestCase):
    """The driver's functions and NVRTC's, one by one."""

    def compiled(self, architecture, size_of, get):
        program = checked(nvrtc.nvrtcCreateProgram(TIMES.encode(), b"times.cu", 0, [], []))
        checked(nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=" + architecture]))
        image = b" " * checked(size_of(program))
        checked(get(program, image))
        return image

    def run_image(self, image):
        checked(driver.cuInit(0))
        context = checked(driver.cuDevicePrimaryCtxRetain(checked(driver.cuDeviceGet(0))))
        checked(driver.cuCtxSetCurrent(context))
        module = checked(driver.cuModuleLoadData(image))
        kernel = checked(driver.cuModuleGetFunction(module, b"times"))
        memory = checked(driver.cuMemAlloc(BYTES))
        address, factor = np.array([int(memory)], np.uint64), np.array([3], np.int32)
        arguments = np.array([address.ctypes.data, factor.ctypes.data], np.uint64)
        checked(driver.cuLaunchKernel(kernel, 1, 1, 1, COUNT, 1, 1, 0, 0, arguments.ctypes.data, 0))
        np.testing.assert_array_equal(values_at(memory), 3 * np.arange(COUNT))

    def test_ptx_of_nvrtc_runs(self):
        self.run_image(self.compiled(b"compute_90", nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX))

    def test_what_nvrtc_gives_for_a_cubin_runs(self):
        self.run_image(self.compiled(b"sm_90", nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN))


class Core(unittest.TestCase):
    """cuda.core, which brings objects for all of that."""

    def setUp(self):
        self.device = Device()
        self.device.set_current()
        self.stream = self.device.create_stream()
        self.memory = self.device.allocate(BYTES, stream=self.stream)
        checked(driver.cuMemsetD8(int(self.memory.handle), 0, BYTES))

    def program(self, code, **options):
        return Program(code, "c++", ProgramOptions(arch=f"sm_{self.device.arch}", **options))

    def run_once(self, kernel, *arguments):
        launch(self.stream, LaunchConfig(grid=1, block=COUNT), kernel, self.memory, *arguments)
        self.stream.sync()
        return values_at(self.memory.handle)

    def test_programs_compiled_to_ptx_and_to_cubins_run(self):
        for kind in ("ptx", "cubin"):
            kernel = self.program(TIMES).compile(kind).get_kernel("times")
            values = self.run_once(kernel, np.int32(7))
            np.testing.assert_array_equal(values, 7 * np.arange(COUNT))

    def test_templates_are_found_by_their_expressions(self):
        code = (
            "template <class T> __global__ void fill(T* out, T value) { out[threadIdx.x] = value; }"
        )
        module = self.program(code).compile("cubin", name_expressions=("fill<int>",))
        values = self.run_once(module.get_kernel("fill<int>"), np.int32(9))
        np.testing.assert_array_equal(values, 9)

    def test_programs_are_linked_as_ptx_and_as_lto_ir(self):
        for kind, optimize in (("ptx", None), ("ltoir", True)):
            parts = [
                self.program(
                    code, relocatable_device_code=True, link_time_optimization=optimize
                ).compile(kind)
                for code in (CALLER, CALLED)
            ]
            options = LinkerOptions(arch="sm_90", link_time_optimization=optimize)
            kernel = Linker(*parts, options=options).link("cubin").get_kernel("call")
            np.testing.assert_array_equal(self.run_once(kernel), 5 * np.arange(COUNT))

    def test_graphs_are_built_and_launched(self):
        kernel = self.program(INCREMENT).compile("ptx").get_kernel("increment")
        builder = self.device.create_graph_builder().begin_building()
        for _ in range(3):
            launch(builder, LaunchConfig(grid=1, block=COUNT), kernel, self.memory)
        graph = builder.end_building().complete()
        for _ in range(2):
            graph.launch(self.stream)
        self.stream.sync()
        np.testing.assert_array_equal(values_at(self.memory.handle), 6)

    def test_memory_comes_from_pools_on_the_host_and_from_mapped_addresses(self):
        kernel = self.program(TIMES).compile("ptx").get_kernel("times")
        for resource in (PinnedMemoryResource(), VirtualMemoryResource(self.device)):
            buffer = resource.allocate(BYTES, stream=self.stream)
            launch(self.stream, LaunchConfig(grid=1, block=COUNT), kernel, buffer, np.int32(4))
            self.stream.sync()
            np.testing.assert_array_equal(values_at(buffer.handle), 4 * np.arange(COUNT))
            buffer.close()

    def test_the_device_tells_what_it_is(self):
        self.assertEqual(tuple(self.device.compute_capability), (9, 0))
        self.assertEqual(self.device.properties.warp_size, 32)
        kernel = self.program(TIMES).compile("ptx").get_kernel("times")
        self.assertEqual(kernel.num_arguments, 2)
        self.assertGreater(kernel.attributes.num_regs, 0)


if __name__ == "__main__":
    unittest.main()
