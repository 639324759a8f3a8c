from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from monai_denoiseg.cli import main
from monai_denoiseg.report.compare_runs import compare_runs


def write(folder: Path, scores: np.ndarray, first: int = 0, seen: tuple[int, ...] = ()) -> Path:
    folder.mkdir(parents=True)
    with (folder / "per_image.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "seen", "ap", "n_objects"])
        for number, score in enumerate(scores, first):
            table.writerow([f"{number}.tif", "trained" if number in seen else "", "" if np.isnan(score) else score, 3])
    return folder


def test_pairs_images_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a = rng.random(20)
    b = a[2:] + rng.normal(0.1, 0.02, 18)
    b[3] = np.nan
    one, two = write(tmp_path / "a" / "evaluation", a, seen=(7,)), write(tmp_path / "b", b, first=2)
    [found] = compare_runs(one.parent, two)
    kept = [i for i in range(2, 20) if i not in (5, 7)]
    change = b[[i - 2 for i in kept]] - a[kept]
    assert (found.score, found.images) == ("ap", 16)
    assert found.second - found.first == pytest.approx(change.mean())
    assert found.p == wilcoxon(change).pvalue < 0.001
    assert found.interval[0] < change.mean() < found.interval[1]


def test_images_of_one_name_must_be_one_image(tmp_path: Path) -> None:
    """Two test sets that are numbered alike have nothing to compare."""
    places = [write(tmp_path / name, np.array([0.5, 0.6, 0.7])) for name in "ab"]
    assert compare_runs(*places)[0].images == 3
    for place, digest in zip(places, ("aa", "bb"), strict=True):
        rows = (place / "per_image.csv").read_text().splitlines()
        same = [f"{row},{digest if number == 1 else 'cc'}" for number, row in enumerate(rows[1:])]
        (place / "per_image.csv").write_text("\n".join([rows[0] + ",pixels", *same]))
    with pytest.raises(ValueError, match=r"1\.tif of .*a is another image than that of .*b \(1 of 3 images\)"):
        compare_runs(*places)


def test_images_of_one_name_in_many_folders(tmp_path: Path) -> None:
    """`patient1/ct.nii.gz`, `patient2/ct.nii.gz`: all count, each against itself."""
    places = []
    for name, order in (("a", "012"), ("b", "210")):
        (tmp_path / name).mkdir()
        rows = [f"ct.nii.gz,0.{number}{name == 'b':d},p{number}" for number in order]
        (tmp_path / name / "per_image.csv").write_text("\n".join(["image,dice,pixels", *rows]))
        places.append(tmp_path / name)
    [found] = compare_runs(*places)
    assert found.images == 3
    assert found.interval == pytest.approx((0.01, 0.01))
    text = (places[0] / "per_image.csv").read_text()
    (places[0] / "per_image.csv").write_text(text.replace("p1", "p2"))
    with pytest.raises(ValueError, match="several images of one name that cannot be told apart"):
        compare_runs(*places)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (write(tmp_path / name, np.array([0.5, 0.6, 0.7])) for name in "ab")
    assert main(["compare-runs", str(one), str(two)]) == 0
    assert "| ap | 0.6 | 0.6 | +0 | +0 to +0 | – | 3 |" in capsys.readouterr().out
    assert main(["compare-runs", str(one), str(tmp_path)]) == 1
    assert "holds no per_image.csv" in capsys.readouterr().err
    assert main(["compare-runs", str(one), str(write(tmp_path / "c", np.ones(2), first=9))]) == 1
    assert "no image in common" in capsys.readouterr().err
    assert main(["compare-runs", str(one), str(write(tmp_path / "d", np.ones(3), seen=(0, 1, 2)))]) == 1
    assert "has seen each of the 3 images" in capsys.readouterr().err
