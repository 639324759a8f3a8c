"""Prediction at the voxel size of a network, results on the grid of the image."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor, list_data_collate

from monai_denoiseg.data import PatchCollate
from monai_denoiseg.engines import DenoiSegInferer, StreamingPredictor
from monai_denoiseg.engines.annotated_crops import AnnotatedCrops
from monai_denoiseg.engines.at_spacing import spacing_for, stays_as_it_is
from monai_denoiseg.engines.batch import BlindSpotBatch
from monai_denoiseg.networks import DenoiSegNet, network_for_file
from monai_denoiseg.transforms import BlindSpot, TargetSpacingd
from monai_denoiseg.transforms.resample import resample

SHAPES = {2: (12, 40), 3: (6, 20, 24)}


def network(dims: int, **more: Any) -> DenoiSegNet:
    torch.manual_seed(0)
    options = {"classes": ["background", "liver"], "target_spacing": [1.0] * dims, "normalisation": "image"} | more
    return DenoiSegNet(dims, depth=1, features=4, **options).eval()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("tile", [None, 16])
def test_only_the_segmentation_is_resampled(dims: int, tta: bool, tile: int | None) -> None:
    net, image = network(dims), torch.rand(1, 1, *SHAPES[dims])
    infer = DenoiSegInferer(tile, tta)
    found = infer(image, net, spacing=torch.tensor([[3.0, *[1.0] * (dims - 1)]]))
    plain, given = infer(image, net), net.intensity(image)
    at = infer(resample(image, (3 * image.shape[2], *image.shape[3:])), net, intensity=given)
    assert torch.equal(found[:, 2:], plain[:, 2:]), "the denoised image"
    torch.testing.assert_close(found[:, :2], resample(at[:, :2], image.shape[2:]))
    torch.testing.assert_close(found[:, :2].sum(1), torch.ones_like(found[:, 0]))
    assert not torch.equal(found[:, :2], plain[:, :2])


@pytest.mark.parametrize("dims", [2, 3])
def test_at_that_size_nothing_changes(dims: int) -> None:
    net, image = network(dims), torch.rand(1, 1, *SHAPES[dims])
    infer = DenoiSegInferer(tta=True, refine=True)
    plain = infer(image, network(dims, target_spacing=None))
    for spacing in ([1.0] * dims, [1.04] * dims, [float("nan")] * dims, None):
        assert torch.equal(infer(image, net, spacing=spacing), plain)


def test_a_batch_of_two_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="one by one"):
        DenoiSegInferer()(torch.rand(2, 1, 8, 8), network(2), spacing=torch.tensor([[1.0, 1.0], [2.0, 2.0]]))


def test_the_file_keeps_it(tmp_path: Any) -> None:
    torch.save(network(2).state_dict(), tmp_path / "model.pt")
    found = network_for_file(tmp_path / "model.pt")
    assert found.target_spacing == [1.0, 1.0]
    other = network(2, target_spacing=None)
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert other.target_spacing == [1.0, 1.0], "it goes with the weights"
    assert "target_spacing" not in network(2, target_spacing=None).architecture


@pytest.mark.parametrize("dims", [2, 3])
def test_the_unit_of_an_image_counts(dims: int, tmp_path: Any) -> None:
    torch.save(network(dims, target_unit="mm").state_dict(), tmp_path / "model.pt")
    net = network_for_file(tmp_path / "model.pt")
    other = network(dims, target_spacing=None)
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert net.target_unit == other.target_unit == "mm"  # type: ignore[union-attr]
    sizes = (3000.0, *[1000.0] * (dims - 1))
    image = MetaTensor(torch.rand(1, *SHAPES[dims]), meta={"unit": "um", "spacing": sizes})
    for given, wanted in [(torch.tensor(sizes), [3.0, *[1.0] * (dims - 1)]), (torch.ones(dims), [1.0] * dims)]:
        assert spacing_for(net, {"image": image, "spacing": given})["spacing"].tolist() == pytest.approx(wanted)
    batch = list_data_collate([{"image": image, "spacing": torch.tensor(sizes)}] * 2)
    torch.testing.assert_close(spacing_for(net, batch)["spacing"], torch.tensor([[3.0, *[1.0] * (dims - 1)]] * 2))
    assert not stays_as_it_is(net, SHAPES[dims], sizes, "um")
    assert stays_as_it_is(net, SHAPES[dims], [1000.0] * dims, "um")


def test_an_unknown_voxel_size_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        spacing_for(network(2), {"spacing": torch.tensor([float("nan")] * 2)}, "a.tif")
    assert "a.tif does not tell its voxel size" in caplog.text


def test_a_stream_refuses_what_it_would_have_to_resample(tmp_path: Any) -> None:
    image = np.random.default_rng(0).random((40, 30)).astype("f4")
    options: dict[str, Any] = {"imagej": True, "metadata": {"unit": "mm"}}
    tifffile.imwrite(tmp_path / "a.tif", image, resolution=(1 / 2.0, 1 / 2.0), **options)
    tifffile.imwrite(tmp_path / "b.tif", image, resolution=(1.0, 1.0), **options)
    stream = StreamingPredictor(network(2), DenoiSegInferer(tile_size=16), tmp_path / "out")
    with pytest.raises(ValueError, match=r"voxels of 1 x 1.*--stream never"):
        stream(tmp_path / "a.tif")
    assert set(stream(tmp_path / "b.tif")) == {"denoised", "classes"}


@pytest.mark.parametrize("dims", [2, 3])
def test_the_denoising_sees_no_interpolated_noise(dims: int) -> None:
    """Batches of a resampled item: what is denoised are voxels of the image itself; resampled ones hide no spot."""
    torch.manual_seed(0)
    patch = [6, *[16] * (dims - 1)]
    image = torch.randn(1, *SHAPES[dims])
    item = {"image": image, "label": torch.ones(1, *SHAPES[dims]).long(), "spacing": torch.tensor([3.0, *[1.0] * (dims - 1)])}
    item["intensity"] = torch.tensor([[0.0], [1.0]])
    item |= {"labelled": True}
    respaced = TargetSpacingd([1.0] * dims)(item)
    collate = PatchCollate(patch, substitute=AnnotatedCrops(patch, 0.5, unchanged=0.5))
    batch = collate([respaced] * 24)
    _, target, *_ = BlindSpotBatch(BlindSpot(fraction=0.1))(batch)
    spots = target["mask"].flatten(1).any(1)
    assert 0 < int(spots.sum()) < 24
    assert bool((spots != batch["augmented"]).all())
    own = set(image.flatten().tolist())
    for index in range(24):
        values, annotated = set(batch["image"][index].flatten().tolist()), bool((batch["label"][index] >= 0).any())
        assert values <= own if spots[index] else not values <= own
        assert annotated != bool(spots[index]), "and a crop at another voxel size teaches no class"
    segmentation = AnnotatedCrops(patch, 0.5)(respaced)
    assert segmentation is not None
    assert segmentation["spacing"].tolist() == [1.0] * dims


@pytest.mark.parametrize("dims", [2, 3])
def test_units_that_differ_from_file_to_file(dims: int) -> None:
    """The plan normalises all but CT image by image: a file in another unit has the same probabilities."""
    torch.manual_seed(0)
    net, image = network(dims, target_spacing=None, denoises=False), torch.rand(1, 1, *SHAPES[dims]) * 200 + 50
    plain = DenoiSegInferer()(image, net)
    for factor in (1e4, 1e-4):
        torch.testing.assert_close(DenoiSegInferer()(image * factor, net), plain, atol=1e-4, rtol=1e-3)
