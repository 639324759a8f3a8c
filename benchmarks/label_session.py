"""A simulated annotation session on DSB2018: does it pay to let the network choose the next image?

Crops of 128 x 128 from different images, Gaussian noise added once. One of them is annotated. Then in each round the strategy
picks the next crop (as the MONAI Label app does), its true label is revealed, and the network is trained further on all crops,
annotated or not. A round is as long as `--seconds` allow on this machine, measured once, and has the same number of steps for all
strategies. Scores are on whole test images. Finished sessions are kept in the work folder and not run again. The last line
printed is one JSON object.

    python benchmarks/label_session.py --data ../shared/data/dsb2018 --sigma 20 --rounds 10 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record, run_bundle
from dsb2018 import load, write

from monai_denoiseg.label import ScoreBook, choose, split_study, write_app
from monai_denoiseg.label.acquisition import MEASURES
from monai_denoiseg.label.bundles import model_file
from monai_denoiseg.label.study import study_items
from monai_denoiseg.label.training import train_on_study
from monai_denoiseg.pictures.charts import Line, chart_file

PATCH = 128
STRATEGIES = (*MEASURES, "random")
COLOURS = {"uncertainty": "#c0392b", "blind_spot": "#0072b2", "random": "#5b6776"}
NAMES = {"uncertainty": "uncertainty", "blind_spot": "blind-spot error", "random": "random"}


class Pool:
    """The crops and what is annotated of them, as the datastore of a server would tell."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.annotated = folder, set[str]()
        self.names = sorted(path.stem for path in (folder / "images").glob("*.tif"))

    def list_images(self) -> list[str]:
        """Names of the crops."""
        return self.names

    def get_labeled_images(self) -> list[str]:
        """Names of those annotated."""
        return sorted(self.annotated)

    def get_image_uri(self, name: str) -> str:
        """File of a crop."""
        return str(self.folder / "images" / f"{name}.tif")

    def get_label_uri(self, name: str, _: str) -> str:
        """File of its true label."""
        return str(self.folder / "labels" / f"{name}.tif")

    def get_label_info(self, *_: str) -> dict[str, Any]:
        """Nothing is known of labels beyond their values."""
        return {}

    def waiting(self) -> list[str]:
        """Names of those not annotated."""
        return [name for name in self.names if name not in self.annotated]


def prepare(data: Path, work: Path, sigma: float, size: int, n_test: int | None) -> Path:
    """Write crops and test images, once for each noise level and number of crops."""
    root = work / f"session_n{sigma:g}_{size}_{n_test or 'all'}"
    if (root / "done").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    noise, cut = np.random.default_rng(123), np.random.default_rng(0)
    images = [item for item in load(data / "dev-train", sigma, noise) if min(item[1].shape) >= PATCH]
    for index in cut.permutation(len(images))[:size]:
        name, image, _, masks = images[index]
        y, x = (int(cut.integers(0, n - PATCH + 1)) for n in image.shape)
        window = np.s_[y : y + PATCH, x : x + PATCH]
        write(root / "pool", name, images=image[window], labels=masks[window])
    for name, image, clean, masks in load(data / "dev-test", sigma, noise)[:n_test]:
        write(root / "test", name, images=image, labels=masks, clean=clean)
    (root / "done").touch()
    return root


def first_label(pool: Pool, seed: int) -> str:
    """A crop with several objects: nobody starts with an empty one."""
    counts = {name: len(np.unique(tifffile.imread(pool.get_label_uri(name, "final")))) - 1 for name in pool.names}
    full = [name for name, count in counts.items() if count >= min(3, max(counts.values()))]
    return random.Random(seed).choice(full)


def pick(strategy: str, pool: Pool, bundle: Path, rng: random.Random) -> str:
    if strategy == "random":
        return rng.choice(pool.waiting())
    book = ScoreBook(bundle.parent / "scores", bundle)
    return choose({name: book.get(pool.get_image_uri(name), strategy) for name in pool.waiting()})


def train(pool: Pool, bundle: Path, run: Path, epochs: int, settings: Mapping[str, Any]) -> float:
    """Train a round; returns its seconds."""
    training, validation = split_study(study_items(pool, run / "labels"))
    start = time.time()
    shutil.rmtree(run, ignore_errors=True)
    train_on_study(bundle, training, validation, run, max_epochs=epochs, val_interval=epochs, binary_labels="keep", **settings)
    return time.time() - start


def epochs_for(seconds: float, folder: Path, work: Path, settings: Mapping[str, Any]) -> int:
    """How many epochs a round of so many seconds has, from the second of two rounds of one epoch."""
    app, pool = work / "timing", Pool(folder / "pool")
    shutil.rmtree(app, ignore_errors=True)
    bundle = write_app(app, ["denoiseg_2d"]) / "model" / "denoiseg_2d"
    pool.annotated.add(first_label(pool, 0))
    fixed, longer = (train(pool, bundle, app / "run", n, {**settings, "pretrained": False}) for n in (1, 4))
    each = max((longer - fixed) / 3, 0.01)
    return max(1, round((seconds - max(fixed - each, 0)) / each))


