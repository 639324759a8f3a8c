"""The pictures of the page and what is written beside them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.pictures import to_png_bytes
from monai_denoiseg.report.examples import example_panels
from monai_denoiseg.report.run_folder import Example, RunFolder

from .conftest import example_arrays


def panels(*examples: Example, **parts: object) -> str:
    return example_panels(RunFolder(Path("run"), examples=list(examples), **parts))  # type: ignore[arg-type]


def captions(html: str) -> list[str]:
    return [re.sub(r"<[^>]*>", "", caption) for caption in re.findall(r"<figcaption>(.*?)</figcaption>", html)]


def test_no_examples_no_section() -> None:
    assert panels() == ""


def test_each_picture_says_what_it_is() -> None:
    html = panels(Example("best", "a<b", example_arrays((24, 30))), images=[{"image": "a<b.tif", "ap": "0.756", "psnr": "30.04"}])
    said = captions(html)
    assert len(said) == html.count("<img") == 7
    for words in ("Input, as recorded", "Clean reference", "Objects found: 1, outlined", "Annotation: 1, outlined"):
        assert sum(words in caption for caption in said) == 1, words
    assert "AP 0.76 · PSNR 30.0 dB" in html
    assert "The best image by AP" in html
    assert "a&lt;b" in html
    assert "a<b" not in html
    assert "Planes through" not in html


@pytest.mark.parametrize(("spacing", "stretched"), [((1.0, 1.0, 1.0), ""), ((2.0, 0.5, 0.5), "; voxels stretched Z × 4")])
def test_volumes_tell_where_they_are_cut(spacing: tuple[float, ...], stretched: str) -> None:
    arrays = example_arrays((6, 14, 18)) | {"spacing": np.array(spacing)}
    html = panels(Example("worst", "v", arrays))
    assert re.search(rf"Planes through Z \d of 6, Y \d+ of 14, X \d+ of 18{re.escape(stretched)}\.", html)
    assert "Volumes are shown by three planes" in html


def test_parts_nobody_annotated_are_explained() -> None:
    arrays = example_arrays((24, 30))
    assert "Hatched" not in panels(Example("best", "a", arrays))
    arrays["truth"] = arrays["truth"].copy()
    arrays["truth"][:4] = -1
    assert "Hatched parts are not annotated" in panels(Example("best", "a", arrays))


def test_a_ready_made_picture_stands_in() -> None:
    strip = to_png_bytes(np.zeros((4, 9, 3), np.uint8))
    html = panels(Example("best", "a", strip=strip), Example("median", "b", strip=strip), Example("worst", "c", strip=strip))
    assert html.count("<img") == 3
    assert "The best, median and worst image" in html
