from __future__ import annotations

import pytest

from monai_denoiseg.measure import COLUMNS
from monai_denoiseg.measure.columns import chosen_columns


def test_words() -> None:
    assert chosen_columns("all", 3, ["background", "liver"]) == list(COLUMNS)
    assert chosen_columns("auto", 2) == list(COLUMNS)
    assert {*COLUMNS} - {*chosen_columns("auto", 3)} == {"solidity"}
    assert {*COLUMNS} - {*chosen_columns("auto", 2, ["background", "liver"])} == {"solidity", "shape"}
    assert chosen_columns(["border", "size"], 2) == ["size", "border"]
    assert chosen_columns(None, 2) == chosen_columns("none", 2) == []
    with pytest.raises(ValueError, match="`measure`"):
        chosen_columns(["area"], 2)
