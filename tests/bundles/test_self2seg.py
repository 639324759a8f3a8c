"""The bundle of Self2Seg as a user runs it: files in, files out, with experts that take a second."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.etree import ElementTree

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast

from .conftest import AFFINE, words, write_tiff
from .single_image import RESULTS, TINY, dice, infer, names, program, rows, scene, why


def test_one_tiff_by_the_command_of_monai(tmp_path: Path) -> None:
    image, mask = scene(33, 40)
    write_tiff(tmp_path / "cells.tif", image)
    done = program(tmp_path, image="cells.tif", output_dir="out", experts="['constant','linear']", **{"lambda": 0.05})
    assert done.code == 0, done.out + done.err
    assert names(tmp_path / "out") == [f"cells_{name}" for name in RESULTS]
    found = tifffile.imread(tmp_path / "out" / "cells_mask.tif")
    assert (found.shape, found.dtype.name) == ((33, 40), "uint16")
    assert dice(found, mask) > 0.97
    with tifffile.TiffFile(tmp_path / "out" / "cells_mask.tif") as file:
        over, under = file.pages[0].tags["XResolution"].value
        assert (over / under, file.imagej_metadata["unit"]) == (4.0, "um")
    denoised = tifffile.imread(tmp_path / "out" / "cells_denoised.tif")
    assert denoised.dtype.name == "float32"
    clean = 100.0 + 60.0 * mask
    assert np.abs(denoised - clean).mean() < 0.5 * np.abs(image - clean).mean()
    table = rows(tmp_path / "out" / "cells_energies.csv")
    assert [row["step"] for row in table] == [str(i) for i in range(1, len(table) + 1)]
    for row in table:
        assert float(row["energy"]) == pytest.approx(float(row["lam"]) * float(row["tv"]) + float(row["fit"]), rel=1e-5)
    energies = [float(row["energy"]) for row in table]
    assert all(later <= before * (1 + 1e-5) for before, later in itertools.pairwise(energies))
    svg = ElementTree.parse(tmp_path / "out" / "cells_energies.svg").getroot()
    assert "cells.tif" in [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_defaults_are_the_method_of_the_paper(tmp_path: Path) -> None:
    """Two networks, made small, with a switch given as text."""
    image, mask = scene(32, 32, noise=8.0)
    tifffile.imwrite(tmp_path / "a.tif", image)
    place = {"image": tmp_path / "a.tif", "output_dir": tmp_path / "out", "progress": "false", "start": "denoise"}
    assert main(["infer", "--bundle", "self2seg", *words(**place, max_outer=2, **TINY)]) == 0
    assert names(tmp_path / "out") == [f"a_{name}" for name in RESULTS]
    assert dice(tifffile.imread(tmp_path / "out" / "a_mask.tif"), mask) > 0.8


def test_nifti_volume_keeps_its_geometry(tmp_path: Path) -> None:
    image, mask = scene(9, 14, 12)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(image.T), AFFINE), tmp_path / "v.nii.gz")
    out = infer(tmp_path, image=str(tmp_path / "v.nii.gz"), spacing=[2.0, 0.4, 0.5])
    assert names(out) == ["v_denoised.nii.gz", "v_energies.csv", "v_energies.svg", "v_mask.nii.gz"]
    for name in ("mask", "denoised"):
        np.testing.assert_allclose(nibabel.load(out / f"v_{name}.nii.gz").affine, AFFINE)
    assert dice(np.asarray(nibabel.load(out / "v_mask.nii.gz").dataobj).T, mask) > 0.95


@pytest.mark.parametrize("expert", ["linear", "noise2fast"])
def test_tiff_volume(expert: str, tmp_path: Path) -> None:
    image, mask = scene(9, 14, 12)
    tifffile.imwrite(tmp_path / "v.tif", image, imagej=True, metadata={"axes": "ZYX", "spacing": 2.0})
    out = infer(tmp_path, image=str(tmp_path / "v.tif"), experts=["constant", expert], features=8, max_iterations=40)
    assert dice(tifffile.imread(out / "v_mask.tif"), mask) > 0.9
    assert tifffile.imread(out / "v_denoised.tif").shape == image.shape


def test_rgb(tmp_path: Path) -> None:
    image, mask = scene(24, 30, channels=3)
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / "c.png")
    out = infer(tmp_path, image=str(tmp_path / "c.png"))
    assert tifffile.imread(out / "c_mask.tif").shape == mask.shape
    assert dice(tifffile.imread(out / "c_mask.tif"), mask) > 0.97
    assert tifffile.imread(out / "c_denoised.tif").shape in ((3, 24, 30), (24, 30, 3))


def stripes(size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Two textures of one mean brightness, left and right: a threshold cannot tell them apart."""
    y, x = np.mgrid[:size, :size]
    mask = (x >= size // 2).astype(np.uint8)
    image = np.where(mask, np.sin(0.8 * (x + y)), np.sin(0.8 * (x - y))) + np.random.default_rng(0).normal(0, 0.1, mask.shape)
    return image.astype(np.float32), mask


def test_boxes(tmp_path: Path) -> None:
    image, mask = stripes()
    tifffile.imwrite(tmp_path / "s.tif", image)
    boxes = [[[4, 40, 2, 16]], [[4, 40, 30, 46]]]
    options = {"experts": ["linear", "linear"], "start": "boxes", "image": str(tmp_path / "s.tif"), "lambda": 0.02}
    out = infer(tmp_path, boxes=boxes, **options)
    assert dice(tifffile.imread(out / "s_mask.tif"), mask) > 0.9
    swapped = infer(tmp_path, boxes=boxes[::-1], **options)
    assert dice(tifffile.imread(swapped / "s_mask.tif"), 1 - mask) > 0.9


def test_scribbles_and_three_regions(tmp_path: Path) -> None:
    levels = np.repeat([10.0, 50.0, 90.0], 12)[None] + np.random.default_rng(0).normal(0, 4, (30, 36))
    drawn = np.full(levels.shape, 255, np.uint8)
    for region, column in enumerate((30, 5, 17)):  # the bright stripe is the background
        drawn[10:20, column] = region
    tifffile.imwrite(tmp_path / "three.tif", levels.astype(np.float32))
    (tmp_path / "drawn").mkdir()
    Image.fromarray(drawn).save(tmp_path / "drawn" / "three.png")
    for given in ("drawn", "drawn/three.png"):
        options = {"experts": ["constant"] * 3, "start": "scribbles", "scribbles": str(tmp_path / given)}
        out = infer(tmp_path, image=str(tmp_path / "three.tif"), **options)
        found = tifffile.imread(out / "three_mask.tif")
        assert [int(np.median(found[:, part])) for part in (slice(0, 12), slice(12, 24), slice(24, 36))] == [1, 2, 0]


def test_a_path_of_lambdas(tmp_path: Path) -> None:
    image, mask = scene(28, 32)
    tifffile.imwrite(tmp_path / "a.tif", image)
    lams = [0.001, 0.05, 500.0]
    out = infer(tmp_path, image=str(tmp_path / "a.tif"), lambda_path=lams, **{"lambda": None})
    table = rows(out / "a_lambda_path.csv")
    masks = tifffile.imread(out / "a_lambda_masks.tif")
    assert masks.shape == (3, 28, 32)
    assert [float(row["lam"]) for row in table] == lams
    assert [float(row["share"]) for row in table] == pytest.approx(masks.mean((1, 2)), abs=1e-6)
    (chosen,) = [int(row["channel"]) for row in table if row["chosen"] == "1"]
    assert chosen == 1 + int(np.argmin([float(row["score"]) for row in table]))
    assert float(rows(out / "a_energies.csv")[-1]["lam"]) == lams[chosen - 1]
    assert dice(tifffile.imread(out / "a_mask.tif"), mask) > 0.97
    # A weight without a path: its own mask, and no files of a path.
    plain = infer(tmp_path / "plain", image=str(tmp_path / "a.tif"))
    assert names(plain) == [f"a_{name}" for name in RESULTS]


def test_a_folder_with_a_broken_file(tmp_path: Path) -> None:
    """The others are done, and the error at the end names the file."""
    for name in ("a", "c"):
        tifffile.imwrite(tmp_path / f"{name}.tif", scene(20, 20)[0])
    (tmp_path / "b.tif").write_bytes(b"no image")
    with pytest.raises(RuntimeError) as caught:
        infer(tmp_path, dataset_dir=str(tmp_path))
    assert "1 of 3 files failed" in why(caught.value)
    assert "b.tif" in why(caught.value)
    assert names(tmp_path / "out") == [f"{stem}_{name}" for stem in "ac" for name in RESULTS]


def test_frames_are_images_of_their_own(tmp_path: Path) -> None:
    frames = np.stack([scene(20, 24, seed=i)[0] for i in range(2)])
    tifffile.imwrite(tmp_path / "t.tif", frames, imagej=True, metadata={"axes": "TYX"})
    out = infer(tmp_path, image=str(tmp_path / "t.tif"), spatial_dims=2)
    assert names(out) == [f"t_frame000{i}_{name}" for i in range(2) for name in RESULTS]


def test_a_trained_network_as_expert(tmp_path: Path) -> None:
    image, mask = scene(24, 24)
    tifffile.imwrite(tmp_path / "a.tif", image)
    torch.manual_seed(0)
    torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), tmp_path / "model.pt")
    options = {"image": str(tmp_path / "a.tif"), "experts": ["constant", "network"]}
    out = infer(tmp_path, model_file=str(tmp_path / "model.pt"), **options)
    assert tifffile.imread(out / "a_mask.tif").shape == mask.shape
    for wrong, text in (
        ({}, "needs `model_file`"),
        ({"model_file": str(tmp_path / "gone.pt")}, "gone.pt does not exist: train first"),
    ):
        with pytest.raises(Exception) as caught:
            infer(tmp_path, **options, **wrong)
        assert text in why(caught.value)


