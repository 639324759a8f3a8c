"""All pictures of one image."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg import pictures


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
    assert list(drawn) == ["input", "denoised", "residual", "clean", "probabilities", "instances", "truth"]
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


@pytest.mark.parametrize("size", [(17, 23), (5, 12, 9), (1, 12, 9)])
def test_semantic_panels(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 5, size)
    arrays = {
        "input": rng.normal(size=(1, *size)),
        "probabilities": rng.dirichlet([1] * 5, size).transpose(-1, *range(len(size))),
        "classes": np.full(size, 4, np.int32),
        "truth": truth,
    }
    drawn = pictures.panel_images(arrays, at_least=50)
    assert list(drawn) == ["input", "probabilities", "classes", "truth"]
    assert len({picture.shape for picture in drawn.values()}) == 1
    colour = np.round(255 * pictures.class_colours(5)[4])
    tinted = drawn["classes"][0, 0].astype(float) - drawn["input"][0, 0] // 3
    assert np.corrcoef(tinted, colour)[0, 1] > 0.9


def test_truth_with_more_classes_than_predicted_is_drawn() -> None:
    arrays = {"input": np.zeros((1, 6, 6)), "classes": np.zeros((6, 6), int), "truth": np.full((6, 6), 7)}
    assert pictures.panel_images(arrays)["truth"].any()


def test_volumes_are_stretched_by_the_voxel_size() -> None:
    volume = np.zeros((1, 6, 20, 30))
    gap, plain = pictures.GAP, pictures.panel_images({"input": volume}, at_least=1)["input"]
    assert plain.shape[:2] == (20 + gap + 6, 30 + gap + 6)
    arrays = {"input": volume, "spacing": np.array([5.0, 2.0, 2.0])}
    assert pictures.panel_images(arrays, at_least=1)["input"].shape[:2] == (20 + gap + 15, 30 + gap + 15)
    arrays["spacing"] = np.array([np.nan] * 3)
    assert pictures.panel_images(arrays, at_least=1)["input"].shape == plain.shape
    small = pictures.panel_images({**arrays, "spacing": np.array([4.0, 1.0, 1.0])}, at_least=60, at_most=12)["input"]
    assert small.shape[:2] == (12 * 5 + gap + 3 * 4 * 5, 12 * 5 + gap + 3 * 4 * 5), "3 slices of 4 units fit into 12"


def test_all_pictures_are_cut_through_the_same_voxel() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((8, 16, 18), int)
    truth[6, 2:5, 11:15] = 3
    image = rng.random((1, 8, 16, 18))
    arrays = {"input": image, "denoised": image, "truth": truth, "instances": np.ones((8, 16, 18), int)}
    drawn = pictures.panel_images(arrays, at_least=1)
    z, y, x = pictures.cut_point(arrays)
    assert (z, truth[z, y, x]) == (6, 3)
    window = pictures.contrast_window(image)
    planes = [pictures.to_rgb(plane, window) for plane in (image[:, z], image[..., x].swapaxes(1, 2), image[:, :, y])]
    np.testing.assert_array_equal(drawn["input"], pictures.join_planes(planes))
    np.testing.assert_array_equal(drawn["denoised"], drawn["input"])
    moved = pictures.panel_images(arrays, at_least=1, point=(0, 1, 2))["input"]
    np.testing.assert_array_equal(moved[:16, :18], pictures.to_rgb(image[:, 0], window))


def test_crops_of_large_volumes_keep_the_cut() -> None:
    volume = np.zeros((1, 40, 50, 60))
    volume[0, 3, 45, 7] = 1
    truth = (volume[0] > 0).astype(int)
    shown = pictures.panel_images({"input": volume, "truth": truth}, at_least=1, at_most=10)["input"]
    assert shown.shape[:2] == (10 + pictures.GAP + 10,) * 2
    for plane in (shown[:10, :10], shown[:10, -10:], shown[-10:, :10]):
        assert (plane[..., 0] == 255).sum() == 1


@pytest.mark.parametrize("size", [(9, 11), (5, 9, 11)])
def test_residual_is_grey_where_nothing_was_changed(size: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(50, 200, (1, *size)).astype(np.uint8)
    removed = np.zeros((1, *size))
    middle = tuple(length // 2 for length in size)
    removed[(0, *middle)], removed[(0, *middle[:-1], middle[-1] + 1)] = 30, -60
    panels = pictures.panel_images({"input": image, "denoised": image - removed}, at_least=1)
    drawn = panels["residual"][: size[-2], : size[-1], 0]
    assert drawn[middle[-2:]] > 180
    assert drawn[middle[-2], middle[-1] + 1] < 10
    assert np.median(drawn) == 128
    same = pictures.panel_images({"input": image, "denoised": image}, at_least=1)["residual"][: size[-2], : size[-1]]
    assert (same == 128).all()


@pytest.mark.parametrize("size", [(9, 11), (5, 9, 11)])
def test_probability_of_an_object_looks_like_foreground(size: tuple[int, ...]) -> None:
    probability = np.random.default_rng(0).random((1, *size))
    both = np.concatenate([1 - probability, probability])
    drawn = [pictures.panel_images({"input": probability, "probabilities": p})["probabilities"] for p in (probability, both)]
    np.testing.assert_array_equal(*drawn)
