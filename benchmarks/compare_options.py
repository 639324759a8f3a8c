"""Options that the comparisons share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare_runs import known_methods

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


def add_run_options(
    found: argparse.ArgumentParser,
    names: Sequence[str],
    labels: Sequence[int | str],
    noise: Sequence[float | None],
    seeds: Sequence[int],
    title: str,
) -> None:
    """Add what says which runs there are, how they are made and where they are kept; the lists are defaults."""
    add = found.add_argument
    known = f"of {', '.join(known_methods('denoiseg_2d'))} (default: {' '.join(names)})"
    add("--methods", nargs="+", default=list(names), metavar="NAME", help=known)
    text = f"labelled training images, or 'all' (default: {_shown(labels)})"
    add("--labels", nargs="+", type=_labels, default=list(labels), metavar="N", help=text)
    text = f"Gaussian noise added once, or 'none' (default: {_shown(noise)})"
    add("--noise", nargs="+", type=_noise, default=list(noise), metavar="SD", help=text)
    add("--seeds", nargs="+", type=int, default=list(seeds), metavar="N", help=f"(default: {_shown(seeds)})")
    add("--epochs", type=int, default=40, help="of each stage, of 100 steps by default (default 40)")
    further: dict[str, Any] = {"nargs": "+", "action": "extend", "type": _pair, "default": [], "metavar": "[METHOD:]KEY=VALUE"}
    add("--set", **further, help="further keys of the bundle, for all methods or for one")
    add("--output", type=Path, default=Path(__file__).parent / "work" / title, help="folder for all results")
    add("--jobs", type=int, default=1, help="runs at the same time; they share the cores")
    add("--overwrite", action="store_true", help="repeat runs that were made with other settings")
    add("--table-only", action="store_true", help="only write tables and figure of the runs that are there")
    add("--record", metavar="NAME", help=f"also write benchmarks/results/{title}_NAME.json")


def _shown(values: Sequence[Any]) -> str:
    return " ".join("none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values)


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
