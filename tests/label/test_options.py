"""Whatever a client sends as an option is read as what it must be, or refused by its name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.label.api import INSTALLED
from monai_denoiseg.label.infer_tasks import BundleTask
from monai_denoiseg.label.options import checked_device, device_of, infer_settings, number, pair, text, truth, whole_number
from monai_denoiseg.label.results import result_type
from monai_denoiseg.label.starting import scribble_values, self2seg_file, self2seg_options
from monai_denoiseg.label.study_tasks import measures_of
from monai_denoiseg.label.submitted import check_batch, check_process
from monai_denoiseg.label.training import training_settings

from .conftest import WAY_OUT, write_volume

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)
NOT_NUMBERS: list[Any] = [[], {}, [1], None, True, "abc", "nan", float("nan"), float("inf"), 10**400, "1e999", "\0"]


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_what_is_no_number(value: Any) -> None:
    for read in (number, whole_number):
        with pytest.raises(ValueError, match=r"^`key` must be a"):
            read("key", value)


@pytest.mark.parametrize(("value", "expected"), [("5", 5), (5.0, 5), ("-3", -3), (0, 0)])
def test_whole_numbers(value: Any, expected: int) -> None:
    assert whole_number("key", value) == expected


@pytest.mark.parametrize("value", [1.5, "1.5", 1e300])
def test_numbers_are_not_rounded(value: Any) -> None:
    with pytest.raises(ValueError, match="`max_epochs` must be a whole number"):
        training_settings({"max_epochs": value}, bundle_folder("denoiseg_2d"))


SETTINGS = ("max_epochs", "steps_per_epoch", "batch_size", "learning_rate", "val_interval", "alpha", "seed")


@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("value", [[], {}, "abc", float("inf"), 1e308, -1, True, 10**18])
def test_settings_of_a_training(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        training_settings({key: value}, bundle_folder("denoiseg_2d"))


@pytest.mark.parametrize(
    "options",
    [{"min_size": float("inf")}, {"min_size": 1.5}, {"threshold": "nan"}, {"threshold": 7}, {"tta": []}, {"min_size": -1}],
)
def test_settings_of_an_inference(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^`{next(iter(options))}` must be"):
        infer_settings(options)


@pytest.mark.parametrize("value", [[], {}, float("inf"), [[]], "abc"])
@pytest.mark.parametrize("key", ["lam", "time_budget", "min_size", "experts", "start"])
def test_options_of_self2seg(key: str, value: Any) -> None:
    if key in ("experts", "start") and value == "abc":
        return
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        self2seg_options({key: value})


def test_clients_send_the_list_they_were_shown() -> None:
    assert self2seg_options({"experts": ["linear", "noise2fast"]})["experts"] == "linear"


@pytest.mark.parametrize("listed", [5, "abc", {"name": 1}, [1, None], [{"name": "foreground_scribbles"}]])
def test_a_list_of_segments_that_is_none(listed: Any) -> None:
    assert scribble_values({"label_info": listed}) == {2: 0, 3: 1}


@pytest.mark.parametrize(
    "request_",
    [
        {"result_dtype": "bool"},
        {"result_dtype": "float16"},
        {"result_dtype": "complex64"},
        {"result_dtype": [1]},
        {"result_dtype": "\0"},
        {"result_extension": 5},
        {"result_extension": ".exe"},
        {"result_extension": "/../x.nii"},
        {"result_extension": ".mhd"},
    ],
)
def test_results_nobody_can_store(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(request_))}`"):
        result_type(request_)


@pytest.mark.parametrize("name", ["meta", "cuda:99", "abc", "\0", "xpu"])
def test_devices_that_are_not_there(name: str) -> None:
    with pytest.raises(ValueError, match="`device`"):
        checked_device(name)


@installed
@pytest.mark.parametrize("value", [1, {}, [1], "cuda:99x", "cuda:", "cuda\0"])
def test_devices_a_client_makes_up(value: Any) -> None:
    with pytest.raises(ValueError, match="`device`"):
        device_of({"device": value})


@installed
def test_a_gpu_that_is_not_there_is_the_cpu() -> None:
    """3D Slicer always asks for one."""
    if not torch.cuda.is_available():
        assert device_of({"device": "cuda"}) == device_of({}) == device_of({"device": ["cuda:1", "cpu"]}) == "cpu"


@pytest.mark.parametrize("value", [5, [1], [None, None], "ab", [1, 2, 3], {}])
def test_what_is_no_pair(value: Any) -> None:
    if value == {}:
        assert pair("size", value) == (0, 0)
        return
    with pytest.raises(ValueError, match="`size` must be"):
        pair("size", value)


def test_texts_and_switches() -> None:
    assert (text("model", "a"), truth("pretrained", "FALSE"), truth("pretrained", 1)) == ("a", False, True)
    for call in (lambda: text("model", {}), lambda: truth("pretrained", [])):
        with pytest.raises(ValueError, match="must be"):
            call()


@pytest.mark.parametrize("value", [5, {}, ["speed"]])
def test_measures(value: Any) -> None:
    with pytest.raises(ValueError, match="`measures` must be"):
        measures_of({"measures": value} if value else {"measures": {"a": 1}})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"gpus": 5}, "`gpus` must be"),
        ({"gpus": "0;1"}, "`gpus` must be"),
        ({"bundle_path": "/tmp"}, "`bundle_path` is set by the server"),
        ({"note": "A" * 200_000}, "the options have 200,"),
    ],
)
def test_what_no_process_can_be_started_with(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_process(request_)
    check_process({"gpus": "0,1", "max_epochs": 3})


@pytest.mark.parametrize("request_", [{"images": 5}, {"images": [[]]}, {"max_workers": "x"}, {"label_tag": 5}, {"tta": "x"}])
def test_batches(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_batch({"device": "cpu", **request_})


@pytest.mark.parametrize("expert", ["linear", "constant"])
def test_values_beyond_reckoning_are_refused(tmp_path: Path, expert: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).uniform(0, 3e38, (16, 16)).astype(np.float32))
    with pytest.raises(ValueError, match=r"a\.tif holds values up to 3e\+38"):
        self2seg_file(tmp_path / "a.tif", tmp_path / "out", experts=expert)


@installed
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("request_", [{"result_dtype": "uint8", "denoised": True}, {"result_extension": ".png", "volume": True}])
def test_nothing_is_left_of_a_result_that_cannot_be_stored(
    app: Path, study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    volume = request_.pop("volume", False)
    image = write_volume(tmp_path / "v.nii.gz") if volume else study.folder / "plane3.tif"
    task = BundleTask(
        app / "model" / f"denoiseg_{3 if volume else 2}d", "denoised" if request_.pop("denoised", False) else "labels"
    )
    with pytest.raises(ValueError, match=r"result_dtype|cannot be stored"):
        task({"image": str(image), "device": "cpu", "tta": False, **request_})
    assert list(folder.iterdir()) == []
