"""The benchmark of the training speed: clock, peer, pairs and ratios by hand-computed numbers, and one small run of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events

from monai_denoiseg.engines import DenoiSegTrainer
from monai_denoiseg.losses import JointLoss

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import training_speed
    finally:
        sys.path.remove(str(BENCHMARKS))
    return training_speed  # type: ignore[no-any-return]


HEAD = "careamics 0.3.5 torch 2.13.0 threads {threads} import s 1.0 params {parameters} batch {batch}"
EPOCH = "epoch {k}: 56 patches, loop 2.00s = {speed} patches/s (step only {steps}/s); {cpu} patches per CPU-second"
STAND_IN = """
import os, sys
batch, epochs = int(sys.argv[1]), int(sys.argv[2])
print("a progress bar \\r", end="")
assert os.environ["TV_SHIM"] and os.environ["OMP_NUM_THREADS"] == os.environ["NT"]
print(HEAD.format(threads=os.environ["NT"], parameters=PARAMETERS, batch=batch))
for k in range(epochs):
    print(EPOCH.format(k=k, speed=10.0 + k, steps=20.0 + k, cpu=30.0 + k))
"""


def write_peer(folder: Path, parameters: int = 1277, end: str = "") -> list[str]:
    """A script that prints what the peer prints, and the options that name it."""
    script = folder / "peer.py"
    script.write_text(f"HEAD, EPOCH, PARAMETERS = {HEAD!r}, {EPOCH!r}, {parameters}\n{STAND_IN}{end}\n")
    return ["--careamics", sys.executable, "--peer", str(script), "--work", str(folder / "work"), "--results", str(folder)]


def test_the_image_is_the_peers(speed: ModuleType) -> None:
    image = speed.noisy_image()
    assert image.dtype == np.float32
    # Computed once by the lines of the peer's own script.
    assert [float(image[at]) for at in ((0, 0), (100, 200), (511, 511))] == pytest.approx([14.985064, 28.85154, -23.046282])
    assert (float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))) == pytest.approx((27.259659, 42.845367))


class Now:
    """A clock that stands still until somebody takes time; the processor's runs twice as fast."""

    def __init__(self) -> None:
        self.time = 0.0

    def perf_counter(self) -> float:
        return self.time

    def process_time(self) -> float:
        return 2 * self.time

    def take(self, seconds: float) -> None:
        self.time += seconds


class SlowNetwork(torch.nn.Module):
    """Takes 3 for forward, 5 for backward."""

    def __init__(self, now: Now) -> None:
        super().__init__()
        self.now, self.weight = now, torch.nn.Parameter(torch.ones(()))

    def forward(self, image: torch.Tensor, **_: Any) -> torch.Tensor:
        self.now.take(3)
        output = self.weight * image
        if output.requires_grad:
            output.register_hook(lambda gradient: self.now.take(5))
        return output


class SlowOptimizer(torch.optim.Optimizer):
    """Takes 2 for a step. No child of another optimizer: the hooks of both would be called."""

    now: Now

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.now.take(2)


class SlowLoader:
    """Takes 1 for each of two batches of four images."""

    def __init__(self, now: Now) -> None:
        self.now = now

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for _ in range(2):
            self.now.take(1)
            yield {"image": torch.ones(4, 1, 8, 8)}


