"""One CSV row an epoch, also over a resume."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from monai_denoiseg.handlers import CSVLog


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_learning_rate_and_seconds(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    engine = Engine(lambda engine, batch: None)

    @engine.on(Events.EPOCH_COMPLETED)
    def measure(engine: Engine) -> None:
        engine.state.metrics = {"loss": 1 / 3 / engine.state.epoch, "unasked": 5.0}

    CSVLog(tmp_path / "sub" / "log.csv", ["loss", "absent", "learning_rate", "seconds"], optimizer).attach(engine)

    @engine.on(Events.EPOCH_COMPLETED)
    def halve(engine: Engine) -> None:
        optimizer.param_groups[0]["lr"] /= 2

    engine.run([0], max_epochs=3)
    found = rows(tmp_path / "sub" / "log.csv")
    assert [(row["epoch"], row["loss"], row["absent"], row["learning_rate"]) for row in found] == [
        ("1", "0.333333", "", "0.5"),
        ("2", "0.166667", "", "0.25"),
        ("3", "0.111111", "", "0.125"),
    ]
    seconds = [float(row["seconds"]) for row in found]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] < 60


def test_resume_keeps_the_rows_before_and_goes_on_counting_seconds(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,seconds\n1,0.9,100\n2,0.8,200\n3,0.7,300\n")
    log = CSVLog(path, ["loss", "seconds", "new"], resume=True)
    log.write(3, {"loss": 0.5})
    log.write(4, {"loss": 0.4, "new": 1.0})
    found = rows(path)
    assert [(row["epoch"], row["loss"], row["new"]) for row in found] == [
        ("1", "0.9", ""),
        ("2", "0.8", ""),
        ("3", "0.5", ""),
        ("4", "0.4", "1"),
    ]
    assert 200 <= float(found[2]["seconds"]) < 260
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


def test_resume_without_a_file_begins_one(tmp_path: Path) -> None:
    CSVLog(tmp_path / "log.csv", ["loss"], resume=True).write(5, {"loss": 0.5})
    assert rows(tmp_path / "log.csv") == [{"epoch": "5", "loss": "0.5"}]


def test_a_new_run_sets_the_earlier_file_aside(tmp_path: Path) -> None:
    for loss in (0.1, 0.2):
        CSVLog(tmp_path / "log.csv", ["loss"]).write(1, {"loss": loss})
    assert rows(tmp_path / "log.1.csv")[0]["loss"] == "0.1"
    assert rows(tmp_path / "log.csv")[0]["loss"] == "0.2"


def test_nothing_is_touched_before_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n")
    CSVLog(tmp_path / "log.csv", ["loss"])
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,0.5\n"
