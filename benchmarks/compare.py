"""Which method is best for your images: methods x numbers of labels x noise levels x seeds, with tables and a figure.

The folder holds images/, labels/ and, where they exist, clean/ (docs/compare.md). Results are in --output: table.md, table.csv,
plot.svg, a file for each run in runs/. A comparison that was stopped goes on when the same command is given again.

    python benchmarks/compare.py --data my_images --methods baseline denoiseg stardist --labels 5 20 --seeds 0 1
    python benchmarks/compare.py --data ../shared/data/dsb2018 --dsb --validation 200 --noise 20 --methods baseline denoiseg
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import record
from compare_data import Folders, prepare_folders
from compare_plot import write_plot
from compare_runs import (
    Protocol,
    Run,
    check_pairs,
    execute,
    is_done,
    known_methods,
    plan_runs,
    read_results,
    stage_folder,
    write_result,
)
from compare_table import Score, summarise, write_tables
from fewshot_dsb2018 import prepare

METHODS = [
    "baseline",
    "sequential",
    "finetune",
    "finetune_sequential",
    "denoiseg",
    "stardist",
    "stardist_sequential",
    "denoiseg_stardist",
]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = found.add_argument
    add("--data", type=Path, help="folder with images/, labels/ and maybe clean/")
    add("--test", type=Path, help="such a folder with the test images; without it a part of the labelled images is set aside")
    add("--test_fraction", type=float, default=0.3, help="that part (default 0.3)")
    add("--dsb", action="store_true", help="--data is DSB2018: the DenoiSeg paper's protocol with patches of 128 x 128")
    add("--validation", type=int, default=200, help="with --dsb: labelled validation patches (default 200)")
    add("--methods", nargs="+", default=METHODS, metavar="NAME", help=f"of {', '.join(known_methods('denoiseg_2d'))}")
    add("--labels", nargs="+", type=_labels, default=["all"], metavar="N", help="labelled training images, or 'all' (default)")
    add("--noise", nargs="+", type=_noise, default=[None], metavar="SD", help="Gaussian noise added once, or 'none' (default)")
    add("--seeds", nargs="+", type=int, default=[0], metavar="N")
    add("--epochs", type=int, default=40, help="of each stage, of 100 steps by default (default 40)")
    add("--bundle", choices=["denoiseg_2d", "denoiseg_3d"], default="denoiseg_2d")
    further: dict[str, Any] = {"nargs": "+", "action": "extend", "type": _pair, "default": [], "metavar": "[METHOD:]KEY=VALUE"}
    add("--set", **further, help="further keys of the bundle, for all methods or for one")
    add("--output", type=Path, default=Path(__file__).parent / "work" / "compare", help="folder for all results")
    add("--jobs", type=int, default=1, help="runs at the same time; they share the cores")
    add("--overwrite", action="store_true", help="repeat runs that were made with other settings")
    add("--table-only", action="store_true", help="only write tables and figure of the runs that are there")
    add("--record", metavar="NAME", help="also write benchmarks/results/compare_NAME.json")
    return found


def _labels(text: str) -> int | str:
    if text != "all" and (not text.isdigit() or int(text) < 1):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'all' nor a number of labelled images from 1")
    return text if text == "all" else int(text)


def _noise(text: str) -> float | None:
    try:
        value = None if text == "none" else float(text)
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'none' nor a standard deviation from 0")
    return value


def _pair(text: str) -> tuple[str | None, str, str]:
    key, equals, value = text.partition("=")
    method, colon, name = key.rpartition(":")
    if not equals or not name or (colon and not method):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE or METHOD:KEY=VALUE")
    return (method or None, name, value)


def folders_for(args: argparse.Namespace, noise: float | None, keys: Mapping[str, Any]) -> Folders:
    """Folders of one noise level."""
    place = args.output / "data"
    if args.dsb:
        root = prepare(args.data, place, noise or 0.0, args.validation)
        return Folders(root / "train", root / "test", root / "validation")
    options: dict[str, Any] = {"axes": keys.get("axes"), "target": keys.get("target"), "spatial_dims": int(args.bundle[-2])}
    return prepare_folders(args.data, args.test, place, noise, test_fraction=args.test_fraction, **options)


def in_order(runs: Sequence[Run], stage: Callable[[Run], Path | None]) -> list[Run]:
    """Runs that train a first stage come first, then those of one stage, then those that find their first stage ready."""
    seen: set[Path] = set()
    rank = {}
    for run in runs:
        folder = stage(run)
        rank[run] = 1 if folder is None else 2 if folder in seen else 0
        seen |= {folder} if folder else set()
    return sorted(runs, key=rank.__getitem__)


class Queue:
    """Does runs one after another or several at a time, never two that train the same first stage."""

    def __init__(self, protocol: Protocol, folders: Mapping[float | None, Folders], total: int) -> None:
        self.protocol, self.folders, self.total = protocol, folders, total
        self.locks: dict[Path, threading.Lock] = {}
        self.ready: set[Path] = set()
        self.failed: list[str] = []
        self._begun, self._guard = 0, threading.Lock()

    def do(self, run: Run) -> None:
        """Do a run and write its result; a failure is kept for the end."""
        stage = stage_folder(run, self.protocol)
        if stage is None or stage in self.ready:
            self._do(run)
            return
        with self._guard:
            lock = self.locks.setdefault(stage, threading.Lock())
        with lock:
            if stage not in self.ready:
                if self._do(run):
                    self.ready.add(stage)
                return
        self._do(run)

    def _do(self, run: Run) -> bool:
        with self._guard:
            self._begun += 1
            print(f"[{self._begun}/{self.total}] {run.name} ...", flush=True)
        start = time.perf_counter()
        try:
            result = execute(run, self.protocol, self.folders[run.noise])
        except Exception as error:  # the other runs go on
            log = self.protocol.output / "work" / run.name / "log.txt"
            self.failed.append(f"{run.name}: {error} (log: {log})")
            print(f"{run.name} failed, see {log}", flush=True)
            return False
        write_result(run, result, self.protocol.output)
        scores = {key: result["scores"].get(key) for key in ("ap", "seg", "psnr")}
        shown = ", ".join(f"{key} {value:.3f}" for key, value in scores.items() if value is not None)
        print(f"{run.name}: {shown or 'no scores'} ({time.perf_counter() - start:.0f} s)", flush=True)
        return True


def compare(args: argparse.Namespace) -> list[str]:
    """Do the runs that are not done yet.

    Returns:
        A line for each that failed.
    """
    protocol = Protocol(
        output=args.output,
        bundle=args.bundle,
        epochs=args.epochs,
        pairs=tuple(args.set),
        data=str(args.data),
        test=None if args.test is None else str(args.test),
        dsb=args.dsb,
        validation=args.validation if args.dsb else None,
        test_fraction=None if args.dsb or args.test is not None else args.test_fraction,
        threads=None if args.jobs == 1 else max(1, (os.cpu_count() or 1) // args.jobs),
    )
    check_pairs(protocol.pairs, args.methods, args.bundle)
    runs = plan_runs(args.methods, args.noise, args.labels, args.seeds, args.bundle)
    waiting = [run for run in runs if not is_done(run, protocol, args.overwrite)]
    print(f"{len(runs)} runs, {len(runs) - len(waiting)} of them done before", flush=True)
    shared = {key: value for method, key, value in args.set if method is None}
    folders = {noise: folders_for(args, noise, shared) for noise in dict.fromkeys(run.noise for run in waiting)}
    queue = Queue(protocol, folders, len(waiting))
    pool = ThreadPoolExecutor(args.jobs)
    try:
        list(pool.map(queue.do, in_order(waiting, lambda run: stage_folder(run, protocol))))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # also when interrupted: nothing new is begun
    return queue.failed


def write_all(args: argparse.Namespace) -> None:
    """Write and print tables, figure and record of all runs in the output folder."""
    results = read_results(args.output)
    if not results:
        print(f"no finished run in {args.output / 'runs'}", file=sys.stderr)
        return
    order = [*args.methods, *METHODS]
    print(write_tables(results, args.output, list(dict.fromkeys(order))))
    print("written:", args.output / "table.md", args.output / "table.csv", write_plot(results, args.output, order) or "")
    if args.record:
        runs = [{**result, "settings": _without_folders(result["settings"])} for result in results]
        rows = [{key: _plain(value) for key, value in row.items()} for row in summarise(results)]
        print("recorded in", record(f"compare_{args.record}", {"runs": runs, "table": rows}))


def _without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("data", "test")}


def _plain(value: Any) -> Any:
    return value._asdict() if isinstance(value, Score) else value


def check(args: argparse.Namespace) -> str | None:
    """What is wrong with the options, in words."""
    if args.jobs < 1 or args.epochs < 1:
        return f"--jobs and --epochs must be 1 or more, got {args.jobs} and {args.epochs}"
    if args.table_only:
        return None
    if not 0 < args.test_fraction < 1:
        return f"--test_fraction must be between 0 and 1, got {args.test_fraction:g}"
    if args.data is None:
        return "--data FOLDER is missing"
    if args.dsb and not (args.data / "dev-train" / "images").is_dir():
        return f"--data {args.data}: no folder dev-train/images in it"
    if args.dsb and (args.test is not None or args.bundle != "denoiseg_2d"):
        return "--dsb brings its own test images, in 2D: leave out --test and --bundle"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code is 1 where a run failed."""
    options = parser()
    args = options.parse_args(arguments)
    for name in ("output", "data", "test"):  # the bundle runs see the same folders wherever they start
        if getattr(args, name) is not None:
            setattr(args, name, getattr(args, name).resolve())
    wrong = check(args)
    if wrong:
        options.error(wrong)
    failed = []
    if not args.table_only:
        try:
            failed = compare(args)
        except (ValueError, OSError) as error:
            options.error(str(error))
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr)
            return 130
    write_all(args)
    for line in failed:
        print("failed:", line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
