"""What ImageJ makes of the files, by its documented rules (ij.io.TiffDecoder, FileOpener)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor

from monai_denoiseg.data import FileReader, SavePredictiond, TiffSink


def imagej_colours(path: Path) -> np.ndarray:
    """RGB of the pixels of a 16-bit ImageJ file: getColorMap takes the high byte of 768 numbers, min and max the range."""
    with tifffile.TiffFile(path) as tif:
        page, about = tif.pages[0], tif.imagej_metadata
        assert page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert page.bitspersample == 16
        assert page.tags[320].count == 768
        table = (np.array(page.tags[320].value).reshape(3, 256) >> 8).T
        values = tif.asarray().astype(float)
        low, high = about["min"], about["max"]
        return table[np.clip(256 * (values - low) / (high - low + 1), 0, 255).astype(int)]


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30)])
@pytest.mark.parametrize("streamed", [False, True])
def test_objects_are_told_apart(shape: tuple[int, ...], streamed: bool, tmp_path: Path) -> None:
    labels = np.arange(np.prod(shape)).reshape(shape) % 300
    if streamed:
        sink = TiffSink(tmp_path / "a_instances.tif", (1, 1, *shape), "uint16")
        sink.write(0, tuple(slice(0, n) for n in shape), labels[None])
        sink.finish()
    else:
        image = MetaTensor(torch.zeros(1, *shape), meta={"filename_or_obj": "a.tif"})
        item = {"image": image, "pred": torch.tensor(labels)[None]}
        SavePredictiond(tmp_path, {"pred": "instances"}, label_keys=["pred"])(item)
    colours = imagej_colours(tmp_path / "a_instances.tif")
    assert (colours[labels == 0] == 0).all()
    assert (colours[labels > 0].max(-1) > 200).all()
    first = {tuple(colours[labels == number][0]) for number in range(256)}
    assert len(first) > 250
    array, meta = (reader := FileReader(spatial_dims=len(shape))).get_data(reader.read(tmp_path / "a_instances.tif"))
    assert np.array_equal(array, labels)
    assert meta["dtype"] == "uint16"
