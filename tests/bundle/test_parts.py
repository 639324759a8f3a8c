"""Which images train and which validate, from folds of a list."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.bundle.parts import listed_parts


@pytest.mark.parametrize("shape", [(16, 16), (4, 16, 16)])
def test_folds(shape: tuple[int, ...], tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.npy" for name in "abc"]
    for file in files:
        np.save(file, np.zeros(shape))
    listed = tmp_path / "list.json"
    options = {"axes": None, "spatial_dims": len(shape), "target": None, "pattern": None, "images": "images", "labels": "labels"}

    def parts(folds: list[int], fold: int) -> list[list[str]]:
        items = [{"image": file.name, "fold": k} for file, k in zip(files, folds, strict=True)]
        listed.write_text(json.dumps({"training": items}))
        found = listed_parts(listed, None, fold=fold, fraction=0.5, seed=0, options=options)
        return [[Path(item["image"]).stem for item in part] for part in found]

    assert parts([0, 1, 0], 1) == [["a", "c"], ["b"]]
    with pytest.raises(ValueError, match=r"nothing is left of .*list\.json to train on: fold 2 holds all of its 3 images"):
        parts([2, 2, 2], 2)
