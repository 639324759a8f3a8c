"""What a network knows of the images it was trained on, and which images lie outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.networks.domain import INVERTED, check_domain, describe_domain, figures, look, normalised, outside, windows

SIZE = {2: (96, 80), 3: (12, 40, 40)}


def images(spatial_dims: int, n: int, first: int = 0) -> list[torch.Tensor]:
    return [
        torch.from_numpy(simulate_nuclei(SIZE[spatial_dims], 6, seed=seed).image.astype(np.float32))[None]
        for seed in range(first, first + n)
    ]


@pytest.fixture(scope="module", params=[2, 3])
def known(request: pytest.FixtureRequest) -> Any:
    network = DenoiSegNet(request.param, 1, depth=1, features=2, normalisation="image")
    network.domain = describe_domain(network, images(request.param, 12), SIZE[request.param])
    return network


def distance(network: Any, image: torch.Tensor) -> tuple[float, str]:
    seen = normalised(image, network.intensity(image[None])[0])
    found = look(lambda place: seen[(slice(None), *place)], image.shape[1:], network.domain["window"])
    return outside(network.domain, found)


def test_images_like_those_of_the_training_are_inside(known: Any) -> None:
    inside = [distance(known, image)[0] <= 1 for image in images(known.spatial_dims, 10, 100)]
    assert sum(inside) >= 9


def test_gain_and_offset_make_no_difference(known: Any) -> None:
    (image,) = images(known.spatial_dims, 1, 100)
    found = [distance(known, gain * image + offset)[0] for gain, offset in ((1, 0), (0.1, 0), (100, 5000))]
    assert found == pytest.approx([found[0]] * 3, rel=1e-2)


def test_others_are_outside(known: Any) -> None:
    (image,) = images(known.spatial_dims, 1, 100)
    far, kind = distance(known, image.max() - image)
    assert (far > 1, kind) == (True, INVERTED)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    stripes = torch.zeros_like(image)
    stripes[..., ::2] = 1000
    for other in (noise, stripes, image.repeat_interleave(8, -1).repeat_interleave(8, -2)):
        far, kind = distance(known, other)
        assert far > 1
        assert kind


def test_a_field_of_many_windows_is_known_by_the_fullest(known: Any) -> None:
    """Nearly all of a large field may be empty: it is judged by where there is something.

    In 3D the surroundings, which count, are as large as the thing itself: a lone volume in 27 times its own is only nearly known.
    """
    sample = simulate_nuclei(SIZE[known.spatial_dims], 6, seed=100)
    image = torch.from_numpy(sample.image.astype(np.float32))[None]
    dark = image[0][torch.from_numpy(sample.label) == 0]
    draws = torch.randint(len(dark), (1, *[3 * edge for edge in image.shape[1:]]), generator=torch.Generator().manual_seed(0))
    field = dark[draws]
    field[(slice(None), *[slice(edge, 2 * edge) for edge in image.shape[1:]])] = image
    assert distance(known, field)[0] <= {2: 1, 3: 2.5}[known.spatial_dims]
    known.window = None
    seen = normalised(field, known.intensity(field[None])[0])
    known.window = known.domain["window"]
    whole = outside(known.domain, look(lambda place: seen[(slice(None), *place)], field.shape[1:], known.window))[0]
    assert distance(known, field)[0] < whole, "as when the whole field counts"


def test_figures_against_numpy() -> None:
    image = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    found = figures(image)
    assert found.shape == (2, 22)
    values = image[1].numpy()
    np.testing.assert_allclose(found[1, :7], np.quantile(values, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)), rtol=1e-4)
    coarse = values.reshape(4, 2, 4, 2).mean((1, 3))
    detail = values - coarse.repeat(2, 0).repeat(2, 1)
    centred = values - values.mean()
    np.testing.assert_allclose(found[1, 7], np.log(detail.std() + 0.01), rtol=1e-4)
    np.testing.assert_allclose(found[1, 8], ((centred / (centred.std() + 1e-3)) ** 3).mean(), rtol=1e-4)
    np.testing.assert_allclose(found[1, 9], np.log(((detail / (detail.std() + 1e-3)) ** 4).mean() + 0.1), rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 1, 1), (3, 100, 9)])
def test_any_size_has_figures(shape: tuple[int, ...]) -> None:
    for value in (torch.zeros(1, *shape), torch.rand(1, *shape)):
        assert np.isfinite(figures(value)).all()
    places = windows(shape, [4] * len(shape))
    covered = np.zeros(shape, int)
    for place in places:
        covered[place] += 1
    assert covered.any()
    assert len(places) <= 8 ** len(shape)


def test_the_file_keeps_it_and_refuses_what_does_not_fit(known: Any, tmp_path: Path) -> None:
    again = DenoiSegNet(known.spatial_dims, 1, depth=1, features=2, normalisation="image")
    again.load_state_dict(known.state_dict())
    assert again.domain == known.domain
    assert (again.bounded, again.window) == (True, list(SIZE[known.spatial_dims]))
    for change in ({"window": [4]}, {"low": known.domain["high"]}, {"high": [1.0, 2.0]}, {"window": None}):
        with pytest.raises(ValueError, match="its `domain`"):
            check_domain({**known.domain, **change}, 1, known.spatial_dims)


def test_no_image_and_one_image() -> None:
    network = DenoiSegNet(2, 1, depth=1, features=2, normalisation="image")
    assert describe_domain(network, [], SIZE[2]) == {}
    (one,) = images(2, 1)
    network.domain = describe_domain(network, [one], SIZE[2])
    assert distance(network, one)[0] <= 1
    network.domain = {}
    assert network.window is None