def test_the_clock_tells_the_parts_of_a_step(speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = Now()
    module = sys.modules["training_speed_clock"]
    monkeypatch.setattr(module, "time", now)
    network = SlowNetwork(now)
    optimizer = SlowOptimizer(network.parameters(), {})
    optimizer.now = now

    def prepare(batch: dict[str, torch.Tensor], *_: Any) -> tuple[Any, ...]:
        now.take(0.5)
        return batch["image"], batch, (), {}

    def loss(output: torch.Tensor, _: Any) -> JointLoss:
        now.take(0.25)
        total = output.mean()
        return JointLoss(total, total, total * 0)

    clock = module.Clock(tmp_path / "clock.json")  # type: ignore[attr-defined]
    parts: Any = SlowLoader(now), network, optimizer, SimpleNamespace(parts=loss), prepare
    trainer = DenoiSegTrainer("cpu", 2, *parts, train_handlers=[clock], amp="off", epoch_length=2)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: network(torch.ones(1, 1, 8, 8)))  # the validation
    trainer.run()

    found = json.loads((tmp_path / "clock.json").read_text())
    # A batch 1, then a step of 0.5 + 3 + 0.25 + 5 + 2; the two of an epoch take 23.5, and the validation is in none of them.
    epoch = {"patches": 8, "seconds": 23.5, "cpu_seconds": 47, "in_steps": 21.5}
    epoch |= {"loader": 2, "forward": 6, "backward": 10, "optimizer": 4}
    assert found["epochs"] == [pytest.approx(epoch)] * 2
    assert (found["parameters"], found["dtype"], found["threads"]) == (1, "float32", torch.get_num_threads())
    rates = module.rates(found["epochs"][1])  # type: ignore[attr-defined]
    speeds = {"patches_per_second": 8 / 23.5, "patches_per_second_in_steps": 8 / 21.5, "patches_per_cpu_second": 8 / 47}
    shares = {"forward": 6, "backward": 10, "optimizer": 4, "loader": 2, "outside": 3.5}  # loader 2, blind spots 1, loss 0.5
    wanted = speeds | {f"share_{part}": seconds / 23.5 for part, seconds in shares.items()}
    assert rates == pytest.approx(wanted | {"patches": 8})


def test_the_peer_is_run_and_read(speed: ModuleType, tmp_path: Path) -> None:
    args = speed.parse([*write_peer(tmp_path), "--steps", "10", "--batch", "14", "--threads", "3"])
    found = speed.measure("careamics", args)
    # 56 patches are 4 batches of 14; 10 steps are 3 epochs after the warm-up, and the second of the three is the median.
    wanted = {"versions": {"careamics": "0.3.5", "torch": "2.13.0"}, "threads": 3, "parameters": 1277, "dtype": "float32"}
    speeds = {"patches_per_second": 12, "patches_per_second_in_steps": 22, "patches_per_cpu_second": 32}
    assert found == wanted | speeds | {"patches": 56}
    assert "batch 14" in (tmp_path / "work" / "training_speed" / "careamics" / "log.txt").read_text()


def test_a_failing_peer_is_said(speed: ModuleType, tmp_path: Path) -> None:
    args = speed.parse([*write_peer(tmp_path, end="sys.exit('no memory left')"), "--steps", "1"])
    with pytest.raises(RuntimeError, match=r"peer\.py failed \(1\), the end of .*careamics.log\.txt:(.|\n)*no memory left"):
        speed.measure("careamics", args)


def test_missing_lines_of_the_peer_are_said(speed: ModuleType) -> None:
    head = HEAD.format(threads=1, parameters=9, batch=16)
    lines = [EPOCH.format(k=k, speed=f"5{k}.5", steps=60.0, cpu=30.0) for k in range(3)]
    assert speed.parse_peer("\n".join([head, *lines]), 3, Path("log.txt"))["patches_per_second"] == 52.0  # of 51.5 and 52.5
    for text, count in (([head, *lines[:2]], 2), (lines, 3), ([head, lines[0], lines[2], lines[1]], 3), ([], 0)):
        with pytest.raises(RuntimeError, match=rf"found {count} such epochs in log\.txt"):
            speed.parse_peer("\n".join(text), 3, Path("log.txt"))


