from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg import pictures


def test_colours_are_distinct_stable_and_black_for_no_object() -> None:
    label = np.array([[0, -1, 1], [2, 3, 40000]])
    colours = pictures.colour_labels(label)
    assert colours.dtype == np.uint8
    assert not colours[0, :2].any()
    assert len(np.unique(colours[label > 0], axis=0)) == 4
    np.testing.assert_array_equal(colours[0, 2], pictures.colour_labels(np.array([1]))[0])
    assert pictures.colour_labels(np.zeros((2, 3, 4), np.uint16)).shape == (2, 3, 4, 3)


def plain_inner_outline(label: np.ndarray) -> np.ndarray:
    """A pixel of an object with a 4-neighbour of another value; beyond the image there is nothing."""
    found = np.zeros(label.shape, bool)
    for y, x in np.argwhere(label > 0):
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if 0 <= y + dy < label.shape[0] and 0 <= x + dx < label.shape[1]:
                found[y, x] |= label[y + dy, x + dx] != label[y, x]
    return found


def test_outline_is_inside_each_object_also_between_touching_ones() -> None:
    label = np.zeros((9, 12), np.int32)
    label[1:8, 1:6], label[2:9, 6:11], label[0, 11] = 1, 2, -1
    image = np.full((9, 12, 3), 100, np.uint8)
    drawn = pictures.overlay_outlines(image, label)
    outline = plain_inner_outline(label)
    np.testing.assert_array_equal((drawn != 100).any(axis=-1), outline)
    np.testing.assert_array_equal(drawn[outline], pictures.colour_labels(label)[outline])
    assert (image == 100).all()


def test_thick_outline_stays_inside() -> None:
    label = np.pad(np.ones((7, 7), int), 1)
    drawn = pictures.overlay_outlines(np.zeros((9, 9, 3), np.uint8), label, thickness=2)
    expected = label.astype(bool)
    expected[3:6, 3:6] = False
    np.testing.assert_array_equal(drawn.any(axis=-1), expected)


def test_overlay_of_nothing_and_of_the_wrong_size() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    np.testing.assert_array_equal(pictures.overlay_outlines(image, np.full((4, 4), -1)), image)
    with pytest.raises(ValueError, match="differ in height or width"):
        pictures.overlay_outlines(image, np.zeros((4, 5), int))


def test_window_spans_all_images_and_survives_nan_and_constants() -> None:
    low, high = pictures.contrast_window(np.linspace(0, 1, 1000).reshape(1, 10, 100), np.full((1, 3, 3), 5.0))
    np.testing.assert_allclose([low[0], high[0]], [0.02, 5.0], atol=1e-3)
    low, high = pictures.contrast_window(np.full((2, 3, 3), np.nan))
    assert (high > low).all()
    assert np.isfinite([low, high]).all()


@pytest.mark.parametrize(("channels", "expected"), [(1, [255, 255, 255]), (2, [255, 0, 255]), (3, [255, 0, 0]), (5, [255, 0, 0])])
def test_channels_to_colours(channels: int, expected: list[int]) -> None:
    image = np.zeros((channels, 2, 3))
    image[0, 0, 0], image[0, 1, 2] = 1, np.nan
    rgb = pictures.to_rgb(image, (np.zeros(channels), np.ones(channels)))
    assert rgb.shape == (2, 3, 3)
    assert rgb[0, 0].tolist() == expected
    assert rgb[1, 2].tolist() == [0, 0, 0]


def test_middle_planes_and_their_layout() -> None:
    volume = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    front, side, bottom = pictures.middle_planes(volume, 3)
    np.testing.assert_array_equal(front, volume[1])
    np.testing.assert_array_equal(bottom, volume[:, 2])
    np.testing.assert_array_equal(side, volume[:, :, 2].T)
    joined = pictures.join_planes([np.repeat(plane[..., None], 3, -1) for plane in (front, side, bottom)])[..., 0]
    gap = pictures.GAP
    np.testing.assert_array_equal(joined[:4, :5], front)
    np.testing.assert_array_equal(joined[:4, 5 + gap :], side)
    np.testing.assert_array_equal(joined[4 + gap :, :5], bottom)
    assert (joined[4 : 4 + gap] == 255).all()


@pytest.mark.parametrize("size", [(17, 23), (5, 12, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_panels(size: tuple[int, ...], channels: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(channels, *size))
    label = (rng.random(size) > 0.5).astype(np.int16)
    arrays = {
        "truth": np.where(rng.random(size) > 0.9, -1, label),
        "instances": label.astype(np.uint16),
        "probabilities": rng.dirichlet([1, 1, 1], size).transpose(-1, *range(len(size))),
        "clean": image * 0.5,
        "denoised": image * 0.7,
        "input": image,
    }
    drawn = pictures.panel_images(arrays, at_least=50)
    assert list(drawn) == ["input", "denoised", "clean", "probabilities", "instances", "truth"]
    assert len({picture.shape for picture in drawn.values()}) == 1
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in drawn.values())
    assert list(pictures.panel_images({"input": image, "truth": arrays["truth"]})) == ["input", "truth"]


def test_panels_of_one_pixel_and_of_a_large_image() -> None:
    assert pictures.panel_images({"input": np.zeros((1, 1, 1))}, at_least=8)["input"].shape == (8, 8, 3)
    large = np.zeros((1, 100, 30))
    large[0, 50, 15] = 1
    shown = pictures.panel_images({"input": large}, at_least=10, at_most=20)["input"]
    assert shown.shape == (20, 20, 3)
    assert shown.max() == 255  # the centre is what is kept


def test_panels_share_one_contrast() -> None:
    dark, bright = np.zeros((1, 8, 8)), np.ones((1, 8, 8))
    drawn = pictures.panel_images({"input": dark, "denoised": bright, "clean": bright / 2})
    assert [int(drawn[name].max()) for name in ("input", "denoised", "clean")] == [0, 255, 128]


@pytest.mark.parametrize("grey", [True, False])
def test_png_round_trip(grey: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    if grey:
        picture[...] = picture[..., :1]
    opened = Image.open(io.BytesIO(pictures.to_png_bytes(picture)))
    assert opened.mode == ("L" if grey else "RGB")
    np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), picture)


def test_strip_keeps_every_panel() -> None:
    panels = [np.full((4, 6, 3), 10, np.uint8), np.full((8, 5, 3), 20, np.uint8)]
    strip = pictures.join_panels(panels)
    assert strip.shape == (8, 6 + pictures.GAP + 5, 3)
    np.testing.assert_array_equal(strip[:4, :6], panels[0])
    np.testing.assert_array_equal(strip[:, -5:], panels[1])
    assert (strip[4:, :6] == 255).all()
