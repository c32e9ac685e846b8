"""Arrays in host or device memory that any DLPack consumer takes: what the tests use where torch is not installed."""

import ctypes

import numpy

# DLPack's code and bits; elements are kept as unsigned integers of that width.
DTYPES = {
    "float32": (2, 32),
    "float64": (2, 64),
    "bfloat16": (4, 16),
    "float16": (2, 16),
    "float8_e4m3fn": (10, 8),
    "float8_e5m2": (12, 8),
    "int8": (0, 8),
    "uint8": (1, 8),
    "int32": (0, 32),
    "int64": (0, 64),
}
_CPU, _CUDA = 1, 2
_TO_DEVICE, _TO_HOST = 1, 2


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _DLManagedTensor(ctypes.Structure):
    _fields_ = [
        ("tensor", _DLTensor),
        ("manager_context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def bits_type(dtype):
    return numpy.dtype(f"uint{DTYPES[dtype][1]}")


class Array:
    """`bits`, a numpy array, as elements of `dtype`; on the CPU it is the array's own memory."""

    def __init__(self, bits, dtype, device=None):
        bits = numpy.asarray(bits).view(bits_type(dtype))
        self.dtype, self.shape, self.device = dtype, bits.shape, device
        self._element_strides = [stride // bits.itemsize for stride in bits.strides]
        self._host = bits
        if device is None:
            self._address = bits.ctypes.data
        else:
            # The whole array that `bits` may be a view of keeps its strides.
            self._memory = _DeviceMemory(bits if bits.base is None else bits.base, device)
            whole = self._memory.host
            self._address = self._memory.address + bits.ctypes.data - whole.ctypes.data

    def to_host(self):
        """The elements' bits as they are now."""
        if self.device is not None:
            self._memory.copy_to_host()
        return self._host.copy()

    def __dlpack_device__(self):
        return (_CPU, 0) if self.device is None else (_CUDA, self.device)

    def __dlpack__(self, **unused):
        code, bits = DTYPES[self.dtype]
        ndim = len(self.shape)
        self._shape = (ctypes.c_int64 * max(ndim, 1))(*self.shape)
        self._strides = (ctypes.c_int64 * max(ndim, 1))(*self._element_strides)
        self._managed = _DLManagedTensor()
        self._managed.tensor = _DLTensor(
            self._address,
            *self.__dlpack_device__(),
            ndim,
            code,
            bits,
            1,
            self._shape,
            self._strides,
            0,
        )
        return _new_capsule(ctypes.addressof(self._managed), b"dltensor", None)


class _DeviceMemory:
    def __init__(self, host, device):
        self.host = host if host.flags.c_contiguous else numpy.ascontiguousarray(host)
        self._device = device
        address = ctypes.c_void_p()
        with on_device(device):
            call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(max(self.host.nbytes, 1)))
            self.address = address.value
            self._copy(self.address, self.host.ctypes.data, _TO_DEVICE)

    def copy_to_host(self):
        with on_device(self._device):
            call("cudaDeviceSynchronize")
            self._copy(self.host.ctypes.data, self.address, _TO_HOST)

    def _copy(self, target, source, kind):
        call(
            "cudaMemcpy",
            ctypes.c_void_p(target),
            ctypes.c_void_p(source),
            ctypes.c_size_t(self.host.nbytes),
            kind,
        )

    def __del__(self):
        if getattr(self, "address", None):
            with on_device(self._device):
                call("cudaFree", ctypes.c_void_p(self.address))


_cudart = None


def call(name, *arguments):
    """A function of the CUDA runtime that this process has."""
    global _cudart
    _cudart = _cudart or ctypes.CDLL("libcudart.so.13")
    code = getattr(_cudart, name)(*arguments)
    if code != 0:
        raise RuntimeError(f"{name} failed with code {code}")


def device_count():
    count = ctypes.c_int()
    call("cudaGetDeviceCount", ctypes.byref(count))
    return count.value


class on_device:
    def __init__(self, device):
        self._device = device

    def __enter__(self):
        before = ctypes.c_int()
        call("cudaGetDevice", ctypes.byref(before))
        self._before = before.value
        call("cudaSetDevice", self._device)

    def __exit__(self, *unused):
        call("cudaSetDevice", self._before)
