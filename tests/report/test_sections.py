"""The words and tables of the page, section by section."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.report.run_folder import Example, RunFolder
from monai_denoiseg.report.sections import cards, details, duration, image_table, introduction, left_out, same_image


def run(**parts: Any) -> RunFolder:
    return RunFolder(Path("run"), **parts)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_introduction_counts_images() -> None:
    data = {"train": 5, "train_labelled": 2, "validation": 3, "validation_labelled": 1}
    words = text(introduction(run(about={"data": data}, metrics={"n_images": 1, "n_skipped": 2})))
    assert "8 images, 3 of them annotated" in words
    assert "3 of the images were kept apart" in words
    assert "measured on 1 image." in words
    assert "2 images could not be scored" in words
    bare = text(introduction(run()))
    assert not re.search(r"\b\d+ (of the )?image", bare), "no number is made up"


def test_cards_show_what_is_there() -> None:
    assert cards(run()) == ""
    about = {"seconds": 7300, "n_parameters": 2_364_190, "device": "<gpu>"}
    shown = text(html := cards(run(metrics={"ap": 0.71239, "seg": None, "psnr": 32.51}, about=about)))
    for word in ("AP 0.712", "PSNR 32.5 dB", "2 h 1 min", "2.36 M"):
        assert word in shown
    assert "SEG" not in shown
    assert "→" not in shown, "no PSNR before is known"
    assert "&lt;gpu&gt;" in html
    assert "22.1 →" in text(cards(run(metrics={"psnr": 32.51, "psnr_input": 22.14})))


def test_the_table_leaves_out_empty_columns_and_marks_the_examples() -> None:
    images = [
        {"image": "a<b.tif", "ap": "0.5", "seg": "", "n_truth": "12"},
        {"image": "cell_10.nii.gz", "ap": "", "n_truth": "3"},
    ]
    html = image_table(run(images=images, examples=[Example("best", "a<b"), Example("worst", "cell_1")]))
    assert re.findall(r"<th>(.*?)</th>", html) == ["Image", "AP", "Annotated"]
    first, second = re.findall(r"<tr><td>.*?</tr>", html)
    assert "a&lt;b.tif" in first
    assert "best" in first
    assert "0.500" in first
    assert ">12<" in first
    assert "worst" not in second, "cell_1 is another image"
    assert ">–<" in second
    assert image_table(run()) == ""


@pytest.mark.parametrize(
    ("image", "stem", "same"),
    [
        ("a.tif", "a", True),
        ("a", "a", True),
        ("a.OME.TIF", "a", True),
        ("a.nii.gz", "a.nii", True),
        ("a.b.tif", "a", False),
        ("ab.tif", "a", False),
        ("a.tif", "ab", False),
    ],
)
def test_names_of_one_image(image: str, stem: str, same: bool) -> None:
    assert same_image(image, stem) is same


def test_details_are_escaped_and_empty_ones_left_out() -> None:
    html = details(run(about={"settings": {"note": "<i>"}, "versions": {}, "command": "train"}))
    assert re.findall(r"<summary>(.*?)</summary>", html) == ["Settings", "Run"]
    assert "&lt;i&gt;" in html
    assert details(run()) == ""


def test_unreadable_files_are_named() -> None:
    assert "<b>" not in (html := left_out(run(unreadable=["<b>.npz: broken"])))
    assert "&lt;b&gt;.npz: broken" in html


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.6, "1 h 0 min"), (7384, "2 h 3 min")]
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
