"""The packages of others: which is installed in which version, and their functions, imported when they are first called."""

import functools
import importlib
import importlib.metadata

PACKAGES = {
    "torch": "torch",
    "triton": "triton",
    "sglang": "sglang",
    "sgl-kernel": "sglang-kernel",
    "flashinfer": "flashinfer-python",
    "vllm": "vllm",
    "deep_gemm": "deep_gemm",
    "flash_mla": "flash_mla",
}

# Where a package that vLLM brings along lies, if it is not installed by itself.
IN_VLLM = {
    "deep_gemm": "vllm.third_party.deep_gemm",
    "flash_mla": "vllm.third_party.flashmla.flash_mla_interface",
}


def version(package):
    """Its version, or None where it is not installed."""
    try:
        return importlib.metadata.version(PACKAGES[package])
    except importlib.metadata.PackageNotFoundError:
        pass
    if package in IN_VLLM and version("vllm"):
        return f"that of vllm {version('vllm')}"
    return None


def versions_of(packages):
    """Of packages whose names are separated by spaces: which versions, and the first one that is not installed."""
    found = {package: version(package) for package in packages.split()}
    missing = next((package for package, number in found.items() if number is None), None)
    return ", ".join(f"{package} {number}" for package, number in found.items()), missing


def versions():
    return {package: version(package) or "not installed" for package in PACKAGES}


@functools.cache
def function(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def sglang(name):
    return function(f"sglang.kernels.ops.{name}")


def flashinfer(name):
    return function(f"flashinfer.{name}")


def bundled(package, name):
    """Of a package by itself, or of the copy that vLLM brings along."""
    try:
        importlib.metadata.version(PACKAGES[package])
    except importlib.metadata.PackageNotFoundError:
        return function(f"{IN_VLLM[package]}.{name}")
    return function(f"{package}.{name}")


@functools.cache
def deep_gemm(name):
    """Its kernels use programmatic dependent launch only if they are told to."""
    bundled("deep_gemm", "set_pdl")(True)
    return bundled("deep_gemm", name)
