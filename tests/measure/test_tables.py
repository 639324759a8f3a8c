from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from monai_denoiseg.measure.tables import check_tables, write_tables


def part(image: str, **columns: float) -> pd.DataFrame:
    return pd.DataFrame({"image": [image], **{name: [value] for name, value in columns.items()}})


def test_rows_of_other_images_stay_to_the_letter(tmp_path: Path) -> None:
    write_tables(
        tmp_path,
        [[part("007", area=3, mean=0.1 + 0.2), part("b", area=4, mean=float("nan"))], [part("007", count=1)]],
        ["007", "b"],
    )
    write_tables(tmp_path, [[part("b", area=5, volume=2.5)], [part("b", count=2)]], ["b"])
    assert (tmp_path / "measurements.csv").read_text().split() == [
        *("image,area,volume,mean", "007,3,,0.30000000000000004", "b,5,2.5,"),
    ]
    write_tables(tmp_path, [[], [part("b", count=0)]], ["b"])  # nothing is found in it any more
    assert (tmp_path / "measurements.csv").read_text().split()[1:] == ["007,3,,0.30000000000000004"]
    assert (tmp_path / "summary.csv").read_text().split() == ["image,count", "007,1", "b,0"]


def test_nothing_found_is_a_table_without_rows(tmp_path: Path) -> None:
    write_tables(tmp_path, [[part("a", area=1).iloc[:0]], [part("a", count=0)]], ["a"])
    assert (tmp_path / "measurements.csv").read_text().split() == ["image,area"]


def test_a_table_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"measurements\.csv is there and is not overwritten"):
        check_tables(tmp_path)
    with pytest.raises(FileExistsError, match=r"measurements\.csv"):
        write_tables(tmp_path, [[part("a", area=1)], [part("a", count=1)]], ["a"])
    assert (tmp_path / "measurements.csv").read_text() == "mine"
