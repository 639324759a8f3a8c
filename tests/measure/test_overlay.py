from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg.measure import draw_overlay


@pytest.mark.parametrize("classes", [None, ["background", "liver", "spleen"]])
def test_a_plane_is_shown_pixel_by_pixel(classes: list[str] | None) -> None:
    labels = np.zeros((40, 1000), int)
    labels[10:20, 10:30], labels[25:35, 900:990] = 1, 2
    picture = np.asarray(Image.open(io.BytesIO(draw_overlay(np.zeros((1, 40, 1000)), labels, classes=classes))))
    assert picture.shape == (40, 1000, 3)
    coloured = np.ptp(picture.astype(int), axis=-1) > 0
    assert not coloured[labels == 0].any()
    assert coloured[10, 10:30].all()
    assert tuple(picture[10, 10]) != tuple(picture[25, 900])


def test_a_volume_by_three_planes() -> None:
    labels = np.zeros((4, 10, 12), int)
    labels[1:3, 2:6, 2:6] = 1
    picture = np.asarray(Image.open(io.BytesIO(draw_overlay(np.zeros((1, 4, 10, 12)), labels, spacing=[2.0, 1.0, 1.0]))))
    assert picture.shape[0] > 10 + 8
    assert picture.shape[1] > 12 + 8
