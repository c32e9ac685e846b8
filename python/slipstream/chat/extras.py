"""Packages that are there only where an extra was installed."""

import importlib


def require(module: str, what_for: str, extra: str = "text"):
    """The module, or an ImportError that says what needs it and how it is installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{what_for} needs {package}: pip install 'slipstream[{extra}]'"
        ) from error
