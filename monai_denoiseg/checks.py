"""Argument checks whose messages name the key, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def check_range(name: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False) -> float:
    """Return ``value`` if it lies between ``low`` and ``high``, else raise.

    Args:
        name: the argument's name as the user writes it.
        value: the number to check.
        low: smallest allowed value.
        high: largest allowed value.
        open_low: exclude ``low`` itself.
        open_high: exclude ``high`` itself.

    Raises:
        ValueError: when ``value`` is no number or outside the interval.

    >>> check_range("alpha", 0.5, 0, 1)
    0.5
    >>> check_range("alpha", 1.5, 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: `alpha` must be in [0, 1], got 1.5
    """
    interval = f"{'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number:
        above = value > low if open_low else value >= low
        below = value < high if open_high else value <= high
        if above and below:
            return value
    raise ValueError(f"`{name}` must be in {interval}, got {value!r}")


def check_int(name: str, value: int, low: int) -> int:
    """Return ``value`` if it is an integer of at least ``low``, else raise.

    Raises:
        ValueError: when ``value`` is no integer or too small.

    >>> check_int("batch_size", 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: `batch_size` must be an integer >= 1, got 0
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"`{name}` must be an integer >= {low}, got {value!r}")
    return value


def check_option(name: str, value: str, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``, else raise with the nearest name.

    Raises:
        ValueError: when ``value`` is not an option.

    >>> check_option("strategy", "medain", ["uniform", "median"])
    Traceback (most recent call last):
        ...
    ValueError: `strategy` must be one of 'uniform', 'median', got 'medain'; did you mean 'median'?
    """
    options = list(options)
    if value in options:
        return value
    listed = ", ".join(repr(option) for option in options)
    raise ValueError(f"`{name}` must be one of {listed}, got {value!r}{suggest(str(value), options)}")


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known word, or an empty string.

    >>> suggest("alpah", ["alpha", "seed"])
    "; did you mean 'alpha'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def per_axis(name: str, value: T | Sequence[T], spatial_dims: int) -> tuple[T, ...]:
    """Spread a single value over all axes, or check that there is one value for each axis.

    Raises:
        ValueError: when a sequence has not ``spatial_dims`` entries.

    >>> per_axis("patch_size", 64, 2)
    (64, 64)
    >>> per_axis("patch_size", [16, 64], 3)
    Traceback (most recent call last):
        ...
    ValueError: `patch_size` needs one value or 3 values (one an axis), got [16, 64]
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != spatial_dims:
            raise ValueError(f"`{name}` needs one value or {spatial_dims} values (one an axis), got {list(value)}")
        return tuple(value)
    return (value,) * spatial_dims
