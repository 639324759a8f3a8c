"""What is said of a folder before a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.bundle.found import found_lines
from monai_denoiseg.data import images_datalist


def test_files_of_a_series_are_not_passed_over(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    from monai_denoiseg.data.dicom import simulate_series

    simulate_series(tmp_path / "images" / "case_03", np.zeros((3, 4, 5)))
    for source in (tmp_path / "images" / "case_03", tmp_path):
        lines = dict(found_lines(images_datalist(source, spatial_dims=3), source, spatial_dims=3))
        assert list(lines) == ["Images"]
        assert "3 x 4 x 5" in lines["Images"]
    (tmp_path / "images" / "notes.txt").touch()
    lines = dict(found_lines(images_datalist(tmp_path, spatial_dims=3), tmp_path, spatial_dims=3))
    assert lines["Passed over"] == "1 files: notes.txt"
