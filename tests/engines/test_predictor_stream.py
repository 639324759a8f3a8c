"""FilePredictor with a stream: which files are streamed, and what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from monai.data import Dataset
from monai.transforms import Compose
from stream_helpers import network, picture, read, write

from monai_denoiseg.data import LoadItemd, SavePredictiond
from monai_denoiseg.engines import DenoiSegInferer, FilePredictor, StreamingPredictor
from monai_denoiseg.transforms import ProbabilitiesToInstancesd, SplitPredictiond


class Noted:
    """Stands for a StreamingPredictor and notes what it is called with."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, path: str) -> None:
        self.paths.append(Path(path).name)
        if "bad" in path:
            raise ValueError(f"{path} is bad")


def files(folder: Path) -> list[Path]:
    folder.mkdir()
    tifffile.imwrite(folder / "small.tif", picture((20, 18)))
    tifffile.imwrite(folder / "large.tif", picture((40, 50)))
    tifffile.imwrite(folder / "frames.tif", picture((3, 20, 18)), imagej=True, metadata={"axes": "TYX"})
    zarr.create_array(str(folder / "array.zarr"), data=picture((20, 18)))
    np.save(folder / "numbers.npy", picture((20, 18)).astype("float32"))
    return sorted(folder.glob("[!.]*"))


def predictor(folder: Path, paths: list[Path], **options: Any) -> FilePredictor:
    post = Compose(
        [
            SplitPredictiond("pred"),
            ProbabilitiesToInstancesd("pred"),
            SavePredictiond(folder / "out", {"pred": "instances", "denoised": "denoised"}, label_keys=["pred"]),
        ]
    )
    dataset = Dataset([{"image": str(path)} for path in paths], LoadItemd(spatial_dims=2))
    return FilePredictor("cpu", dataset, network(2), DenoiSegInferer(), post, amp="off", **options)


@pytest.mark.parametrize(
    ("when", "streamed"),
    [
        ("auto", ["array.zarr", "frames.tif", "large.tif"]),
        ("always", ["array.zarr", "frames.tif", "large.tif", "numbers.npy", "small.tif"]),
    ],
)
def test_which_files_are_streamed(tmp_path: Path, when: str, streamed: list[str]) -> None:
    stream = Noted()
    paths = files(tmp_path / "in")
    predictor(tmp_path, paths, stream=stream, stream_when=when, stream_voxels=1000).run()
    assert stream.paths == streamed
    written = sorted(path.name for path in (tmp_path / "out").glob("*_denoised.tif"))
    assert written == [f"{path.stem}_denoised.tif" for path in paths if path.name not in streamed]


def test_never(tmp_path: Path) -> None:
    stream = Noted()
    paths = [path for path in files(tmp_path / "in") if path.name in ("small.tif", "large.tif")]
    predictor(tmp_path, paths, stream=stream, stream_when="never", stream_voxels=0).run()
    assert stream.paths == []


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.tif", picture((20, 18)), "YX") for name in ("a", "bad", "c")]
    stream = Noted()
    engine = predictor(tmp_path, paths, stream=stream, stream_when="always")
    with pytest.raises(RuntimeError, match=r"1 of 3 files failed: .*bad\.tif: .*is bad"):
        engine.run()
    assert stream.paths == ["a.tif", "bad.tif", "c.tif"]


def test_streamed_and_loaded_give_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture((45, 38)), "YX")
    predictor(tmp_path, [path]).run()
    stream = StreamingPredictor(network(2), DenoiSegInferer(16), tmp_path / "streamed", amp="off")
    predictor(tmp_path, [path], stream=stream, stream_when="always").run()
    for kind in ("instances", "denoised"):
        results = [read(tmp_path / folder / f"a_{kind}.tif", 2) for folder in ("out", "streamed")]
        assert results[0].dtype == results[1].dtype
        np.testing.assert_allclose(*results, rtol=1e-5)


def test_the_axes_of_the_stream_count(tmp_path: Path) -> None:
    """A zarr or a stack of pages whose axes are not named: the user's word reaches the question whether to stream."""
    tifffile.imwrite(tmp_path / "a.tif", picture((3, 20, 18)))
    stream = StreamingPredictor(network(2), DenoiSegInferer(16), tmp_path / "out", axes="TYX", amp="off")
    predictor(tmp_path, [tmp_path / "a.tif"], stream=stream).run()
    assert read(tmp_path / "out" / "a_denoised.tif", 2).shape == (3, 1, 20, 18)


def test_options() -> None:
    arguments: list[Any] = ["cpu", [], network(2), DenoiSegInferer(), lambda item: item]
    with pytest.raises(ValueError, match="`stream` must be one of 'auto', 'always', 'never', got 'yes'"):
        FilePredictor(*arguments, stream=Noted(), stream_when="yes")
