"""Which packages are there: none of these has to be."""

import importlib.metadata

import pytest
import rivals


@pytest.fixture
def installed(monkeypatch):
    """Pretends that these distributions are installed, and no others."""

    def pretend(**versions):
        def version(name):
            if name in versions:
                return versions[name]
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


def test_a_package_that_is_not_there_has_no_version(installed):
    installed()
    assert rivals.version("sglang") is None
    assert rivals.versions()["sglang"] == "not installed"


def test_vllm_brings_deep_gemm_and_flash_mla_along(installed):
    installed(vllm="0.33.0")
    assert rivals.version("deep_gemm") == "that of vllm 0.33.0"
    assert rivals.version("flash_mla") == "that of vllm 0.33.0"


def test_a_package_of_its_own_comes_before_that_of_vllm(installed):
    installed(vllm="0.33.0", deep_gemm="2.5.0")
    assert rivals.version("deep_gemm") == "2.5.0"


def test_of_several_packages_the_first_that_is_missing_is_named(installed):
    installed(sglang="0.5.23")
    assert rivals.versions_of("sglang")[1] is None
    assert rivals.versions_of("sglang") == ("sglang 0.5.23", None)
    assert rivals.versions_of("sglang deep_gemm flash_mla")[1] == "deep_gemm"


def test_ours_needs_no_package(installed):
    installed()
    assert rivals.versions_of("") == ("", None)


def test_a_function_of_a_missing_package_is_an_import_error():
    with pytest.raises(ImportError):
        rivals.function("no_such_package.function")
