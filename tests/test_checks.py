from __future__ import annotations

import re
from typing import Any

import pytest

from monai_denoiseg.checks import check_int, check_option, check_range, per_axis, suggest


@pytest.mark.parametrize(
    ("value", "open_low", "open_high", "fine"),
    [
        (0, False, False, True),
        (1, False, False, True),
        (0, True, False, False),
        (1, True, False, True),
        (1, False, True, False),
        (0.0, False, True, True),
        (-0.001, False, False, False),
        (1.001, False, False, False),
        (float("nan"), False, False, False),
        (float("inf"), True, True, False),
        (True, False, False, False),
        ("0.5", False, False, False),
        (None, False, False, False),
    ],
)
def test_check_range(value: Any, open_low: bool, open_high: bool, fine: bool) -> None:
    if fine:
        assert check_range("alpha", value, 0, 1, open_low=open_low, open_high=open_high) == value
        return
    interval = ("(" if open_low else "[") + "0, 1" + (")" if open_high else "]")
    with pytest.raises(ValueError, match=f"^{re.escape(f'`alpha` must be in {interval}, got {value!r}')}$"):
        check_range("alpha", value, 0, 1, open_low=open_low, open_high=open_high)


@pytest.mark.parametrize("value", [1, 2, 10**12])
def test_check_int(value: int) -> None:
    assert check_int("radius", value, 1) == value


@pytest.mark.parametrize("value", [0, -3, 1.0, "2", True, None, [1]])
def test_check_int_refuses(value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'`radius` must be an integer >= 1, got {value!r}')}$"):
        check_int("radius", value, 1)


def test_check_option() -> None:
    assert check_option("mode", "b", iter(["a", "b"])) == "b"
    with pytest.raises(ValueError, match=r"^`mode` must be one of 'mean', 'sum', got 'men'; did you mean 'mean'\?$"):
        check_option("mode", "men", {"mean": 1, "sum": 2})
    for value in ("zzz", None, 3, ["zzz"]):
        with pytest.raises(ValueError, match=re.escape(f"`mode` must be one of 'mean', got {value!r}") + "$"):
            check_option("mode", value, ["mean"])  # type: ignore[arg-type]


def test_suggest_gives_the_nearest_or_nothing() -> None:
    assert suggest("max_epoch", ["max_epochs", "batch_size"]) == "; did you mean 'max_epochs'?"
    assert suggest("xyz", ["max_epochs", "batch_size"]) == ""
    assert suggest("x", iter(())) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(4, (4, 4, 4)), ([1, 2, 3], (1, 2, 3)), ((5, 6, 7), (5, 6, 7)), (None, (None,) * 3), ("abc", ("abc",) * 3)],
)
def test_per_axis(value: Any, expected: tuple) -> None:
    assert per_axis("size", value, 3) == expected


@pytest.mark.parametrize("value", [[], [1], (1, 2), [1, 2, 3, 4]])
def test_per_axis_refuses(value: Any) -> None:
    with pytest.raises(
        ValueError, match=f"^{re.escape(f'`size` needs one value or 3 values (one an axis), got {list(value)}')}$"
    ):
        per_axis("size", value, 3)