def test_other_threads_than_asked_are_said(speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = speed.parse([*write_peer(tmp_path), "--threads", "2"])
    monkeypatch.setattr(speed, "run_ours", lambda *_: {"threads": 1})
    with pytest.raises(RuntimeError, match="n2v ran with 1 threads instead of --threads 2"):
        speed.measure("n2v", args)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--careamics", "{python}"], "--careamics and --peer go together"),
        (["--peer", "{peer}"], "--careamics and --peer go together"),
        (["--careamics", "{peer}", "--peer", "{peer}"], "peer.py: not an executable file; give the Python"),
        (["--careamics", "{python}", "--peer", "nowhere.py"], "--peer nowhere.py: no such file"),
        (["--programs", "careamics"], "--programs careamics needs --careamics"),
        (["--pairs", "0"], "'0' is not a whole number from 1"),
        (["--set", "depth"], "--set depth: give KEY=VALUE"),
        (["--set", "amp=off"], "--set amp=off: give KEY=VALUE with another key than amp, batch_size"),
    ],
)
def test_what_is_wrong_is_said(speed: ModuleType, words: list[str], message: str, tmp_path: Path, capsys: Any) -> None:
    write_peer(tmp_path)
    with pytest.raises(SystemExit):
        speed.parse([word.format(python=sys.executable, peer=tmp_path / "peer.py") for word in words])
    assert message in capsys.readouterr().err


def test_keys_of_the_programs(speed: ModuleType, tmp_path: Path) -> None:
    args = speed.parse(["--steps", "100", "--set", "learning_rate=0.1"])
    assert args.programs == ["n2v", "n2v_float32", "n2v_returning", "default"], "without the peer the bundle alone"
    n2v, float32, returning, default = (speed.keys_for(name, args, tmp_path) for name in args.programs)
    assert {key: (value, float32[key]) for key, value in n2v.items() if value != float32[key]} == {"amp": ("auto", "off")}
    # 4 steps of 16 an epoch as the peer, 25 epochs for 100 steps and one to warm up, validated at the very end only.
    assert (n2v["steps_per_epoch"], n2v["batch_size"], n2v["max_epochs"], n2v["val_interval"]) == (4, 16, 26, 26)
    assert (n2v["depth"], n2v["features"], n2v["patch_size"]) == (2, 32, [64, 64])
    assert (default["steps_per_epoch"], default["max_epochs"], returning) == (25, 5, n2v)
    assert not {"depth", "features", "patch_size", "batch_size", "amp", "dataset_dir"} & default.keys(), "the bundle's own"
    assert {keys["learning_rate"] for keys in (n2v, float32, default)} == {"0.1"}


def speeds(*values: float, **more: Any) -> dict[str, Any]:
    names = ("patches_per_second", "patches_per_second_in_steps", "patches_per_cpu_second")
    return dict(zip(names, values, strict=True)) | {"parameters": 7, "threads": 1} | more


FIGURES = {
    "careamics": [speeds(10.0, 20.0, 5.0), speeds(20.0, 25.0, 10.0), speeds(5.0, 8.0, 4.0)],
    "n2v": [speeds(30.0, 40.0, 20.0), speeds(40.0, 50.0, 30.0), speeds(50.0, 60.0, 8.0)],
    "n2v_float32": [speeds(15.0, 20.0, 10.0), speeds(10.0, 25.0, 6.0), speeds(20.0, 30.0, 2.0)],
    "n2v_returning": [speeds(10.0, 20.0, 5.0), speeds(20.0, 20.0, 5.0), speeds(40.0, 20.0, 5.0)],
    "default": [speeds(1.0, 1.0, 1.0, parameters=9, share_outside=share) for share in (0.5, 0.1, 0.2)],
}


