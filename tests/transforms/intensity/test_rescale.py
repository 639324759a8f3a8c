"""A crop at another scale: the picture and its labels change size, the noise does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.heads import target_label
from monai_denoiseg.transforms import StarLabel, star_rays
from monai_denoiseg.transforms.intensity import RescaledCrop
from monai_denoiseg.transforms.labels import border_classes


def make_item(shape: tuple[int, ...], channels: int = 1, seed: int = 0) -> dict[str, torch.Tensor]:
    """A smooth image under white noise of deviation 3, and blocks with a part nobody annotated."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.meshgrid(*(torch.linspace(0, 3, n) for n in shape), indexing="ij")
    denoised = torch.stack([100 * (c + 1) + 20 * sum(a.sin() for a in axes) for c in range(channels)])
    label = torch.zeros(1, *shape, dtype=torch.int64)
    label[(0, *(slice(2, n // 2) for n in shape))] = 7
    label[(0, *(slice(n // 2, n - 3) for n in shape))] = 9
    label[..., -2:] = -1
    noise = 3 * torch.randn(denoised.shape, generator=generator)
    return {"image": denoised + noise, "denoised": denoised, "label": label}


def slow_nearest(label: np.ndarray, start: tuple[int, ...], size: tuple[int, ...], patch: tuple[int, ...]) -> np.ndarray:
    """The voxel of the window that the middle of each voxel of the patch lies in."""
    out = np.empty(patch, label.dtype)
    for at in np.ndindex(patch):
        middle = [(i + 0.5) * n / wanted for i, n, wanted in zip(at, size, patch, strict=True)]
        out[at] = label[tuple(first + int(np.floor(x)) for first, x in zip(start, middle, strict=True))]
    return out


@pytest.mark.parametrize(("shape", "patch"), [((20, 24), (8, 10)), ((7, 20, 24), (5, 8, 10)), ((5, 9, 9), (5, 9, 9))])
@pytest.mark.parametrize("channels", [1, 3])
def test_scale_one_at_one_place_is_the_noisy_image(shape: tuple[int, ...], patch: tuple[int, ...], channels: int) -> None:
    item = make_item(shape, channels)
    start = tuple((n - edge) // 2 for n, edge in zip(shape, patch, strict=True))
    window = (slice(None), *(slice(first, first + edge) for first, edge in zip(start, patch, strict=True)))
    out = RescaledCrop(patch)(item, start, patch, start)
    assert set(out) == {"image", "label"}
    assert torch.equal(out["image"], item["image"][window])
    assert torch.equal(out["label"], item["label"][window])


def test_scale_one_with_the_noise_of_another_place() -> None:
    item = make_item((20, 24), channels=2)
    out = RescaledCrop((8, 10))(item, (3, 4), (8, 10), (11, 2))["image"]
    noise = (item["image"] - item["denoised"])[:, 11:19, 2:12]
    torch.testing.assert_close(out, item["denoised"][:, 3:11, 4:14] + noise)


@pytest.mark.parametrize(
    ("shape", "patch", "start", "size"),
    [
        ((20, 24), (8, 10), (3, 5), (4, 5)),
        ((20, 24), (8, 10), (1, 2), (16, 20)),
        ((20, 24), (8, 10), (2, 2), (11, 7)),
        ((9, 20, 24), (4, 8, 10), (1, 3, 5), (7, 5, 17)),
        ((9, 20, 24), (4, 8, 10), (2, 3, 14), (4, 8, 10)),
    ],
)
def test_labels_are_those_of_the_nearest_voxels(
    shape: tuple[int, ...], patch: tuple[int, ...], start: tuple[int, ...], size: tuple[int, ...]
) -> None:
    item = make_item(shape)
    out = RescaledCrop(patch)(item, start, size, (0,) * len(shape))["label"]
    wanted = slow_nearest(item["label"][0].numpy(), start, size, patch)
    assert out.dtype == torch.int64
    np.testing.assert_array_equal(out[0].numpy(), wanted)


@pytest.mark.parametrize(("size", "scale"), [((32, 32), 2.0), ((128, 128), 0.5)])
def test_the_picture_is_scaled_and_the_noise_is_not(size: tuple[int, int], scale: float) -> None:
    item = make_item((160, 160))
    out = RescaledCrop((64, 64))(item, (10, 20), size, (70, 5))["image"]
    plain = torch.nn.functional.interpolate(
        item["image"][None, :, 10 : 10 + size[0], 20 : 20 + size[1]], size=(64, 64), mode="bilinear"
    )
    # The picture itself, worked out at the middles of the new voxels.
    y, x = (3 / 159 * (first - 0.5 + (torch.arange(64) + 0.5) / scale) for first in (10, 20))
    picture = 100 + 20 * (y.sin()[:, None] + x.sin()[None])
    inside = slice(1, -1)  # at the edge of the window there is nothing to interpolate with
    noise, smeared = (values[inside, inside] for values in (out[0] - picture, plain[0, 0] - picture))
    residual = (item["image"] - item["denoised"])[0, 70:134, 5:69][inside, inside]
    torch.testing.assert_close(noise, residual, atol=0.02, rtol=0)
    assert float(smeared.var()) < 0.6 * float(residual.var())


@pytest.mark.parametrize("size", [(32, 32), (45, 45), (64, 64), (90, 90), (128, 128)])
def test_borders_are_one_voxel_wide_at_any_scale(size: tuple[int, int]) -> None:
    sample = simulate_nuclei((160, 160), seed=1)
    label = torch.from_numpy(sample.label.astype("int64"))[None]
    image = torch.zeros(1, 160, 160)
    target = target_label()
    item = {"image": image, "denoised": image, "label": target({"label": label})["label"], "instances": label}
    out = RescaledCrop((64, 64), target)(item, (4, 8), size, (0, 0))
    assert set(out) == {"image", "label"}
    wanted = border_classes(slow_nearest(sample.label.astype("int64"), (4, 8), size, (64, 64)))
    assert (wanted == 2).any()
    np.testing.assert_array_equal(out["label"][0].numpy(), wanted)


def test_physical_border_uses_the_voxel_size_of_the_item() -> None:
    label = torch.zeros(1, 40, 40, dtype=torch.int64)
    label[:, 12:28, 12:28] = 3
    image = torch.zeros(1, 40, 40)
    item = {"image": image, "denoised": image, "instances": label, "spacing": torch.tensor([0.5, 0.5])}
    crop = RescaledCrop((32, 32), target_label(width=1.2, units="physical"))
    out = crop(item, (12, 4), (16, 16), (0, 0))
    wanted = border_classes(slow_nearest(label[0].numpy(), (12, 4), (16, 16), (32, 32)), 1, 1.2, (0.5, 0.5))
    np.testing.assert_array_equal(out["label"][0].numpy(), wanted)
    assert (wanted == 2).sum() > (border_classes(slow_nearest(label[0].numpy(), (12, 4), (16, 16), (32, 32))) == 2).sum()
    assert torch.equal(out["spacing"], item["spacing"])


def test_what_is_not_annotated_stays_so_with_and_without_borders() -> None:
    item = make_item((20, 24))
    item["instances"] = item["label"]
    for target in (None, target_label()):
        out = RescaledCrop((8, 10), target)(item, (4, 12), (10, 12), (0, 0))["label"]
        unknown = slow_nearest(item["label"][0].numpy(), (4, 12), (10, 12), (8, 10)) == -1
        assert 0 < unknown.sum() < unknown.size
        np.testing.assert_array_equal(out[0].numpy() == -1, unknown)


def test_star_distances_grow_with_the_object() -> None:
    """Those of an object twice as large are what StarLabel finds on the scaled labels; two voxels share each: half one off."""
    label = torch.zeros(1, 40, 40, dtype=torch.int64)
    label[:, 10:26, 12:24] = 4
    stars = StarLabel(star_rays(4, 2))
    image = torch.zeros(1, 40, 40)
    out = RescaledCrop((40, 40))({"image": image, "denoised": image, "label": stars(label)}, (8, 8), (20, 20), (0, 0))["label"]
    wanted = stars(torch.from_numpy(slow_nearest(label[0].numpy(), (8, 8), (20, 20), (40, 40)))[None])
    inside = (wanted[0] > 0).expand(4, -1, -1)
    assert (out[1:][~inside] == 0).all()
    torch.testing.assert_close((out[1:] - wanted[1:])[inside].abs(), torch.full((int(inside.sum()),), 0.5))
    assert float((out[0] - wanted[0]).abs().max()) < 0.2


@pytest.mark.parametrize(("size", "factor"), [((2, 6, 8), 2.0), ((8, 24, 32), 0.5)])
def test_star_distances_in_3d(size: tuple[int, ...], factor: float) -> None:
    stars = torch.rand(5, 9, 26, 34)
    image = torch.zeros(1, 9, 26, 34)
    item = {"image": image, "denoised": image, "label": stars}
    out = RescaledCrop((4, 12, 16))(item, (1, 2, 2), size, (0, 0, 0))["label"]
    near = np.stack([slow_nearest(channel.numpy(), (1, 2, 2), size, (4, 12, 16)) for channel in stars])
    np.testing.assert_array_equal(out[0].numpy(), near[0])
    np.testing.assert_allclose(out[1:].numpy(), near[1:] * factor, rtol=1e-6)


def test_unknown_star_distances_stay_unknown() -> None:
    label = torch.zeros(1, 20, 20, dtype=torch.int64)
    label[:, 4:16, 4:16] = 4
    label[:, :, 12:] = -1
    stars = StarLabel(star_rays(4, 2))(label)
    image = torch.zeros(1, 20, 20)
    out = RescaledCrop((20, 20))({"image": image, "denoised": image, "label": stars}, (5, 5), (10, 10), (0, 0))["label"]
    for channel, before in zip(out.numpy(), stars.numpy(), strict=True):
        near = slow_nearest(before, (5, 5), (10, 10), (20, 20))
        assert (near == -1).any()
        np.testing.assert_array_equal(channel == -1, near == -1)
        assert (channel[near != -1] >= 0).all()


def test_other_entries_are_handed_on_and_the_item_is_left_alone() -> None:
    item = {**make_item((20, 24)), "labelled": True, "intensity": torch.tensor([[1.0], [2.0]])}
    before = {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in item.items()}
    out = RescaledCrop((8, 10))(item, (2, 2), (9, 12), (3, 1))
    assert set(out) == {"image", "label", "labelled", "intensity"}
    assert out["labelled"] is True
    assert out["intensity"] is item["intensity"]
    out["image"].zero_()
    out["label"].zero_()
    for key, value in before.items():
        assert torch.equal(item[key], value) if isinstance(value, torch.Tensor) else item[key] is value


@pytest.mark.parametrize("edge", [0, -3])
def test_a_patch_without_voxels_is_an_error(edge: int) -> None:
    with pytest.raises(ValueError, match=f"`patch_size` must be an integer >= 1, got {edge}"):
        RescaledCrop((8, edge))