def test_a_time_budget_gives_the_best_so_far(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene(24, 24)[0])
    out = infer(tmp_path, image=str(tmp_path / "a.tif"), experts=["linear", "linear"], time_budget=1e-3)
    assert names(out) == [f"a_{name}" for name in RESULTS]
    assert len(rows(out / "a_energies.csv")) == 1


def test_same_seed_same_files(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene(24, 24)[0])
    options = {**TINY, "experts": ["constant", "noise2fast"], "image": str(tmp_path / "a.tif"), "amp": "off", "max_outer": 2}
    one, two = (infer(tmp_path / name, **options) for name in ("one", "two"))
    other = infer(tmp_path / "other", seed=7, **options)
    denoised = [tifffile.imread(out / "a_denoised.tif") for out in (one, two, other)]
    np.testing.assert_array_equal(denoised[0], denoised[1])
    assert not np.array_equal(denoised[0], denoised[2])


def test_noise2fast_only_denoises(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene(24, 24)[0])
    out = infer(tmp_path, method="noise2fast", image=str(tmp_path / "a.tif"), **TINY)
    assert names(out) == ["a_denoised.tif"]


@pytest.mark.parametrize("method", ["chan_vese", "sequential"])
def test_baselines(method: str, tmp_path: Path) -> None:
    """With the experts of the overlay, which are constants."""
    image, mask = scene(32, 32)
    tifffile.imwrite(tmp_path / "a.tif", image)
    place = {"image": str(tmp_path / "a.tif"), "output_dir": str(tmp_path / "out"), "device": "cpu", "progress": False}
    run_bundle("infer", "self2seg", method, **place, features=8, max_iterations=60, seed=3)
    assert names(tmp_path / "out") == [f"a_{name}" for name in RESULTS]
    found = tifffile.imread(tmp_path / "out" / "a_mask.tif")
    assert dice(found, mask) > 0.95
    assert float(rows(tmp_path / "out" / "a_energies.csv")[-1]["changed"]) < 1e-4
    denoised = tifffile.imread(tmp_path / "out" / "a_denoised.tif")
    if method == "chan_vese":
        means = np.where(found, image[found == 1].mean(), image[found == 0].mean())
        np.testing.assert_allclose(np.median(denoised[found == 1]), means.max(), rtol=1e-3)
        np.testing.assert_allclose(np.median(denoised[found == 0]), means.min(), rtol=1e-3)
    else:
        wanted = denoise_noise2fast(image[None], features=8, max_iterations=60, seed=3)[0].numpy()
        np.testing.assert_allclose(denoised, wanted, rtol=1e-5)


def test_from_the_short_command(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene(24, 24)[0])
    options = {"experts": "['constant', 'constant']", "lambda": "null", "max_outer": 2}
    options |= {"image": tmp_path / "a.tif", "output_dir": tmp_path / "out"}
    assert main(["infer", "--bundle", "self2seg", *words(**options)]) == 0
    assert {f"a_{name}" for name in RESULTS} <= set(names(tmp_path / "out"))
    assert "a_lambda_masks.tif" in names(tmp_path / "out")
