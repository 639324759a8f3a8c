from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle.single_image import axis_weights, denoise_image, region_experts, segment_denoised, single_images
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.trained_expert import TrainedExpert
from monai_denoiseg.self2seg.watch import Watch


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, np.zeros((4, 5), np.uint8))
    return folder


def test_scribbles_go_by_the_stem(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.tif", "images/b.ome.tif", "drawn/a.tiff", "drawn/b.tif", "drawn/c.tif")
    items = single_images(tmp_path / "images", tmp_path / "out", scribbles=tmp_path / "drawn")
    assert [(Path(i["image"]).name, Path(i["scribbles"]).name) for i in items] == [("a.tif", "a.tiff"), ("b.ome.tif", "b.tif")]


def test_frames_become_items(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "t.tif", np.zeros((3, 4, 5), np.uint8), imagej=True, metadata={"axes": "TYX"})
    assert [item.get("frame") for item in single_images(tmp_path / "t.tif", tmp_path, spatial_dims=2)] == [0, 1, 2]
    assert [item.get("frame") for item in single_images(tmp_path / "t.tif", tmp_path)] == [None]
    assert [item.get("frame") for item in single_images(tmp_path / "t.tif", tmp_path, axes="TYX", spatial_dims=2)] == [0, 1, 2]


@pytest.mark.parametrize("name", ["a_mask.tif", "a_denoised.tif", "a_lambda_masks.tif", "a_mask.nii.gz"])
def test_results_that_would_be_inputs(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.tif")
    (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match="is an input and would be overwritten by a result of"):
        single_images(tmp_path, tmp_path)
    assert len(single_images(tmp_path, tmp_path / "out")) == 2
    assert len(single_images(tmp_path, tmp_path, pattern="a.tif")) == 1


def test_an_input_behind_a_link_is_seen(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.tif", "images/a_mask.tif")
    (tmp_path / "out").symlink_to(tmp_path / "images")
    with pytest.raises(FileExistsError):
        single_images(tmp_path / "images", tmp_path / "out")


def test_a_trained_network_takes_the_place_of_its_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = DenoiSegNet(2, depth=1, features=4).eval()
    torch.save(net.state_dict(), tmp_path / "model.pt")
    first, second = region_experts(["constant", "network"], tmp_path / "model.pt")
    assert first == "constant"
    assert isinstance(second, TrainedExpert)
    image = 100 + 50 * torch.rand(1, 12, 17)
    with torch.no_grad():
        wanted = net(image[None])[0, net.n_classes :]
    torch.testing.assert_close(second.fit(image, torch.ones(12, 17), Watch()), wanted, rtol=1e-3, atol=0.5)


def test_a_network_that_does_not_denoise(tmp_path: Path) -> None:
    torch.save(DenoiSegNet(2, depth=1, features=4, denoises=False).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt"):
        region_experts(["constant", "network"], tmp_path / "model.pt")


@pytest.mark.parametrize(("spacing", "weights"), [(None, None), ([1.0, 1.0], [1.0, 1.0]), ([4.0, 0.5, 1.0], [0.125, 1.0, 0.5])])
def test_axis_weights(spacing: list[float] | None, weights: list[float] | None) -> None:
    assert axis_weights(spacing) == weights


def test_a_time_budget_ends_the_denoising() -> None:
    image = torch.rand(1, 16, 16)
    short = denoise_image(image, time_budget=1e-6, features=4, max_iterations=100000, patience=100000)
    assert short.shape == image.shape
    assert bool(short.isfinite().all())
    with pytest.raises(ValueError, match="leave out `scribbles`"):
        denoise_image(image, scribbles=image)


def test_sequential_is_the_one_then_the_other() -> None:
    image = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
    image[:, 5:15, 4:16] += 2
    options, segment = {"features": 4, "max_iterations": 20, "amp": "off"}, Self2Seg(["constant", "constant"], lam=0.02)
    found = segment_denoised(image, segment=segment, **options)
    denoised = denoise_image(image, **options)
    assert torch.equal(found.denoised, denoised)
    assert torch.equal(found.labels, segment(denoised).labels)
    assert not torch.equal(found.denoised, segment(denoised).denoised)
