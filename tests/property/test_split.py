"""The split of any data list."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monai_denoiseg.data import count_labelled, split_datalist


@st.composite
def datalists(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Labelled and unlabelled files of one or several frames, in any order."""
    items: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 25))):
        label = {"label": f"l{number}.tif"} if draw(st.booleans()) else {}
        frames = draw(st.integers(0, 3))
        items += [{"image": f"i{number}.tif", "frame": k, **label} for k in range(frames)]
        items += [] if frames else [{"image": f"i{number}.tif", **label}]
    return draw(st.permutations(items))


def files(items: list[dict[str, Any]], labelled: bool) -> set[str]:
    return {item["image"] for item in items if ("label" in item) is labelled}


@given(datalists(), st.floats(0, 0.99), st.integers(0, 5))
def test_split(items: list[dict[str, Any]], fraction: float, seed: int) -> None:
    before = [dict(item) for item in items]
    training, validation = split_datalist(items, fraction, seed)
    assert items == before
    assert split_datalist(items[::-1], fraction, seed) == (training, validation), "the order of the list is no matter"
    assert Counter(map(str, training + validation)) == Counter(map(str, items)), "nothing lost, nothing twice"
    assert not {item["image"] for item in training} & {item["image"] for item in validation}, "no file on both sides"
    names = {item["image"] for item in items}
    assert bool(validation) == (fraction > 0 and len(names) > 1)
    assert bool(training) == bool(items)
    for labelled in (True, False):
        total, taken = len(files(items, labelled)), len(files(validation, labelled))
        assert abs(taken - fraction * total) <= 1, "each kind in proportion, to a file"
    if len(files(items, True)) > 1 and fraction > 0:
        assert count_labelled(training)
        assert count_labelled(validation)
    if len(files(items, True)) == 1:
        assert not count_labelled(validation), "the only label is trained on"
