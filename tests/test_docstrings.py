"""Every public name says what it does, what it takes, and shows an example that runs as a doctest."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import monai_denoiseg

ROOMS = [info.name for info in pkgutil.iter_modules(monai_denoiseg.__path__) if info.ispkg]
MODULES = [info.name for info in pkgutil.iter_modules(monai_denoiseg.__path__) if not info.ispkg]


def is_code(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def takes_arguments(value: Any) -> bool:
    """Whether a caller may pass an argument of a name of its own (`*args` alone, as exceptions have it, does not count)."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # built in C, as an Enum's or an exception's constructor may be
        return False
    return any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def is_result(value: Any) -> bool:
    """Whether callers only read it: a named tuple that functions return, or a protocol that says what is expected."""
    return inspect.isclass(value) and (issubclass(value, tuple) or getattr(value, "_is_protocol", False))


def own_methods(value: type) -> Iterator[tuple[str, Any]]:
    """Public functions, class methods and properties that stand in the class body itself."""
    for name, member in vars(value).items():
        if not name.startswith("_") and isinstance(member, (classmethod, staticmethod, property, type(takes_arguments))):
            yield name, member


def whole_docstring(value: Any) -> str:
    """The docstring; of a class with that of its own constructor, where arguments may be described as well."""
    text = value.__doc__ or ""
    constructor = vars(value).get("__init__") if inspect.isclass(value) else None
    return text + "\n" + (getattr(constructor, "__doc__", None) or "")


def complaints_about(name: str, value: Any) -> list[str]:
    text = whole_docstring(value)
    if not text.strip():
        return [f"{name}: no docstring"]
    found = []
    if takes_arguments(value) and not is_result(value):
        if ">>>" not in text:
            found.append(f"{name}: no example (>>>)")
        if "Args:" not in text:
            found.append(f"{name}: no `Args:` section")
    if inspect.isclass(value):
        found += [f"{name}.{method}: no docstring" for method, member in own_methods(value) if not (member.__doc__ or "").strip()]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_of_a_room(room: str) -> None:
    module = importlib.import_module(f"monai_denoiseg.{room}")
    assert module.__doc__, f"{room}/__init__.py has no docstring"
    assert module.__all__, f"{room}/__init__.py has no __all__"
    values = {name: getattr(module, name) for name in module.__all__}
    assert [text for name, value in values.items() if is_code(value) for text in complaints_about(name, value)] == []


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_of_a_module(name: str) -> None:
    module = importlib.import_module(f"monai_denoiseg.{name}")
    assert module.__doc__
    own = {n: v for n, v in vars(module).items() if is_code(v) and v.__module__ == module.__name__ and not n.startswith("_")}
    assert [f"{n}: no docstring" for n, v in own.items() if not (v.__doc__ or "").strip()] == []


class _Bare:
    """Says something."""

    def __init__(self, size: int) -> None:
        self.size = size

    def grow(self) -> None:
        pass


class _Pair(NamedTuple):
    """Two numbers."""

    a: int
    b: int


def _documented(size: int) -> int:
    """Return the size.

    Args:
        size: a number.

    >>> _documented(1)
    1
    """
    return size


def test_the_check_itself() -> None:
    assert complaints_about("Bare", _Bare) == [
        "Bare: no example (>>>)",
        "Bare: no `Args:` section",
        "Bare.grow: no docstring",
    ]
    assert complaints_about("documented", _documented) == []
    assert complaints_about("Pair", _Pair) == []
    assert complaints_about("nothing", lambda: None) == ["nothing: no docstring"]
