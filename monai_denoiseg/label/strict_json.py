"""JSON as it is defined: what Python's reader takes besides, and what would break a server later, is refused."""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 32
"""Levels of lists and objects within each other."""

LARGEST_NUMBER = 2**63


def strict_json(data: bytes | str) -> Any:
    """Read JSON.

    Args:
        data: the text, in UTF-8.

    Raises:
        ValueError: for NaN, infinity and numbers that become it, half characters, too deep nesting, and what is no JSON at all.

    >>> strict_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> strict_json('{"a": 1e999}')
    Traceback (most recent call last):
        ...
    ValueError: the number 1e999 is too large
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise ValueError(f"the text is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except RecursionError as error:
        raise ValueError(f"lists and objects are nested more than {DEEPEST} deep") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"the text is no JSON: {error}") from error
    _check(value)
    return value


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON; leave the value out")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"the number {word[:40]} is too large")
    return value


def _whole(word: str) -> int:
    if len(word) > 20 or abs(int(word)) >= LARGEST_NUMBER:
        raise ValueError(f"the number {word[:40]} is too large")
    return int(word)


def _check(value: Any) -> None:
    """Check depth and texts, without recursion."""
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str):
                _check_text(item)
        level = below
    raise ValueError(f"lists and objects are nested more than {DEEPEST} deep")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half a character (a lone surrogate)") from error
