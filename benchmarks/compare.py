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
from compare_options import METHODS, add_run_options
from compare_plot import write_plot
from compare_runs import (
    Protocol,
    Run,
    check_pairs,
    execute,
    is_done,
    plan_runs,
    read_results,
    stage_folder,
    write_result,
)
from compare_table import Score, summarise, write_tables
from dsb2018 import HONEST, check_labels, honest, prepare


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = found.add_argument
    add("--data", type=Path, help="folder with images/, labels/ and maybe clean/")
    add("--test", type=Path, help="such a folder with the test images; without it a part of the labelled images is set aside")
    add("--test_fraction", type=float, default=0.3, help="that part (default 0.3)")
    add("--dsb", action="store_true", help="--data is DSB2018: the DenoiSeg paper's protocol with patches of 128 x 128")
    add("--validation", type=int, default=200, help="with --dsb: labelled validation patches (default 200)")
    add("--bundle", choices=["denoiseg_2d", "denoiseg_3d"], default="denoiseg_2d")
    add_run_options(found, METHODS, ["all"], [None], [0], "compare")
    found.set_defaults(protocol=None)
    return found


def folders_for(args: argparse.Namespace, noise: float | None, keys: Mapping[str, Any]) -> Folders:
    """Folders of one noise level."""
    place = args.output / "data"
    if args.dsb:
        root = prepare(args.data, place, noise or 0.0, args.validation)
        found = Folders(root / "train", root / "test", root / "validation")
        check_labels(found, args.labels)
        return found
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
            folders = self.folders[run.noise]
            if run.protocol == HONEST:
                folders = honest(folders, run.labels, run.seed)
            result = execute(run, self.protocol, folders)
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
        validation=args.validation if args.dsb and args.protocol != HONEST else None,
        test_fraction=None if args.dsb or args.test is not None else args.test_fraction,
        threads=None if args.jobs == 1 else max(1, (os.cpu_count() or 1) // args.jobs),
    )
    check_pairs(protocol.pairs, args.methods, args.bundle)
    runs = plan_runs(args.methods, args.noise, args.labels, args.seeds, args.bundle, args.protocol)
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
    results = finished(args.output)
    if not results:
        return
    order = [*args.methods, *METHODS]
    print(write_tables(results, args.output, list(dict.fromkeys(order))))
    print("written:", args.output / "table.md", args.output / "table.csv", write_plot(results, args.output, order) or "")
    if args.record:
        rows = [{key: _plain(value) for key, value in row.items()} for row in summarise(results)]
        print("recorded in", record(f"compare_{args.record}", {"runs": without_folders(results), "table": rows}))


def finished(output: Path) -> list[dict[str, Any]]:
    """The results in a folder; says so where there are none."""
    results = read_results(output)
    if not results:
        print(f"no finished run in {output / 'runs'}", file=sys.stderr)
    return results


def without_folders(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results without the folders of this machine."""
    kept = ({key: value for key, value in result["settings"].items() if key not in ("data", "test")} for result in results)
    return [{**result, "settings": settings} for result, settings in zip(results, kept, strict=True)]


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
    if args.protocol and None in args.noise:
        return "--noise none: DSB2018 has clean images; without added noise it is --noise 0"
    if args.dsb and args.validation < 1:
        return f"--validation must be 1 or more, got {args.validation}"
    if args.dsb and not (args.data / "dev-train" / "images").is_dir():
        return f"--data {args.data}: no folder dev-train/images in it"
    if args.dsb and (args.test is not None or args.bundle != "denoiseg_2d"):
        return "--dsb brings its own test images, in 2D: leave out --test and --bundle"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code is 1 where a run failed."""
    return carry_out(parser(), arguments, write_all)


def carry_out(
    options: argparse.ArgumentParser, arguments: Sequence[str] | None, write: Callable[[argparse.Namespace], None]
) -> int:
    """Do what a command line asks for, then call ``write``; the exit code is 1 where a run failed."""
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
    write(args)
    for line in failed:
        print("failed:", line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
