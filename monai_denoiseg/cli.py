"""``monai-denoiseg``: a thin front over the bundles.

``monai-denoiseg train --dataset_dir DIR`` is ``python -m monai.bundle run --config_file BUNDLE/configs/train.json --dataset_dir
DIR``, with errors in one line. ``demo`` runs everything on simulated images and writes a report.
"""

from __future__ import annotations

import argparse
import ast
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from monai_denoiseg.bundle.folders import BUNDLES
from monai_denoiseg.bundle.run import RUNS, methods, run_bundle, tasks

logger = logging.getLogger(__name__)


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """Read ``--key value`` pairs as MONAI does: numbers, lists and booleans as such, all else as text.

    Args:
        words: what follows the command.

    Raises:
        ValueError: for a word that is no key, or a key without value.

    >>> parse_overrides(["--max_epochs", "5", "--patch_size=[64, 64]", "--dataset_dir", "my images"])
    {'max_epochs': 5, 'patch_size': [64, 64], 'dataset_dir': 'my images'}
    """
    overrides: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ValueError(f"expected --key value, got {word!r}")
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not rest:
                raise ValueError(f"--{key} needs a value")
            value = rest.pop(0)
        overrides[key] = _literal(value)
    return overrides


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("monai-denoiseg", description="Denoise and segment with few annotations.")
    commands = parser.add_subparsers(dest="command", required=True)
    for task, config in RUNS.items():
        sub = commands.add_parser(task, help=f"run a bundle's {config}.json; every key of it is an option (--key value)")
        bundles = [bundle for bundle in BUNDLES if task in tasks(bundle)]
        sub.add_argument("--bundle", default="denoiseg_2d", choices=bundles)
        sub.add_argument("--method", metavar="NAME", help=_methods_help(task, bundles))
    simulate = commands.add_parser("simulate", help="write a simulated data set")
    simulate.add_argument("folder")
    simulate.add_argument("--n_images", type=int, default=60)
    simulate.add_argument("--n_labelled", type=int, default=8)
    simulate.add_argument("--shape", type=int, nargs="+", default=[128, 128])
    simulate.add_argument("--seed", type=int, default=0)
    report = commands.add_parser("report", help="write report.html for a run folder")
    report.add_argument("run_dir")
    label_app = commands.add_parser("label-app", help="write the folder a MONAI Label server is started with")
    label_app.add_argument("folder")
    label_app.add_argument("--bundles", nargs="+", default=["denoiseg_2d", "denoiseg_3d"])
    label_app.add_argument("--models", nargs="*", default=[], metavar="MODEL_PT", help="trained networks to start with")
    demo = commands.add_parser("demo", help="simulate, train, infer, evaluate, report")
    demo.add_argument("--output", default="demo")
    demo.add_argument("--seed", type=int, default=0)
    return parser


def _methods_help(task: str, bundles: Sequence[str]) -> str:
    text = f"one of {', '.join(methods(task))}; without it DenoiSeg"
    if "self2seg" in bundles:
        text += f". With --bundle self2seg: {', '.join(methods(task, 'self2seg'))}; without it Self2Seg"
    return text


def _run(arguments: argparse.Namespace, rest: list[str]) -> None:
    if arguments.command in RUNS:
        run_bundle(arguments.command, arguments.bundle, arguments.method, **parse_overrides(rest))
    elif arguments.command == "simulate":
        from monai_denoiseg.data import write_simulated

        options = {name: getattr(arguments, name) for name in ("n_images", "n_labelled", "shape", "seed")}
        print(write_simulated(arguments.folder, **options))
    elif arguments.command == "report":
        from monai_denoiseg.report import write_report

        print(write_report(arguments.run_dir))
    elif arguments.command == "label-app":
        from monai_denoiseg.label import write_app

        print(write_app(arguments.folder, arguments.bundles, arguments.models))
    else:
        from monai_denoiseg.demo import run_demo

        run_demo(arguments.output, arguments.seed, parse_overrides(rest))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        words: arguments; None for those of the program.

    Returns:
        Exit code: 0, or 1 after an error (its first cause is printed).
    """
    warnings.filterwarnings("ignore", category=FutureWarning)
    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command in ("simulate", "report", "label-app"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        _run(arguments, rest)
    except Exception as error:
        from monai_denoiseg.engines import first_cause, wait_for_workers

        cause = first_cause(error)
        logger.debug("", exc_info=error)
        print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr)
        wait_for_workers()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
