"""What goes wrong with the bundle of Self2Seg is said before any work is done, and no input is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.bundle.run import run_bundle

from .single_image import infer, names, scene, why


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"imge": "a.tif"}, "unknown key 'imge'; did you mean 'image'?"),
        ({"image": None}, "pass --image FILE"),
        ({"image": "gone.tif"}, "gone.tif does not exist"),
        ({"experts": "linear"}, "`experts` must be a list of experts, one expert for each"),
        ({"experts": ["linear"]}, "at least two regions"),
        ({"experts": ["linear", "linera"]}, "did you mean 'linear'?"),
        ({"experts": ["linear", "linear"], "model_file": "model.pt"}, "`model_file` is used by the expert 'network' only"),
        ({"lambda": -1}, "`lambda` must be in [0, inf)"),
        ({"lambda_path": [0.1, -1]}, "`lambda_path` must be a list, each entry a number in [0, inf)"),
        ({"tv": "iso"}, "`tv` must be one of"),
        ({"start": "boxes"}, "boxes"),
        ({"start": "boxes", "boxes": [[[0, 9, 0, 90]], [[10, 12, 10, 12]]]}, "leaves the image"),
        ({"boxes": [[[0, 9, 0, 9]], [[10, 12, 10, 12]]]}, "start"),
        ({"time_budget": 0}, "`time_budget` must be in (0, inf]"),
        ({"progress": "maybe"}, "`progress` must be true or false"),
        ({"scribbles": "a.tif", "start": "scribbles"}, "class"),
        ({"method": "noise2fast", "boxes": [[[0, 1, 0, 1]]]}, "leave out `boxes`"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", scene(16, 16)[0].round())
    with pytest.raises(Exception) as caught:
        infer(tmp_path, **{"image": "a.tif", **options})
    assert text in why(caught.value)
    assert not [path for path in Path("out").glob("*")]


@pytest.mark.parametrize("victim", ["image", "scribbles"])
def test_no_input_is_overwritten(victim: str, tmp_path: Path) -> None:
    """Results beside the images would replace a file of the same run."""
    image, _ = scene(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", image)
    kept = tmp_path / "a_mask.tif"
    tifffile.imwrite(kept, np.full((16, 16), 255, np.uint8))
    before = kept.read_bytes()
    given = {"dataset_dir": str(tmp_path)} if victim == "image" else {"image": str(tmp_path / "a.tif"), "scribbles": str(kept)}
    with pytest.raises(Exception) as caught:
        infer(tmp_path, **given, output_dir=str(tmp_path))
    assert "is an input and would be overwritten" in why(caught.value)
    assert kept.read_bytes() == before
    assert names(tmp_path) == ["a.tif", "a_mask.tif"]


def test_scribbles_for_some_images_only(tmp_path: Path) -> None:
    for sub in ("images", "drawn"):
        (tmp_path / sub).mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", scene(16, 16)[0])
    tifffile.imwrite(tmp_path / "drawn" / "a.tif", np.zeros((16, 16), np.uint8))
    for given, text in (("drawn", "no scribbles in"), ("drawn/a.tif", "one file for 2 images")):
        with pytest.raises(Exception) as caught:
            infer(tmp_path, dataset_dir=str(tmp_path / "images"), scribbles=str(tmp_path / given), start="scribbles")
        assert text in why(caught.value)


def test_bundle_cannot_train(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the bundle 'self2seg' has no train\.json: it can infer only"):
        run_bundle("train", "self2seg")
