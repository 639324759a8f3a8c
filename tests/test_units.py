"""Units of length as files spell them."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.units import METRES, factor_between, in_one_unit, short_unit, unit_of


@pytest.mark.parametrize(
    ("unit", "spellings"),
    {
        "um": ["um", "micron", "microns", "micrometre", "micrometer", "\u00b5m", "\u03bcm", "\\u00B5m", "Micron"],
        "mm": ["mm", "millimeter", "millimetre"],
        "m": ["m", "meter"],
        "nm": ["nanometer", "nanometre"],
        "angstrom": ["angstrom", "\u00c5"],
        "inch": ["inch", "in"],
        "cm": ["centimetre"],
    }.items(),
)
def test_spellings(unit: str, spellings: list[str]) -> None:
    assert {short_unit(one) for one in spellings} == {unit} <= set(METRES)


def test_factors() -> None:
    assert [
        factor_between(*pair) for pair in [("mm", "um"), ("um", "mm"), ("angstrom", "nm"), ("inch", "mm"), ("cm", "pixel")]
    ] == [
        1000.0,
        0.001,
        0.1,
        25.4,
        None,
    ]


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_axes_in_one_unit(axes: str) -> None:
    sizes = dict.fromkeys(axes, 2.0)
    assert in_one_unit(sizes, {**dict.fromkeys(axes, "um"), axes[0]: "mm"}) == ({**sizes, axes[0]: 2000.0}, "um")
    assert in_one_unit(sizes, {}) == (sizes, "")
    assert in_one_unit(sizes, dict.fromkeys(axes, "furlong")) == (sizes, "furlong")
    for unit in ("pixel", "reference frame"):
        assert in_one_unit(sizes, dict.fromkeys(axes, unit)) is None
    assert in_one_unit(sizes, {**dict.fromkeys(axes, "um"), axes[0]: "furlong"}) is None


@pytest.mark.parametrize("dims", [2, 3])
def test_unit_of_an_item(dims: int) -> None:
    image = MetaTensor(torch.zeros(1, *[4] * dims), meta={"spacing": (0.5,) * dims, "unit": "um"})
    assert unit_of({"image": image}) == unit_of({"image": image, "spacing": torch.full((dims,), 0.502)}) == "um"
    for other in (0.52, 500.0, float("nan")):
        assert unit_of({"image": image, "spacing": torch.full((dims,), other)}) is None
    image.meta["unit"] = ""
    assert unit_of({"image": image}) is None
    assert unit_of({"image": torch.zeros(1, 4, 4), "spacing": torch.ones(2)}) is None
