"""Wrong values for every setting, made from its declaration."""

from __future__ import annotations

import math
from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, Listing, PerAxis, Real, Switch, Text, Whole
from monai_denoiseg.bundle.settings.place import Place
from monai_denoiseg.bundle.settings.planned import Planned
from monai_denoiseg.bundle.settings.setting import Setting
from monai_denoiseg.bundle.settings.special import AXES, BOXES, CLASS_NAMES, DEVICE, EXPERTS_LIST, STRUCT_MASK

OF_A_NUMBER = ["abc", "", math.nan, [1, "a"], {"a": 1}, True]
SPECIAL: dict[Any, list[Any]] = {
    AXES: [5, 1.5, "abc", "ZZ", "Y X", [1], {"a": 1}, math.nan, True],
    BOXES: ["abc", 3, math.nan, [1, 2], [[[0, 9]], [[1, 2]]], [[[0, 9, 0, 9.5]], [[1, 2, 1, 2]]], {"a": 1}],
    CLASS_NAMES: ["abc", 3, 1.5, math.nan, [], ["one"], ["a", "a"], [1, 2], {"a": 1}, True],
    DEVICE: ["abc", "cuda:x", 5, math.nan, [1], {"a": 1}, ""],
    EXPERTS_LIST: ["linear", 5, math.nan, ["linear"], ["linear", "linera"], [1, 2], {"a": 1}],
    STRUCT_MASK: ["abc", 3, math.nan, [1, 1, 1], [[1, 1]], [[0, 0, 0]], [[1, 2, 1]], {"a": 1}],
}


def wrong_values(setting: Setting) -> list[Any]:
    """Values of a wrong type, out of range, NaN, text and lists; ``None`` where that means nothing."""
    return _of_kind(setting.kind) + ([None] if setting.null is None else [])


def _of_kind(kind: Kind) -> list[Any]:
    if isinstance(kind, Planned):
        return _of_kind(kind.kind)
    if kind in SPECIAL:
        return SPECIAL[kind]
    for known, values in _BY_KIND.items():
        if isinstance(kind, known):
            return values(kind)
    return ["abc", 0, -1, 1.5, math.nan, [1, "a"], [[1], 2], {"a": 1}, True]  # levels of a U-Net


def _whole(kind: Whole) -> list[Any]:
    low = [] if kind.low is None else [kind.low - 1]
    high = [] if kind.high is None else [kind.high + 1]
    return [*OF_A_NUMBER, 1.5, math.inf, *low, *high, *([kind.low + 1] if kind.odd and kind.low is not None else [])]


def _real(kind: Real) -> list[Any]:
    low = [] if math.isinf(kind.low) else [kind.low if kind.open_low else kind.low - 0.5]
    high = [math.inf] if kind.open_high is None and math.isinf(kind.high) else [] if math.isinf(kind.high) else [kind.high + 0.5]
    return [*OF_A_NUMBER, -math.inf, *low, *high, *([kind.high] if kind.open_high else [])]


def _choice(kind: Choice) -> list[Any]:
    first = kind.options[0]
    misspelt = f"{first}x" if isinstance(first, str) else 7
    return [misspelt, 1.5, math.nan, [first], {"a": 1}, ""]


def _each(kind: PerAxis | Listing) -> list[Any]:
    entries = [one for one in _of_kind(kind.each) if not isinstance(one, (list, dict))]
    length = 2 if isinstance(kind, PerAxis) else max(kind.least, 1)
    lists = [[one] * length for one in entries]
    return ["abc", math.nan, {"a": 1}, [[1, 1]], *([[], [1] * 4] if isinstance(kind, PerAxis) else []), *lists]


def _text(kind: Text | Place) -> list[Any]:
    return [5, 1.5, math.nan, True, [1], {"a": 1}, ""]


_BY_KIND: dict[type, Any] = {
    Whole: _whole,
    Real: _real,
    Switch: lambda kind: [5, 0, 1.5, math.nan, "maybe", [True], {"a": 1}],
    Choice: _choice,
    PerAxis: _each,
    Listing: _each,
    Text: _text,
    Place: _text,
}