def evaluate(folder: Path, bundle: Path, run: Path) -> dict[str, float]:
    options = {"model_file": model_file(bundle), "binary_labels": "keep"}
    run_bundle("evaluate", run / "log.txt", dataset_dir=folder / "test", output_dir=run / "evaluation", **options)
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    return {key: scores[key] for key in ("ap", "seg", "psnr")}


def session(strategy: str, seed: int, folder: Path, work: Path, args: argparse.Namespace, epochs: int) -> list[dict[str, Any]]:
    """Run one session, or read it if it is done."""
    given = "".join(f"_{pair}" for pair in sorted(args.set)).translate({ord(sign): "-" for sign in '/\\"[] '})
    home = work / f"session_{folder.name}_{strategy}_s{seed}_r{args.rounds}_e{epochs}x{args.steps}{given}{args.name}"
    if (home / "rounds.json").is_file():
        rounds: list[dict[str, Any]] = json.loads((home / "rounds.json").read_text())
        return rounds
    shutil.rmtree(home, ignore_errors=True)
    bundle = write_app(home / "app", ["denoiseg_2d"]) / "model" / "denoiseg_2d"
    pool, rng, rounds = Pool(folder / "pool"), random.Random(seed), []
    pool.annotated.add(picked := first_label(pool, seed))
    for number in range(args.rounds + 1):
        seconds = train(pool, bundle, home / "run", epochs, {**args.settings, "seed": seed})
        scores = evaluate(folder, bundle, home / "run")
        rounds.append({"labels": len(pool.annotated), "picked": picked, **scores, "train_seconds": round(seconds, 1)})
        print(strategy, seed, rounds[-1], flush=True)
        if number < args.rounds and pool.waiting():
            pool.annotated.add(picked := pick(strategy, pool, bundle, rng))
    (home / "rounds.json").write_text(json.dumps(rounds))
    return rounds


def summarise(sessions: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> dict[str, list[dict[str, float]]]:
    """Mean and standard error over the seeds, for each strategy and number of labels."""
    rows = {}
    for strategy, runs in sessions.items():
        table = np.array([[[entry[key] for key in ("ap", "seg", "psnr")] for entry in run] for run in runs], float)
        mean, error = table.mean(0), table.std(0) / np.sqrt(len(runs))
        labels = [entry["labels"] for entry in runs[0]]
        rows[strategy] = [
            {"labels": n, "ap": m[0], "ap_error": e[0], "seg": m[1], "psnr": m[2]}
            for n, m, e in zip(labels, mean.round(4).tolist(), error.round(4).tolist(), strict=True)
        ]
    return rows


def figure(rows: Mapping[str, Sequence[Mapping[str, float]]], sigma: float, seeds: int) -> str:
    # Without a label there is no AP; the point also keeps the axis linear.
    lines = [
        Line(NAMES[name], np.array([0, *(r["labels"] for r in row)]), np.array([0, *(r["ap"] for r in row)]), COLOURS[name])
        for name, row in rows.items()
    ]
    title = f"DSB2018, noise {sigma:g}: AP by number of annotated crops ({seeds} seed{'s' * (seeds > 1)})"
    return chart_file(lines, title=title, x_label="annotated crops", y_label="AP on test images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    parser.add_argument("--sigma", type=float, default=20, help="noise in grey levels")
    parser.add_argument("--pool", type=int, default=150, help="crops, one an image")
    parser.add_argument("--rounds", type=int, default=10, help="annotations after the first")
    parser.add_argument("--seconds", type=float, default=60, help="training of a round")
    parser.add_argument("--epochs", type=int, help="training of a round; instead of --seconds")
    parser.add_argument("--steps", type=int, default=20, help="steps of an epoch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="first label, weights and crops follow it")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--test_images", type=int, help="only so many test images")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--name", default="", help="suffix of the result files")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for crops and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    if not (args.data / "dev-train" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dev-train/images in it")
    warnings.simplefilter("ignore")
    given = {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in args.set)}
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    args.settings = {"steps_per_epoch": args.steps, "device": device, **given}

    folder = prepare(args.data, args.work, args.sigma, args.pool, args.test_images)
    epochs = args.epochs or epochs_for(args.seconds, folder, args.work, args.settings)
    sessions = {name: [session(name, seed, folder, args.work, args, epochs) for seed in args.seeds] for name in args.strategies}
    rows = summarise(sessions)
    options = {key: getattr(args, key) for key in ("sigma", "pool", "rounds", "seconds", "seeds")}
    result: dict[str, Any] = {**options, "epochs": epochs, "settings": args.settings, "strategies": rows, "sessions": sessions}
    name = f"label_session_n{args.sigma:g}{args.name}"
    print("recorded in", record(name, result, args.results))
    (args.results / f"{name}.svg").write_text(figure(rows, args.sigma, len(args.seeds)), "utf-8")
    print(json.dumps({**options, "epochs": epochs, "strategies": rows}))


if __name__ == "__main__":
    main()
