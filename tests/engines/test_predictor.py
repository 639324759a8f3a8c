"""FilePredictor: one bad file does not stop the others, and is not passed over in silence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.data import Dataset
from monai.transforms import Compose

from monai_denoiseg.data import LoadItemd, SavePredictiond, inference_datalist
from monai_denoiseg.engines import DenoiSegInferer, FilePredictor
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstancesd, SplitPredictiond


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i in range(3):
        image = np.random.default_rng(i).integers(0, 1000, (20 + i, 30)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "in" / f"{i}.tif", image)
    return tmp_path


def predictor(folder: Path, network: DenoiSegNet | None = None, save: Any = None) -> FilePredictor:
    post = Compose(
        [
            SplitPredictiond("pred"),
            ProbabilitiesToInstancesd("pred", min_size=0, split_neck=0),
            save or SavePredictiond(folder / "out", {"pred": "instances", "denoised": "denoised"}, label_keys=["pred"]),
        ]
    )
    dataset = Dataset(inference_datalist(folder / "in"), LoadItemd())
    return FilePredictor("cpu", dataset, network or DenoiSegNet(2, depth=1, features=4), DenoiSegInferer(), post, amp="off")


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").glob("[!.]*"))


def test_all_good(folder: Path) -> None:
    network = DenoiSegNet(2, depth=1, features=4)
    predictor(folder, network).run()
    assert written(folder) == [f"{i}_{name}.tif" for i in range(3) for name in ("denoised", "instances")]
    image = torch.from_numpy(tifffile.imread(folder / "in" / "1.tif").astype(np.float32))[None, None]
    wanted = DenoiSegInferer()(image, network.eval())[0, 3]
    np.testing.assert_allclose(tifffile.imread(folder / "out" / "1_denoised.tif"), wanted, rtol=1e-5)


@pytest.mark.parametrize("harm", ["cut off", "no image", "wrong channels", "NaN"])
def test_one_bad_file_of_three(folder: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    bad = folder / "in" / "1.tif"
    if harm == "cut off":
        bad.write_bytes(bad.read_bytes()[:-300])
    elif harm == "no image":
        bad.write_bytes(b"nothing of the kind")
    elif harm == "wrong channels":
        tifffile.imwrite(bad, np.zeros((20, 30, 3), np.uint8), photometric="rgb")
    else:
        tifffile.imwrite(bad, np.full((20, 30), np.nan, np.float32))
    engine = predictor(folder)
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match=r"1 of 3 files failed: .*1\.tif") as error:
        engine.run()
    assert written(folder) == ["0_denoised.tif", "0_instances.tif", "2_denoised.tif", "2_instances.tif"]
    assert list(engine.failures) == [str(bad)]
    assert str(bad) in caplog.text
    assert engine.failures[str(bad)] in str(error.value)
    assert "applying transform" not in str(error.value), "the first cause is what helps"


def test_a_result_that_cannot_be_written_leaves_nothing_of_that_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_denoiseg.data import save

    write = save._write_tiff

    def full(array: np.ndarray, meta: Any, target: Path) -> None:
        if target.name.endswith("-2_denoised.tif"):
            raise OSError("no space left on device")
        write(array, meta, target)

    monkeypatch.setattr(save, "_write_tiff", full)
    with pytest.raises(RuntimeError, match="no space left on device"):
        predictor(folder).run()
    assert written(folder) == ["0_denoised.tif", "0_instances.tif", "1_denoised.tif", "1_instances.tif"]


def test_a_second_run_forgets_the_failures_of_the_first(folder: Path) -> None:
    engine = predictor(folder)
    bad = folder / "in" / "0.tif"
    good = bad.read_bytes()
    bad.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"1 of 3"):
        engine.run()
    bad.write_bytes(good)
    engine.run()
    assert len(written(folder)) == 6


def test_stop_by_the_user_is_no_failure_of_a_file(folder: Path) -> None:
    def stop(item: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FilePredictor("cpu", [{"image": torch.rand(1, 8, 8)}], DenoiSegNet(2, depth=1, features=4), DenoiSegInferer(), stop).run()


def test_one_slice_in_bf16_is_as_in_float32() -> None:
    """On CPUs, torch 2.13 computes a wrong bf16 convolution of a volume of one slice; the guard must reach the prediction."""
    torch.manual_seed(0)
    net = DenoiSegNet(3, depth=1, features=4, strides=[[1, 2, 2]])
    items = [{"image": torch.rand(1, 1, 16, 20)}]
    found: dict[str, torch.Tensor] = {}
    for amp in ("bf16", "off"):
        keep = lambda item, amp=amp: found.update({amp: item["pred"]})  # noqa: E731
        FilePredictor("cpu", items, net, DenoiSegInferer(), keep, amp=amp).run()
    torch.testing.assert_close(found["bf16"], found["off"], rtol=1e-4, atol=1e-4)
