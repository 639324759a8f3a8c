"""DICOM-SEG beside the results, through both bundles: by default, switched off, with terms of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.cli import main, run_bundle
from monai_denoiseg.networks import DenoiSegNet

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

CODE = ["123", "99LAB", "Blob"]


@pytest.fixture(params=[2, 3])
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """A bundle, and what its inference is told: a plane, or a series."""
    from monai_denoiseg.data.dicom import simulate_series

    dims, rng = request.param, np.random.default_rng(0)
    files = simulate_series(tmp_path / "scan", rng.integers(0, 500, (1 if dims == 2 else 4, 16, 16)))
    torch.manual_seed(0)
    network = DenoiSegNet(dims, depth=1, features=4, classes=["background", "blob"], denoises=False, normalisation="image")
    torch.save(network.state_dict(), tmp_path / "model.pt")
    source = files[0] if dims == 2 else tmp_path / "scan"
    place = {"dataset_dir": str(source), "model_file": str(tmp_path / "model.pt"), "output_dir": str(tmp_path / "out")}
    return f"denoiseg_{dims}d", place | {"amp": "off", "tta": False}


def written(place: dict[str, Any]) -> dict[str, Path]:
    names = {path.name.rpartition("_")[2]: path for path in Path(place["output_dir"]).glob("[!.]*_*")}
    assert set(names) <= {"seg.dcm", "classes.nii.gz"}
    return names


def test_by_default_it_is_there(scan: tuple[str, dict[str, Any]]) -> None:
    bundle, place = scan
    run_bundle("infer", bundle, **place)
    seg = pydicom.dcmread(written(place)["seg.dcm"])
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["blob"]


def test_switched_off_nothing_holds_the_patient(scan: tuple[str, dict[str, Any]]) -> None:
    bundle, place = scan
    run_bundle("infer", bundle, **place, dicom_seg=False)
    assert set(written(place)) == {"classes.nii.gz"}


def test_terms_of_ones_own(scan: tuple[str, dict[str, Any]]) -> None:
    bundle, place = scan
    run_bundle("infer", bundle, **place, segment_codes={"blob": CODE})
    term = pydicom.dcmread(written(place)["seg.dcm"]).SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert [term.CodeValue, term.CodingSchemeDesignator, term.CodeMeaning] == CODE


@pytest.mark.parametrize(
    "codes", ["{'blob': ['1', 'SCT']}", "{'blob': 'liver'}", "{'blob': ['12345678901234567', 'SCT', 'x']}", "[]"]
)
def test_terms_that_are_none(scan: tuple[str, dict[str, Any]], codes: str, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, place = scan
    words = [word for key, value in place.items() for word in (f"--{key}", str(value))]
    assert main(["infer", "--bundle", bundle, *words, "--segment_codes", codes]) == 1
    assert "`segment_codes`" in capsys.readouterr().err
    assert not Path(place["output_dir"]).exists()
