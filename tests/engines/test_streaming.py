"""StreamingPredictor: from file to file, the same as in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stream_helpers import in_memory, level, network, picture, predictor, read, write

from monai_denoiseg.data import open_lazy
from monai_denoiseg.transforms import ProbabilitiesToInstances, refine_denoised
from monai_denoiseg.transforms.instances import InstanceStitcher


@pytest.mark.parametrize(
    ("name", "shape", "axes", "dims", "tile", "tta", "normalisation"),
    [
        ("a.tif", (9, 30, 26), "ZYX", 3, (4, 8, 12), False, "dataset"),
        ("a.ome.zarr", (9, 22, 20), "ZYX", 3, (4, 16, 8), True, "image"),
        ("a.tif", (45, 38), "YX", 2, 16, True, "dataset"),
        ("a.ome.zarr", (45, 38), "YX", 2, 16, False, "dataset"),
        ("a.tif", (3, 33, 30), "TYX", 2, 16, False, "image"),
        ("a.tif", (2, 2, 6, 20, 18), "TCZYX", 3, (4, 8, 8), False, "image"),
        ("a.ome.zarr", (2, 2, 6, 20, 18), "TCZYX", 3, (4, 8, 8), False, "image"),
    ],
)
def test_equals_the_prediction_in_memory(
    tmp_path: Path, name: str, shape: tuple[int, ...], axes: str, dims: int, tile: Any, tta: bool, normalisation: str
) -> None:
    data = picture(shape)
    channels = 2 if "C" in axes else 1
    net = network(dims, in_channels=channels, normalisation=normalisation)
    frames = data.reshape(-1, channels, *shape[-dims:])
    threshold = level(net, frames[0])
    written = predictor(net, tmp_path, tile, tta, threshold)(write(tmp_path / name, data, axes))
    results = {kind: read(path, dims) for kind, path in written.items()}
    assert {kind: value.shape[1] for kind, value in results.items()} == {
        "denoised": channels,
        "instances": 1,
        "probabilities": 3,
    }
    for i, frame in enumerate(frames):
        wanted = in_memory(net, frame, tta)
        np.testing.assert_allclose(results["probabilities"][i], wanted[:3], atol=1e-4)
        np.testing.assert_allclose(results["denoised"][i], wanted[3:], rtol=1e-4)
        labels = ProbabilitiesToInstances(threshold, min_size=3, fill_holes=True, split_neck=0)(results["probabilities"][i])
        assert labels.max() > 1 or i
        np.testing.assert_array_equal(results["instances"][i], labels)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == sorted(path.name for path in written.values())


@pytest.mark.parametrize(
    ("name", "shape", "axes", "dims", "tile", "classes"),
    [
        ("a.tif", (300, 38), "YX", 2, 64, 3),
        ("a.tif", (3, 33, 30), "TYX", 2, 16, 3),
        ("a.ome.zarr", (40, 41), "YX", 2, 16, 0),
        ("a.ome.zarr", (2, 2, 40, 10, 9), "TCZYX", 3, 8, 3),
    ],
)
def test_refined_as_in_memory(
    tmp_path: Path, name: str, shape: tuple[int, ...], axes: str, dims: int, tile: int, classes: int
) -> None:
    data, channels = picture(shape), 2 if "C" in axes else 1
    net = network(dims, in_channels=channels, n_classes=classes)
    frames = data.reshape(-1, channels, *shape[-dims:])
    run = predictor(net, tmp_path, tile, refine=True)
    denoised = read(run(write(tmp_path / name, data, axes))["denoised"], dims)
    for frame, found in zip(frames, denoised, strict=True):
        wanted = refine_denoised(in_memory(net, frame, False)[classes:], frame)
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
        assert not np.allclose(found, in_memory(net, frame, False)[classes:], rtol=1e-3)
    assert not list((tmp_path / "out").glob(".[!m]*"))


def test_semantic_classes(tmp_path: Path) -> None:
    net = network(3, classes=["background", "liver", "spleen", "kidney"])
    data = picture((7, 20, 18))
    written = predictor(net, tmp_path, (4, 8, 8), save_probabilities=False, instances=None)(
        write(tmp_path / "a.tif", data, "ZYX")
    )
    assert {kind: path.name for kind, path in written.items()} == {"denoised": "a_denoised.tif", "classes": "a_classes.tif"}
    labels = read(written["classes"], 3)
    assert labels.dtype == np.uint8
    wanted = in_memory(net, data[None], False)[:4].argmax(0)
    assert len(np.unique(wanted)) > 1
    assert (labels[0, 0] == wanted).mean() > 0.999  # ties within rounding


def test_denoising_alone(tmp_path: Path) -> None:
    net = network(2, n_classes=0)
    data = picture((20, 18))
    written = predictor(net, tmp_path, 8)(write(tmp_path / "a.tif", data, "YX"))
    assert list(written) == ["denoised"]
    np.testing.assert_allclose(read(written["denoised"], 2)[0], in_memory(net, data[None], False), rtol=1e-4)


def test_outputs_keep_voxel_size_and_follow_the_format_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", picture((6, 20, 18)), "ZYX", (2.0, 0.5, 0.5))
    for form, ending in (("auto", ".ome.zarr"), ("tiff", ".tif"), ("ome-zarr", ".ome.zarr")):
        written = predictor(network(), tmp_path, 8, output_format=form)(path)
        for target in written.values():
            assert target.name.endswith(ending)
            with open_lazy(target) as image:
                assert (image.spacing, image.unit) == ((2.0, 0.5, 0.5), "um")


def test_sizes_in_physical_units(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", picture((6, 20, 18)), "ZYX", (2.0, 0.5, 0.5))
    threshold = level(network(), picture((6, 20, 18))[None])
    find = ProbabilitiesToInstances(threshold, min_size=4.0, max_grow=0.6, units="physical", split_neck=0)
    written = predictor(network(), tmp_path, 8, instances=find)(path)
    wanted = find(read(written["probabilities"], 3)[0], spacing=(2.0, 0.5, 0.5))
    assert wanted.max() > 1
    np.testing.assert_array_equal(read(written["instances"], 3)[0], wanted)
    plain = write(tmp_path / "b.tif", picture((6, 20, 18)), "ZYX")
    with pytest.raises(ValueError, match="needs the voxel size"):
        predictor(network(), tmp_path, 8, instances=find)(plain)
    predictor(network(), tmp_path, 8, instances=find, spacing=(2.0, 0.5, 0.5))(plain)
    assert not list((tmp_path / "out").glob(".[!m]*"))


@pytest.mark.parametrize(("spacing", "units"), [(None, "voxel"), ((2.0, 0.5, 0.5), "voxel"), ((2.0, 0.5, 0.5), "physical")])
def test_objects_split_at_necks(tmp_path: Path, spacing: tuple[float, ...] | None, units: str) -> None:
    data = picture((2, 6, 40, 36))
    path = write(tmp_path / "a.ome.zarr", data, "TZYX", spacing)
    options: dict[str, Any] = {"threshold": level(network(), data[:1]), "min_size": 3, "units": units}
    find = ProbabilitiesToInstances(**options, split_neck=0.9)
    written = predictor(network(), tmp_path, (6, 16, 16), instances=find, threshold=find.threshold)(path)
    for probabilities, found in zip(read(written["probabilities"], 3), read(written["instances"], 3), strict=True):
        wanted = find(probabilities, spacing=spacing)
        assert wanted.max() > ProbabilitiesToInstances(**options)(probabilities, spacing=spacing).max()
        np.testing.assert_array_equal(found, wanted)


def test_a_finished_result_is_replaced_whole(tmp_path: Path) -> None:
    for seed in (0, 1):
        path = write(tmp_path / "a.ome.zarr", picture((5, 20, 18), seed), "ZYX")
        run = predictor(network(), tmp_path, 8)
        written = run(path)
        np.testing.assert_allclose(
            read(written["denoised"], 3)[0], in_memory(network(), picture((5, 20, 18), seed)[None], False)[3:], rtol=1e-4
        )
        run(path)  # the same file may come again


def test_two_inputs_of_one_name(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.tif", picture((20, 18)), "YX")
    run = predictor(network(2), tmp_path, 8)
    run(tmp_path / "x" / "a.tif")
    with pytest.raises(FileExistsError, match=r"would both be written to .*a_denoised\.tif; run them separately"):
        run(tmp_path / "y" / "a.tif")


@pytest.mark.parametrize("normalisation", ["dataset", "image"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_is_an_error_with_the_name_of_the_file(tmp_path: Path, normalisation: str, value: float) -> None:
    data = picture((20, 18)).astype("float32")
    data[3, 4] = value
    path = write(tmp_path / "a.tif", data, "YX")
    with pytest.raises(ValueError, match=r"a\.tif holds NaN or infinite intensities"):
        predictor(network(2, normalisation=normalisation), tmp_path, 8)(path)
    assert list((tmp_path / "out").iterdir()) == []


def test_output_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OSError, match="out"):
        predictor(network(2), tmp_path, 8)(write(tmp_path / "a.tif", picture((20, 18)), "YX"))


def test_wrong_number_of_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture((2, 20, 18)), "CYX")
    with pytest.raises(ValueError, match=r"a\.tif has 2 channel\(s\) .* the network takes 1"):
        predictor(network(2), tmp_path, 8)(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "`threshold` must be in"),
        ({"overlap": -1}, "`overlap` must be an integer >= 0"),
        ({"overlap": (1, 2, 3)}, "`overlap` needs one value or 2"),
        ({"output_format": "zarr"}, "`output_format` must be one of"),
    ],
)
def test_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor(network(2), tmp_path, 8, **options)


def test_many_objects_need_32_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    assert read(predictor(network(2), tmp_path, 8)(path)["instances"], 2).dtype == np.uint16
    number = InstanceStitcher.number
    monkeypatch.setattr(InstanceStitcher, "number", lambda self: number(self) + 70_000)
    assert read(predictor(network(2), tmp_path, 8)(path)["instances"], 2).dtype == np.uint32


def test_zarr_array_without_names_of_axes(tmp_path: Path) -> None:
    data = picture((2, 20, 18))
    zarr.create_array(str(tmp_path / "a.zarr"), data=data)
    with pytest.raises(ValueError, match="pass axes='TYX'"):
        predictor(network(2), tmp_path, 8)(tmp_path / "a.zarr")
    written = predictor(network(2), tmp_path, 8, axes="TYX")(tmp_path / "a.zarr")
    assert written["denoised"].name == "a_denoised.ome.zarr"
    assert read(written["denoised"], 2).shape == (2, 1, 20, 18)
