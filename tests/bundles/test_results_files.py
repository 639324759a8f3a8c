"""What inference does with files that are there: own results, a user's files, results among the images, a full disk."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr

from monai_denoiseg.cli import main
from monai_denoiseg.networks import DenoiSegNet

from .conftest import bundle_command, nuclei, results, run_program, write_tiff

FAST = ["--tta", "false", "--refine", "false", "--amp", "off", "--threshold", "0.3"]
QUICK = ["--bundle", "self2seg", "--experts", "['constant','constant']", "--start", "threshold", "--max_outer", "1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i, name in enumerate("ab"):
        write_tiff(folder / f"{name}.tif", nuclei(i)[0])
    return folder


def infer(images: Any, out: Path, model: Path | None, *more: str) -> int:
    words = QUICK if model is None else ["--model_file", str(model), *FAST]
    return main(["infer", "--dataset_dir", str(images), "--output_dir", str(out), *words, *more])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(results(folder)) if path.is_file()}


def stamps(folder: Path) -> dict[str, int]:
    """When each file was made: one that is replaced is another file, whatever the clock says."""
    return {path.name: path.stat().st_ino for path in results(folder)}


def test_a_full_disk_leaves_the_earlier_results(images: Path, tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out"
    assert infer(images, out, model) == 0
    before = content(out)
    words = ["infer", "--dataset_dir", str(images), "--output_dir", str(out), "--model_file", str(model), *FAST]
    limited = "import resource, sys; from monai_denoiseg.cli import main; import monai_denoiseg.engines, monai_denoiseg.data\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)); sys.exit(main(sys.argv[1:]))"
    done = run_program(["-c", limited, *words], tmp_path)
    assert done.code == 1 and "2 of 2 files failed" in done.err
    assert re.search(r"cannot write \S*/a_\w+\.\w+: the file is larger than allowed; make room", done.err)
    assert content(out) == before and len(before) == 4


def test_an_error_at_the_last_file_leaves_the_earlier_results_of_self2seg(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert infer(images, out, None) == 0
    before = content(out)
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.endswith("_energies.svg"):
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert infer(images, out, None) == 1
    assert content(out) == before and len(before) == 8


@pytest.mark.parametrize("stream", ["never", "always"])
def test_a_users_file_is_not_overwritten_and_nothing_is_predicted(
    images: Path, tmp_path: Path, model: Path, stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = images / "b_instances.tif"
    tifffile.imwrite(mine, np.full((37, 44), 42, np.uint16))
    before = content(images)
    assert infer(images, images, model, "--stream", stream) == 1
    said = capsys.readouterr().err
    assert f"{mine} is there and is not overwritten by a result of {images / 'b.tif'}" in said and "another output_dir" in said
    assert content(images) == before


@pytest.mark.parametrize("network", [True, False], ids=["denoiseg", "self2seg"])
def test_corrected_labels_stay(
    images: Path, tmp_path: Path, model: Path, network: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out, name = tmp_path / "out", "a_instances.tif" if network else "a_mask.tif"
    assert infer(images, out, model if network else None) == 0
    labels = tifffile.imread(out / name)
    tifffile.imwrite(out / name, 7 - labels.clip(0, 7))
    before = content(out)
    assert infer(images, out, model if network else None) == 1
    assert f"{name} is there" in (said := capsys.readouterr().err) and "changed since it was written" in said
    assert content(out) == before
    assert infer(images, out, model if network else None, "--existing", "skip") == 0
    assert content(out) == before


def test_results_of_an_earlier_version_are_not_overwritten(
    images: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer(images, tmp_path / "out", model) == 0
    shutil.rmtree(tmp_path / "out" / ".monai_denoiseg")  # version 0.1.0 kept no records
    assert infer(images, tmp_path / "out", model, "--existing", "skip") == 1
    assert "no record of having written it (3 more files are in the way)" in capsys.readouterr().err


def test_another_image_of_the_same_name_does_not_take_its_results(
    images: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    write_tiff(tmp_path / "other" / "a.tif", nuclei(9)[0])
    assert infer(images, tmp_path / "out", model) == 0
    before = content(tmp_path / "out")
    assert infer(tmp_path / "other", tmp_path / "out", model) == 1
    assert f"it is the result of another image, {images / 'a.tif'}" in capsys.readouterr().err
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("network", [True, False], ids=["denoiseg", "self2seg"])
def test_results_among_the_images_are_no_images(
    images: Path, model: Path, network: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer(images, images, model if network else None) == 0
    before = {path.name for path in images.iterdir()}
    assert not any(name.startswith(".") for name in before), "nothing but results appears among the images"
    assert infer(images, images, model if network else None) == 0
    assert {path.name for path in images.iterdir()} == before
    assert "results of earlier runs are no images and are passed over: a_denoised.tif" in capsys.readouterr().out


@pytest.mark.parametrize("network", [True, False], ids=["denoiseg", "self2seg"])
@pytest.mark.parametrize("place", ["out", "in"])
def test_skip_goes_on_where_it_stopped(images: Path, tmp_path: Path, model: Path, network: bool, place: str) -> None:
    out, file = tmp_path / place, model if network else None
    assert infer(images, out, file) == 0
    (out / "b_denoised.tif").unlink()
    before = stamps(out)
    assert infer(images, out, file, "--existing", "skip") == 0
    after = stamps(out)
    kept = {name for name in before if before[name] == after[name] and "_" in name}
    assert kept == {name for name in before if name.startswith("a_")} and "b_denoised.tif" in after
    assert infer(images, out, file) == 0
    assert all(stamps(out)[name] != after[name] for name in after if "_" in name), "the default is to replace"


@pytest.mark.parametrize(
    "change",
    ["weights", "--min_size 2", "--inferer::tile_size 16", "--save_probabilities true", "image", "--instances::split_neck 0"],
)
def test_skip_is_for_equal_network_settings_and_image(images: Path, tmp_path: Path, model: Path, change: str) -> None:
    out = tmp_path / "out"
    assert infer(images, out, model) == 0
    before = stamps(out)
    words: list[str] = []
    if change == "weights":
        state = torch.load(model)
        state[next(key for key, value in state.items() if value.is_floating_point())].add_(1e-3)
        torch.save(state, model := tmp_path / "other.pt")
    elif change == "image":
        write_tiff(images / "a.tif", nuclei(5)[0])
    else:
        words = change.split()
    assert infer(images, out, model, "--existing", "skip", *words) == 0
    replaced = {name[0] for name in before if stamps(out)[name] != before[name]}
    assert replaced == ({"a"} if change == "image" else {"a", "b"})


def test_skip_by_the_same_network_of_another_name_and_place(images: Path, tmp_path: Path, model: Path) -> None:
    assert infer(images, tmp_path / "out", model) == 0
    shutil.copy(model, tmp_path / "copy.pt")
    shutil.move(tmp_path / "out", tmp_path / "moved")
    shutil.copytree(images, tmp_path / "copy")  # with times
    before = stamps(tmp_path / "moved")
    words = ["--existing", "skip", "--device", "cpu"]
    assert infer(tmp_path / "copy", tmp_path / "moved", tmp_path / "copy.pt", *words) == 0
    assert stamps(tmp_path / "moved") == before


@pytest.mark.parametrize("first", ["never", "always"])
def test_streamed_and_in_memory_count_the_same(images: Path, tmp_path: Path, model: Path, first: str) -> None:
    then = {"never": "always", "always": "never"}[first]
    assert infer(images, tmp_path / "out", model, "--stream", first) == 0
    before = stamps(tmp_path / "out")
    assert infer(images, tmp_path / "out", model, "--stream", then, "--existing", "skip") == 0
    assert stamps(tmp_path / "out") == before
    assert infer(images, tmp_path / "out", model, "--stream", then) == 0
    assert all(stamps(tmp_path / "out")[name] != before[name] for name in before)


def test_error_refuses_before_anything_is_done(
    images: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert infer(images / "a.tif", out, model, "--existing", "error") == 0
    assert infer(images, out, model, "--existing", "error") == 1
    assert "1 of 2 images have results" in (said := capsys.readouterr().err) and "--existing skip" in said
    assert {name[0] for name in content(out)} == {"a"}


def test_existing_through_monai(images: Path, tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out"
    assert infer(images, out, model) == 0
    before = stamps(out)
    options = {"dataset_dir": images, "output_dir": out, "model_file": model, **dict(zip(FAST[::2], FAST[1::2], strict=True))}
    options = {key.removeprefix("--"): value for key, value in options.items()}
    done = run_program(bundle_command("inference", **options, existing="skip"), tmp_path)
    assert done.code == 0, done.err
    assert stamps(out) == before


def test_a_list_of_files(images: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiff(images / "c.tif", nuclei(3)[0])
    listed = str([str(images / "c.tif"), str(images / "a.tif")])
    assert infer(listed, tmp_path / "out", model) == 0
    assert set(content(tmp_path / "out")) == {f"{name}_{kind}.tif" for name in "ac" for kind in ("denoised", "instances")}
    assert infer(str([str(images / "c.tif"), str(images / "d.tif")]), tmp_path / "out", model) == 1
    assert "d.tif does not exist" in capsys.readouterr().err


def test_what_is_passed_over_is_said(images: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    (images / "loop.tif").symlink_to(images / "loop.tif")
    (images / "folder.tif").mkdir()
    assert infer(images, tmp_path / "out", model) == 1
    said = capsys.readouterr()
    (warning,) = [line for line in said.out.splitlines() if "passed over: " in line and "WARNING" in line]
    assert warning.endswith("passed over: folder.tif (a folder)")
    assert "2 of 4 files failed" in said.err and "gone.tif" in said.err and "loop.tif" in said.err
    assert len(content(tmp_path / "out")) == 4


def test_links_of_zarr_keep_their_names(tmp_path: Path, model: Path) -> None:
    for number, name in enumerate("ab"):
        store = tmp_path / f"s{number}" / "raw.ome.zarr"
        group = zarr.open_group(str(store), mode="w", zarr_format=2)
        group.create_array("0", data=nuclei(number)[0].astype(np.uint16), chunks=(37, 44))
        group.attrs["multiscales"] = [
            {"version": "0.4", "axes": [{"name": n, "type": "space"} for n in "yx"], "datasets": [{"path": "0"}]}
        ]
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.ome.zarr").symlink_to(store)
    assert infer(tmp_path / "in", tmp_path / "never", model, "--stream", "never") == 0
    assert infer(tmp_path / "in", tmp_path / "auto", model) == 0
    names = {f"{name}_{kind}" for name in "ab" for kind in ("denoised", "instances")}
    assert {path.name.removesuffix(".tif") for path in results(tmp_path / "never")} == names
    assert {path.name.removesuffix(".ome.zarr") for path in results(tmp_path / "auto")} == names


def test_ctrl_c_while_writing_leaves_the_earlier_results(
    images: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert infer(images, out, model) == 0
    before, write, calls = content(out), tifffile.imwrite, []

    def interrupted(path: Path, *arguments: Any, **options: Any) -> Any:
        calls.append(path)
        if len(calls) == 2:  # the second file of the first image
            signal.raise_signal(signal.SIGINT)
        return write(path, *arguments, **options)

    monkeypatch.setattr(tifffile, "imwrite", interrupted)
    assert infer(images, out, model) == 130
    assert len(calls) == 2 and content(out) == before
    assert [path.name for path in out.glob(".*")] == [".monai_denoiseg"]
