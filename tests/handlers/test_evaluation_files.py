"""What an evaluation writes, and what it does not write over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .evaluation_helpers import case, everything, run


def test_a_full_disk_leaves_the_earlier_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, [case(i, (10, 20), n) for i, n in enumerate([2, 0, 3])])
    before = everything(tmp_path)

    def full(file: Any, **arrays: Any) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match=r"cannot write .*arrays/best_.*npz: no space left on the disk"):
        run(tmp_path, [case(7, (10, 20), 1)])
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["metrics.json", "per_image.csv", "panels/best_mine.png"])
def test_files_of_others_are_not_overwritten_and_nothing_is_evaluated(tmp_path: Path, name: str) -> None:
    (tmp_path / "panels").mkdir()
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{name} is there and is not overwritten"):
        run(tmp_path, [{}])  # an item nobody looks at
    assert everything(tmp_path) == {name: b"mine"}
