from __future__ import annotations

import base64
import io
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg.report import write_report

VOID = {"meta", "img", "br", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Collects tags, text and references, and checks that tags are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "srcset", "action")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_whole_report(run_dir: Path) -> None:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    page = Page(path)
    assert page.tags.count("svg") == 4
    assert page.tags.count("img") == 3 * 7
    for shown in (
        "60 images, 8 of them annotated",
        "0.712",
        "0.681",
        "32.5",
        "22.1 →",
        "3 min 23 s",
        "236",
        "measured on 2 images",
    ):
        assert shown in page.text
    for shown in (
        "What it looks like",
        "How the training went",
        "Is what was removed just noise?",
        "Image by image",
        "alpha",
        "2.13.0",
    ):
        assert shown in page.text
    assert "1 image could not be scored" in page.text
    assert "best, median and worst image by AP" in page.text
    assert "Left out" not in page.text


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(run_dir: Path) -> None:
    path = write_report(run_dir)
    page = Page(path)
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe", "object", "b>"} & set(page.tags)
    html = path.read_text("utf-8")
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    sizes = [Image.open(io.BytesIO(base64.b64decode(r.partition(",")[2]))).size for r in page.references]
    assert min(min(size) for size in sizes) > 100


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
def test_names_and_settings_are_escaped(run_dir: Path) -> None:
    page = Page(write_report(run_dir))
    assert "plate 3 <b>&amp; 'well' äöü %20.tif" in page.text  # as text, not as tags
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
@pytest.mark.parametrize(
    ("part", "gone"),
    [
        ("settings.json", "Settings and versions"),
        ("train_log.csv", "training</span>"),
        ("validation_log.csv", "Objects found in the validation images"),
        ("evaluation/metrics.json", "22.1 →"),
        ("evaluation/per_image.csv", "Image by image"),
        ("evaluation/arrays", "Is what was removed just noise?"),
        ("evaluation", "What it looks like"),
    ],
)
def test_a_missing_part_is_left_out(run_dir: Path, part: str, gone: str) -> None:
    assert gone in write_report(run_dir).read_text("utf-8")
    path = run_dir / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if part == "settings.json":  # then only the values of the metrics are listed
        (run_dir / "evaluation" / "metrics.json").unlink()
    target = write_report(run_dir, run_dir / "else where" / "a.html")
    assert gone not in target.read_text("utf-8")
    assert "Left out" not in Page(target).text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
def test_without_annotations_images_are_ranked_by_psnr(run_dir: Path) -> None:
    (run_dir / "evaluation" / "per_image.csv").write_text("image,psnr,psnr_input\nsecond.nii.gz,30.5,20.1\n")
    page = Page(write_report(run_dir))
    assert "image by PSNR" in page.text
    assert "by AP" not in page.text
    assert "PSNR 30.5 dB" in page.text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
def test_ready_made_strips_stand_in_for_missing_arrays(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "evaluation" / "arrays")
    page = Page(write_report(run_dir))
    assert page.tags.count("img") == 3
    assert "What it looks like" in page.text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.json", b"{"),
        ("settings.json", b"[1]"),
        ("evaluation/metrics.json", b"\xff\xfe"),
        ("evaluation/arrays/best_a.npz", b""),
        ("evaluation/arrays/best_a.npz", b"PK no archive"),
    ],
)
def test_a_broken_file_is_named(run_dir: Path, name: str, content: bytes) -> None:
    (run_dir / name).write_bytes(content)
    page = Page(write_report(run_dir))
    assert "Left out" in page.text
    assert name in page.text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
def test_arrays_that_do_not_fit_are_named(run_dir: Path) -> None:
    np.savez(run_dir / "evaluation" / "arrays" / "best_a.npz", input=np.zeros((1, 8, 8)), instances=np.zeros((8, 9), int))
    assert "`instances` of shape (8, 9) does not fit `input` of shape (1, 8, 8)" in Page(write_report(run_dir)).text


@pytest.mark.parametrize("run_dir", [(24, 30)], ids=["2D"], indirect=True)
def test_metrics_without_numbers(run_dir: Path) -> None:
    (run_dir / "evaluation" / "metrics.json").write_text('{"ap": NaN, "seg": null, "psnr": null, "n_images": 0}')
    (run_dir / "evaluation" / "per_image.csv").write_text("image,ap\na,\n")
    page = Page(write_report(run_dir))
    assert "nan" not in page.text.split("Settings and versions")[0]


def test_correlated_noise_is_pointed_out(run_dir: Path) -> None:
    assert "nearly uncorrelated" in Page(write_report(run_dir)).text
    for path in (run_dir / "evaluation" / "arrays").glob("*.npz"):
        arrays = dict(np.load(path))
        noise = arrays["input"] - arrays["denoised"]
        np.savez(path, **arrays | {"input": arrays["input"] + np.roll(noise, 1, axis=-1)})
    text = Page(write_report(run_dir)).text
    assert "along X are correlated" in text
    assert "nearly uncorrelated" not in text


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected at least one of"):
        write_report(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        write_report(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_an_own_report_is_replaced_and_a_foreign_one_is_not(run_dir: Path, tmp_path: Path) -> None:
    first = write_report(run_dir)
    assert write_report(run_dir) == first
    first.write_text("mine")
    with pytest.raises(FileExistsError, match=r"report\.html is there and is not overwritten: it was changed since"):
        write_report(run_dir)
    assert first.read_text() == "mine"
