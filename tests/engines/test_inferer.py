"""DenoiSegInferer: tiles cover once, tiled equals whole, augmentation equals a plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.heads import StarHead
from monai_denoiseg.networks import DenoiSegNet


def network(*args: Any, **kwargs: Any) -> DenoiSegNet:
    """With weights and batch statistics that make every voxel matter."""
    torch.manual_seed(0)
    net = DenoiSegNet(*args, **kwargs)
    net.set_statistics(torch.full((net.in_channels,), 5.0), torch.full((net.in_channels,), 2.0))
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(5 + 2 * torch.randn(2, net.in_channels, *[16] * net.spatial_dims))
    return net.eval()


@pytest.mark.parametrize(
    ("arguments", "size", "tile"),
    [
        ({"spatial_dims": 2, "depth": 2}, (61, 45), 16),
        ({"spatial_dims": 2, "depth": 2}, (61, 45), (24, 7)),
        ({"spatial_dims": 2, "depth": 3}, (70, 9), 8),
        ({"spatial_dims": 2, "in_channels": 3, "depth": 1}, (33, 31), 8),
        ({"spatial_dims": 2, "depth": 2, "normalisation": "image"}, (61, 45), 16),
        ({"spatial_dims": 2, "depth": 2, "variant": "n2v2"}, (61, 45), 16),
        ({"spatial_dims": 2, "depth": 1, "kernel_size": 5}, (41, 37), 8),
        ({"spatial_dims": 3, "depth": 1}, (9, 21, 19), (4, 8, 8)),
        ({"spatial_dims": 3, "depth": 2, "strides": [[1, 2, 2], [2, 2, 2]]}, (7, 37, 30), (2, 8, 8)),
        ({"spatial_dims": 3, "depth": 1, "variant": "n2v2", "normalisation": "image"}, (9, 21, 19), (4, 8, 8)),
    ],
)
def test_tiled_equals_whole(arguments: dict[str, Any], size: tuple[int, ...], tile: Any) -> None:
    net = network(features=4, **arguments)
    image = 5 + 2 * torch.randn(1, net.in_channels, *size)
    whole, tiled = DenoiSegInferer()(image, net), DenoiSegInferer(tile)(image, net)
    assert tiled.shape == (1, 3 + net.in_channels, *size)
    assert (whole - tiled).abs().max() < 1e-4
    assert whole.flatten(2).std(2).min() > 1e-4  # an image that is the same everywhere would prove nothing


def test_a_halo_too_small_would_be_seen() -> None:
    """The comparison above can fail: with half the halo it does."""
    net = network(2, depth=2, features=4)
    image = 5 + 2 * torch.randn(1, 1, 61, 45)
    whole = DenoiSegInferer()(image, net)
    net.receptive_radius = [4, 4]
    assert (whole - DenoiSegInferer(16)(image, net)).abs().max() > 1e-4


def test_first_channels_are_probabilities_and_the_others_raw_intensities() -> None:
    net = network(2, in_channels=2, depth=1, features=4)
    image = 5 + 2 * torch.randn(2, 2, 16, 20)
    with torch.no_grad():
        plain = net(image)
    result = DenoiSegInferer()(image, net)
    torch.testing.assert_close(result[:, :3].sum(1), torch.ones(2, 16, 20))
    torch.testing.assert_close(result[:, :3], plain[:, :3].softmax(1))
    torch.testing.assert_close(result[:, 3:], plain[:, 3:])
    assert not result.requires_grad


@pytest.mark.parametrize(("spatial_dims", "size"), [(2, (16, 21)), (3, (4, 12, 9))])
def test_augmentation_equals_a_plain_loop(spatial_dims: int, size: tuple[int, ...]) -> None:
    """2D: four turns, mirrored and not. 3D: the same in the YX plane, for both directions of Z."""
    net = network(spatial_dims, depth=1, features=4)
    image = (5 + 2 * torch.randn(1, 1, *size)).numpy()
    once = DenoiSegInferer()
    results = []
    for z in (False, True) if spatial_dims == 3 else (False,):
        for mirrored in (False, True):
            for turns in range(4):
                turned = np.rot90(image[..., ::-1] if mirrored else image, turns, (-2, -1))
                turned = turned[:, :, ::-1] if z else turned
                result = once(torch.from_numpy(turned.copy()), net).numpy()
                result = np.rot90(result[:, :, ::-1] if z else result, -turns, (-2, -1))
                results.append(result[..., ::-1] if mirrored else result)
    assert len(results) == 8 * (spatial_dims - 1)
    averaged = DenoiSegInferer(tta=True)(torch.from_numpy(image), net).numpy()
    np.testing.assert_allclose(averaged, np.mean(results, 0), atol=1e-4)
    assert np.abs(averaged - results[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "size", "tile"),
    [
        ({"spatial_dims": 2, "depth": 1}, (30, 22), (16, 8)),
        ({"spatial_dims": 2, "depth": 2}, (61, 45), 16),
        ({"spatial_dims": 2, "depth": 2, "variant": "n2v2"}, (63, 46), (8, 24)),
        ({"spatial_dims": 2, "depth": 1, "strides": [[3, 2]], "kernel_size": [3, 5]}, (41, 31), 6),
        ({"spatial_dims": 2, "depth": 1, "normalisation": "image", "in_channels": 2}, (31, 27), 8),
        ({"spatial_dims": 3, "depth": 1, "variant": "n2v2"}, (9, 21, 19), (4, 8, 8)),
        ({"spatial_dims": 3, "depth": 2, "strides": [[1, 2, 2], [2, 2, 2]]}, (9, 29, 22), (4, 16, 16)),
    ],
)
def test_augmentation_with_tiles(arguments: dict[str, Any], size: tuple[int, ...], tile: Any) -> None:
    """Sizes that the network has to pad: a flipped image is padded, and pooled, from its other end."""
    net = network(features=4, **arguments)
    image = 5 + 2 * torch.randn(1, net.in_channels, *size)
    whole, tiled = DenoiSegInferer(tta=True)(image, net), DenoiSegInferer(tile, tta=True)(image, net)
    assert len(DenoiSegInferer(tile, tta=True).tiling(size, net)) > 3
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


def test_augmentation_needs_its_own_windows() -> None:
    """The comparison above can fail: with the windows of one orientation it does."""
    net = network(2, depth=2, features=4)
    image = 5 + 2 * torch.randn(1, 1, 61, 45)
    inferer = DenoiSegInferer(16, tta=True)
    whole = DenoiSegInferer(tta=True)(image, net)
    inferer.tiling = lambda size, network, tta: DenoiSegInferer(16).tiling(size, network)  # type: ignore[method-assign,misc]
    assert (inferer(image, net) - whole).abs().max() > 1e-4


@pytest.mark.parametrize("tta", [False, True])
def test_one_window_at_a_time(tta: bool) -> None:
    """What streaming does: the parts put together are the whole; `predict` is without augmentation."""
    net = network(2, depth=1, features=4)
    image = 5 + 2 * torch.randn(1, 1, 31, 22)
    inferer = DenoiSegInferer(8, tta=True)
    whole = inferer(image, net) if tta else inferer.predict(image, net)
    result = torch.full_like(whole, torch.nan)
    for part in inferer.tiling((31, 22), net, tta=tta):
        output = inferer.predict_window(image[(..., *part.window)], net, net.intensity(image), tta=tta)
        result[(..., *part.core)] = output[(..., *part.inner)]
    assert torch.equal(result, whole)
    assert (whole - DenoiSegInferer(tta=tta)(image, net)).abs().max() < 1e-4


def test_intensity_is_that_of_the_whole_image() -> None:
    """With image-wise normalisation a dark tile must not be stretched."""
    net = network(2, depth=1, features=4, normalisation="image")
    image = torch.rand(1, 1, 32, 32) * torch.linspace(0.01, 100, 32)
    intensity = torch.tensor([[[1.0], [50.0]]])
    torch.testing.assert_close(DenoiSegInferer(8)(image, net), DenoiSegInferer()(image, net), atol=1e-3, rtol=0)
    given = DenoiSegInferer(8, tta=True)(image, net, intensity=intensity)
    torch.testing.assert_close(given, DenoiSegInferer(tta=True)(image, net, intensity=intensity), atol=1e-3, rtol=0)
    assert (given - DenoiSegInferer(tta=True)(image, net)).abs().max() > 0.01


def test_a_distributed_wrapper_is_taken_off() -> None:
    wrapper = torch.nn.Module()
    wrapper.module = network(2, depth=1, features=4)
    image = torch.rand(1, 1, 20, 20)
    assert torch.equal(DenoiSegInferer(8)(image, wrapper), DenoiSegInferer(8)(image, wrapper.module))


@pytest.mark.parametrize("tile", [0, -4, (16, 0), 2.5])
def test_tile_size_must_be_positive(tile: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="`tile_size` must be"):
        DenoiSegInferer(tile)


def test_tile_size_of_the_wrong_length() -> None:
    with pytest.raises(ValueError, match="tile_size"):
        DenoiSegInferer((8, 8, 8))(torch.rand(1, 1, 20, 20), network(2, depth=1, features=4))


@pytest.mark.parametrize(
    ("arguments", "turns"), [({"strides": [[1, 2]]}, 4), ({"kernel_size": [3, 1]}, 4), ({"strides": [[2, 2]]}, 8)]
)
def test_quarter_turns_only_for_a_network_of_square_pixels(arguments: dict[str, Any], turns: int) -> None:
    net = network(2, depth=1, features=2, **arguments)
    image = 5 + torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    single, total = DenoiSegInferer(), torch.zeros(1, 4, 12, 12)
    for flips in ((), (2,), (3,), (2, 3)):
        for quarter in (0, 1) if turns == 8 else (0,):
            turned = torch.rot90(image.flip(flips), quarter, (2, 3)).contiguous()
            total += torch.rot90(single(turned, net), -quarter, (2, 3)).flip(flips)
    torch.testing.assert_close(DenoiSegInferer(tta=True)(image, net), total / turns, rtol=1e-4, atol=1e-4)


class DiscNet(torch.nn.Module):
    """Knows the answer: whatever it is shown, it gives the object probability and star distances of the bright object in it."""

    def __init__(self, rays: np.ndarray) -> None:
        super().__init__()
        from monai_denoiseg.transforms import StarLabel

        self.label, self.rays = StarLabel(rays), torch.as_tensor(rays)
        self.n_classes, self.head, self.denoises, self.multiple = 1 + len(rays), StarHead(rays), True, [1, 1]

    def square(self) -> bool:
        return True

    def intensity(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(image), 2, 1)

    def forward(self, image: torch.Tensor, intensity: torch.Tensor | None = None) -> torch.Tensor:
        return torch.stack([torch.cat([self.label((one > 0.5).int()), one]) for one in image])

    def activate(self, output: torch.Tensor) -> torch.Tensor:
        return output


def test_star_distances_are_turned_back() -> None:
    from monai_denoiseg.transforms import star_rays

    image = torch.zeros(1, 1, 24, 24)
    image[..., 4:15, 6:11] = 1.0
    net = DiscNet(star_rays(32, 2))
    plain, averaged = (DenoiSegInferer(tta=tta)(image, net) for tta in (False, True))
    torch.testing.assert_close(averaged, plain, atol=1e-4, rtol=0)


def test_orientations_the_rays_do_not_allow_give_no_distances() -> None:
    from monai_denoiseg.transforms import star_rays

    image = torch.zeros(1, 1, 24, 24)
    image[..., 4:15, 6:11] = 1.0
    net = DiscNet(star_rays(7, 2))  # an odd number: only the flip of Y maps them onto themselves
    plain, averaged = (DenoiSegInferer(tta=tta)(image, net) for tta in (False, True))
    torch.testing.assert_close(averaged, plain, atol=1e-4, rtol=0)


def test_stardist_network_tiled_equals_whole() -> None:
    from monai_denoiseg.transforms import star_rays

    torch.manual_seed(0)
    net = DenoiSegNet(2, depth=1, features=4, rays=star_rays(8, 2)).eval()
    image = torch.randn(1, 1, 45, 30)
    for tta in (False, True):
        whole, tiled = (DenoiSegInferer(size, tta)(image, net) for size in (None, 16))
        assert whole.shape == (1, 10, 45, 30)
        torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=1e-4)
