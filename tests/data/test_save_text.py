from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.data import SaveTextd


def item(name: str = "cells.nii.gz", **entries: Any) -> dict[str, Any]:
    return {"image": MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": name}), **entries}


def test_names_and_texts(tmp_path: Path) -> None:
    save = SaveTextd(tmp_path / "new", {"table": "table.csv", "note": "note.txt"})
    given = item(table="ä,b\n", frame=3)
    assert set(save(given)) == set(given)
    assert [(path.name, path.read_text("utf-8")) for path in (tmp_path / "new").iterdir()] == [
        ("cells_frame0003_table.csv", "ä,b\n")
    ]


def test_a_text_replaces_the_one_before(tmp_path: Path) -> None:
    save = SaveTextd(tmp_path, {"table": "t.csv"})
    save(item(table="long text"))
    save(item(table="x"))
    assert (tmp_path / "cells_t.csv").read_text() == "x"


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    save = SaveTextd(tmp_path, {"table": "t.csv"})
    save(item(table="old"))
    with pytest.raises(UnicodeEncodeError):
        save(item(table="\ud800"))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("cells_t.csv", "old")]
