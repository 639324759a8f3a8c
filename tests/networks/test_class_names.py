"""Class names as bytes."""

from __future__ import annotations

import pytest

from monai_denoiseg.networks import check_classes, decode_names, encode_names


@pytest.mark.parametrize("names", [[], ["background", "liver"], ["0", "left kidney", "Gefäß, klein", "脾臓"]])
def test_round_trip(names: list[str]) -> None:
    encoded = encode_names(names)
    assert bytes(encoded.tolist()) == "\n".join(names).encode("utf-8")
    assert decode_names(encoded) == names


def test_tuples_and_nothing() -> None:
    assert check_classes(("a", "b")) == ["a", "b"]
    assert check_classes(None) == check_classes([]) == []
