"""Packages that only exports need."""

from __future__ import annotations

import importlib

EXTRA = "pip install 'monai_denoiseg[export]'"


def need(*modules: str) -> None:
    """Check that packages are installed.

    Args:
        modules: names, as imported.

    Raises:
        ModuleNotFoundError: naming the first that is not, and how to get it.

    >>> need("json", "no_such_package")
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: no_such_package is not installed: pip install 'monai_denoiseg[export]'
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            name = error.name or module
            raise ModuleNotFoundError(f"{name} is not installed: {EXTRA}", name=name) from None