def test_pairs_in_turn_ratios_and_medians(
    speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    left = {name: iter(found) for name, found in FIGURES.items()}
    order: list[str] = []

    def measure(name: str, _: Any) -> dict[str, Any]:
        order.append(name)
        return next(left[name])

    monkeypatch.setattr(speed, "measure", measure)
    speed.main([*write_peer(tmp_path), "--pairs", "3"])
    names = ["careamics", "n2v", "n2v_float32", "n2v_returning", "default"]
    assert order == [*names, *names[::-1], *names]
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    ratios = result["ratios"]
    assert ratios["n2v_to_careamics"]["patches_per_second"] == {"median": 3.0, "pairs": [3.0, 2.0, 10.0]}
    assert ratios["n2v_to_careamics"]["patches_per_second_in_steps"] == {"median": 2.0, "pairs": [2.0, 2.0, 7.5]}
    assert ratios["n2v_to_careamics"]["patches_per_cpu_second"] == {"median": 3.0, "pairs": [4.0, 3.0, 2.0]}
    assert ratios["n2v_float32_to_careamics"]["patches_per_second"] == {"median": 1.5, "pairs": [1.5, 0.5, 4.0]}
    assert ratios["bf16_gain"]["patches_per_second"] == {"median": 2.5, "pairs": [2.0, 4.0, 2.5]}
    assert ratios["kept_memory_gain"]["patches_per_second"] == {"median": 2.0, "pairs": [3.0, 2.0, 1.25]}
    assert (result["programs"]["n2v"]["patches_per_second"], result["programs"]["default"]["share_outside"]) == (40.0, 0.2)
    assert [run["patches_per_cpu_second"] for run in result["programs"]["careamics"]["runs"]] == [5.0, 10.0, 4.0]
    assert "default: 20.0 % outside forward, backward and optimizer" in printed
    recorded = json.loads((tmp_path / "training_speed.json").read_text())
    assert recorded["machine"]["versions"]["torch"]
    assert {key: recorded[key] for key in result} == result


def test_ratios_only_of_what_ran(speed: ModuleType) -> None:
    assert speed.compare({"n2v": FIGURES["n2v"], "default": FIGURES["default"]}) == {}
    assert speed.compare({name: FIGURES[name] for name in ("n2v", "n2v_float32")}).keys() == {"bf16_gain"}


def test_networks_of_other_sizes_are_not_compared(speed: ModuleType) -> None:
    speed.check_same_network({**FIGURES, "n2v_float32": []})  # the default network may differ, and not all have run yet
    with pytest.raises(RuntimeError, match="differ in their parameters: careamics 7, n2v 8; choose depth"):
        speed.check_same_network({"careamics": FIGURES["careamics"], "n2v": [speeds(1.0, 1.0, 1.0, parameters=8)]})


def test_a_small_run_beside_a_stand_in(speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    tiny = ["--set", "depth=1", "features=4", "patch_size=[16, 16]"]
    counts = ["--pairs", "1", "--steps", "3", "--batch", "28", "--threads", "1"]
    speed.main([*write_peer(tmp_path), "--programs", "n2v", "careamics", *counts, *tiny])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    ours = result["programs"]["n2v"]
    assert (ours["parameters"], ours["threads"], ours["patches"]) == (1277, 1, 56)
    shares = [ours[f"share_{part}"] for part in ("forward", "backward", "optimizer", "outside")]
    assert all(0 < share < 1 for share in shares)
    assert 0 < ours["share_loader"] < ours["share_outside"]
    assert ours["patches_per_second"] < ours["patches_per_second_in_steps"]
    (pair,) = result["ratios"]["n2v_to_careamics"]["patches_per_second"]["pairs"]
    assert pair == pytest.approx(ours["patches_per_second"] / 11.5)
    epochs = json.loads((tmp_path / "work" / "training_speed" / "n2v" / "clock.json").read_text())["epochs"]
    assert [epoch["patches"] for epoch in epochs] == [56, 56, 56]
    for epoch in epochs:
        assert epoch["loader"] + epoch["in_steps"] == pytest.approx(epoch["seconds"])
        assert sum(epoch[part] for part in ("forward", "backward", "optimizer")) < epoch["in_steps"]
    assert "PYTHONPATH" not in speed.os.environ


def test_a_failing_bundle_is_said(speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = speed.parse(["--work", str(tmp_path), "--set", "depht=1"])
    monkeypatch.setattr(sys.modules["common"], "subprocess", failing := SimpleNamespace(STDOUT=None, run=None))
    failing.run = lambda command, stdout, **_: (stdout.write("unknown key 'depht'\n"), SimpleNamespace(returncode=1))[1]
    with pytest.raises(RuntimeError, match=r"train \+ noise2void(.|\n)*log\.txt:\nunknown key 'depht'"):
        speed.measure("n2v", args)
