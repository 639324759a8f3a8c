"""StreamJob: goes on where it was stopped, with the same result; starts afresh where it must."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stream_helpers import Killed, in_memory, level, network, picture, predictor, read, stop_after, write

from monai_denoiseg.engines import stream_job
from monai_denoiseg.engines.journal import Journal
from monai_denoiseg.files import result_set
from monai_denoiseg.transforms import ProbabilitiesToInstances


@pytest.mark.parametrize(
    ("name", "step", "count"),
    [
        *(("a.tif", step, count) for step, count in (("predict", 0), ("grow", 3), ("grow", 13))),
        *(("a.ome.zarr", step, count) for step, count in (("predict", 5), ("grow", 0), ("grow", 13))),
    ],
)
def test_goes_on_after_an_interruption(
    tmp_path: Path, name: str, step: str, count: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / name, picture((2, 5, 20, 18)), "TZYX")  # 12 tiles a frame: 13 is in the second
    net = network(normalisation="image")
    options = {"tile": (4, 8, 16), "threshold": level(net, picture((2, 5, 20, 18))[:1])}
    wanted = {kind: read(target, 3) for kind, target in predictor(net, tmp_path / "once", **options)(path).items()}
    assert wanted["instances"].max() > 2
    run = predictor(net, tmp_path, **options)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, step, count)
        run(path)
    assert [p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")] == []
    calls: list[int] = []
    forward = net.forward
    monkeypatch.setattr(net, "forward", lambda *args: (calls.append(1), forward(*args))[1])
    with caplog.at_level(logging.INFO):
        again = predictor(net, tmp_path, **options)(path)
    assert "goes on" in caplog.text
    left = 24 - count if step == "predict" else 12 if count < 12 else 0
    assert len(calls) == left
    for kind, target in again.items():
        np.testing.assert_array_equal(read(target, 3), wanted[kind])
    assert not list((tmp_path / "out").glob(".[!m]*"))


@pytest.mark.parametrize(
    ("step", "count", "classes"), [("predict", 15, 3), ("refine", 0, 3), ("refine", 13, 3), ("refine", 5, 0), ("refine", 13, 0)]
)
def test_refined_the_same_after_an_interruption(
    tmp_path: Path, step: str, count: int, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.tif", picture((2, 5, 20, 18)), "TZYX")  # 12 tiles a frame: 13 is in the second
    net = network(n_classes=classes)

    def run(folder: Path) -> np.ndarray:
        return read(predictor(net, folder, (4, 8, 16), refine=True)(path)["denoised"], 3)

    wanted = run(tmp_path / "once")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, step, count)
        run(tmp_path)
    np.testing.assert_array_equal(run(tmp_path), wanted)


@pytest.mark.parametrize(("step", "count"), [("predict", 5), ("grow", 7)])
def test_splits_are_the_same_after_an_interruption(
    tmp_path: Path, step: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture((1, 5, 30, 28))
    path = write(tmp_path / "a.tif", data[0], "ZYX")
    net = network()
    find = ProbabilitiesToInstances(level(net, data), min_size=3, split_neck=0.9)
    options = {"tile": (4, 8, 16), "instances": find, "overlap": 5, "threshold": find.threshold}
    wanted = read(predictor(net, tmp_path / "once", **options)(path)["instances"], 3)
    plain = {**options, "instances": ProbabilitiesToInstances(find.threshold, min_size=3, split_neck=0)}
    assert wanted.max() > read(predictor(net, tmp_path / "plain", **plain)(path)["instances"], 3).max()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, step, count)
        predictor(net, tmp_path, **options)(path)
    np.testing.assert_array_equal(read(predictor(net, tmp_path, **options)(path)["instances"], 3), wanted)


def test_killed_while_the_outputs_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    net = network(2)
    put, done = result_set._put, []

    def once(part: Path, target: Path) -> None:
        if done:
            raise Killed
        put(part, target)
        done.extend([target] if target.suffix == ".tif" else [])  # the record comes first

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(result_set, "_put", once)
        patch.setattr(result_set, "_take_back", lambda *_: None)  # a killed program takes nothing back
        predictor(net, tmp_path, 8)(path)
    assert list((tmp_path / "out").glob(".*.tif.part"))
    before = read(done[0], 2)
    monkeypatch.setattr(net, "forward", None)  # nothing is to be computed any more
    written = predictor(net, tmp_path, 8)(path)
    assert all(target.is_file() for target in written.values())
    np.testing.assert_array_equal(read(done[0], 2), before)
    assert not list((tmp_path / "out").glob(".[!m]*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile": 16}, "tile_size was 8, is 16"),
        ({"tta": True}, "tta was False, is True"),
        ({"refine": True}, "refine was False, is True"),
        ({"overlap": 3}, r"overlap was \[64, 64\], is \[3, 3\]"),
        ({"threshold": 0.4}, "threshold was 0.35, is 0.4"),
        ({"instances": ProbabilitiesToInstances(0.35, split_neck=0.7, min_size=0)}, "split_neck was 0, is 0.7"),
        ({"output_format": "ome-zarr"}, "output_format was 'auto', is 'ome-zarr'"),
        ({"weights": True}, "weights was"),
        ({"source": True}, "source_changed was"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_other_settings_start_afresh_and_say_which(
    tmp_path: Path, change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    net = network(2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, "predict", 4)
        predictor(net, tmp_path, 8)(path)
    options = {"tile": 8, **change}
    if options.pop("weights", False):
        torch.nn.init.zeros_(net.unet.head.bias)
        net.unet.head.bias.data += 0.1
    if options.pop("source", False):
        write(path, picture((20, 18), seed=1), "YX")
    with caplog.at_level(logging.WARNING):
        written = predictor(net, tmp_path, **options)(path)
    assert re.search("starts afresh, the interrupted run had other settings: .*" + message, caplog.text)
    fresh = predictor(net, tmp_path / "fresh", **options)(path)
    for kind, target in written.items():
        np.testing.assert_array_equal(read(target, 2), read(fresh[kind], 2))
    assert not list((tmp_path / "out").glob(".[!m]*"))


def test_an_output_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    net = network(2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, "predict", 4)
        predictor(net, tmp_path, 8)(path)
    (tmp_path / "out" / ".a_denoised.tif.part").unlink()
    written = predictor(net, tmp_path, 8)(path)
    assert "an output of the interrupted run is gone" in caplog.text
    np.testing.assert_allclose(read(written["denoised"], 2)[0], in_memory(net, picture((20, 18))[None], False)[3:], rtol=1e-4)


KILL = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
import stream_helpers as t
from monai_denoiseg.data import sinks
kind = sinks.TiffSink if {name!r}.endswith("tif") else sinks.OmeZarrSink
write, done = kind.write, []
def counted(self, *args):
    done.append(self.target.name)
    if len(done) == {count}:
        os.kill(os.getpid(), signal.SIGKILL)  # in the middle: the data of this window are not there, others of its tile are
    write(self, *args)
kind.write = counted
folder = Path({folder!r})
t.predictor(t.network(), folder, (4, 8, 16), threshold={threshold})(folder / {name!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize(("name", "count"), [("a.tif", 6), ("a.ome.zarr", 28)])
def test_killed_by_the_system(tmp_path: Path, name: str, count: int) -> None:
    """12 tiles, two outputs in the first pass (windows 1 to 24) and one in the second."""
    path = write(tmp_path / name, picture((1, 5, 20, 18))[0], "ZYX")
    net = network()
    threshold = level(net, picture((1, 5, 20, 18)))
    code = KILL.format(path=[str(Path(__file__).parent)], name=name, count=count, folder=str(tmp_path), threshold=threshold)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, timeout=250)
    assert done.returncode == -signal.SIGKILL, done.stderr
    out = tmp_path / "out"
    assert all(entry.name.startswith(".") for entry in out.iterdir())
    journal = (out / ".a.partial" / "journal.jsonl").read_text().splitlines()
    assert sum('"predict"' in line for line in journal) == min(count - 1, 24) // 2
    again = predictor(net, tmp_path, (4, 8, 16), threshold=threshold)(path)
    wanted = predictor(net, tmp_path / "once", (4, 8, 16), threshold=threshold)(path)
    assert read(wanted["instances"], 3).max() > 1
    for kind, target in again.items():
        np.testing.assert_array_equal(read(target, 3), read(wanted[kind], 3))


def test_a_journal_cut_off_in_the_middle_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    net = network(2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, "predict", 4)
        predictor(net, tmp_path, 8)(path)
    journal = tmp_path / "out" / ".a.partial" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    assert json.loads(lines[-1]) == {"step": ["predict", 0, 3]}
    journal.write_text("\n".join(lines)[:-3])
    written = predictor(net, tmp_path, 8)(path)
    np.testing.assert_allclose(read(written["denoised"], 2)[0], in_memory(net, picture((20, 18))[None], False)[3:], rtol=1e-4)


def test_two_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    (tmp_path / "out").mkdir()
    with (
        Journal(tmp_path / "out" / ".a.partial", {}, "a"),
        pytest.raises(RuntimeError, match="another program works on it"),
    ):
        predictor(network(2), tmp_path, 8)(path)


def test_full_disk_is_said_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", picture((20, 18)), "YX")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(stream_job.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"a\.tif: results and intermediate data need up to .* kB in .*; make room"):
        predictor(network(2), tmp_path, 8)(path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("split_neck", [0.0, 0.7])
def test_progress_covers_the_whole_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split_neck: float) -> None:
    bars = []

    class Bar(stream_job.tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": False, "file": open(os.devnull, "w")})  # noqa: PTH123, SIM115
            bars.append(self)

    monkeypatch.setattr(stream_job, "tqdm", Bar)
    path = write(tmp_path / "a.tif", picture((2, 20, 18)), "TYX")
    net = network(2, normalisation="image")
    find = ProbabilitiesToInstances(0.35, split_neck=split_neck, min_size=0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, "grow", 10)
        predictor(net, tmp_path, 8, instances=find)(path)
    predictor(net, tmp_path, 8, instances=find)(path)
    assert bars[1].n == pytest.approx(bars[1].total)
    assert bars[0].n < bars[0].total
