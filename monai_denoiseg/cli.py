"""``monai-denoiseg``: a thin front over the bundles.

``monai-denoiseg train --dataset_dir DIR`` is ``python -m monai.bundle run --config_file BUNDLE/configs/train.json --dataset_dir
DIR``, with errors in one line. ``demo`` runs everything on simulated images and writes a report.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import monai_denoiseg
from monai_denoiseg.bundle.folders import BUNDLES, docs_folder
from monai_denoiseg.bundle.key_table import key_help, key_table, one_key, settings_page
from monai_denoiseg.bundle.method_table import method_lines
from monai_denoiseg.bundle.run import RUNS, run_bundle, tasks
from monai_denoiseg.bundle.settings import Setting, config_of, read_words, settings_of
from monai_denoiseg.cli_options import add_others, add_traceback, run_other

logger = logging.getLogger(__name__)

CHECK = "check"
TASKS = {**{task: task for task in RUNS}, CHECK: "train"}
"""Commands that take settings, and the task whose settings they take."""


def parse_overrides(words: Sequence[str], known: Mapping[str, Setting] | None = None) -> dict[str, Any]:
    """Read ``--key value`` pairs: numbers, lists and booleans as such, paths and all else as text.

    Args:
        words: what follows the command.
        known: settings of the configuration; without them nothing is known to be a path or a switch.

    Raises:
        ValueError: for a word that is no key, or a key without value.

    >>> parse_overrides(["--max_epochs", "5", "--patch_size=[64, 64]", "--dataset_dir", "my images"])
    {'max_epochs': 5, 'patch_size': [64, 64], 'dataset_dir': 'my images'}
    """
    return read_words(words, known)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "monai-denoiseg",
        description="Denoise and segment with few annotations.",
        epilog=f"The user guide: {docs_folder() / 'index.md'}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # which leaves the path whole
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"monai_denoiseg {monai_denoiseg.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    lines = {task: f"run a bundle's {config}.json; `{task} --help` lists its keys" for task, config in RUNS.items()}
    for command, line in {**lines, CHECK: "look at data and settings before a training, without training"}.items():
        _add_task(commands, command, line)
    _add_lists(commands)
    add_others(commands)
    return parser


def _add_task(commands: Any, command: str, line: str) -> None:
    sub = commands.add_parser(command, help=line, add_help=False, allow_abbrev=False)
    bundles = [bundle for bundle in BUNDLES if TASKS[command] in tasks(bundle)]
    sub.add_argument("--bundle", default="denoiseg_2d", choices=bundles)
    sub.add_argument(
        "--method", metavar="NAME", help="another method than DenoiSeg or Self2Seg; `monai-denoiseg methods` lists them"
    )
    sub.add_argument("--dry_run", action="store_true", help="say what would be done, and do nothing")
    sub.add_argument("-h", "--help", nargs="?", const="", metavar="KEY", help="show this help, or that of one key in full")
    add_traceback(sub)


def _add_lists(commands: Any) -> None:
    keys = commands.add_parser("keys", help="list all settings with values, defaults and meanings", allow_abbrev=False)
    keys.add_argument("--bundle", choices=BUNDLES)
    keys.add_argument("--task", choices=list(RUNS))
    keys.add_argument("--markdown", action="store_true", help="as tables for a document")
    listed = commands.add_parser("methods", help="list the methods --method takes", allow_abbrev=False)
    for sub in (keys, listed):
        add_traceback(sub)


def _run(arguments: argparse.Namespace, rest: list[str]) -> None:
    if arguments.command in TASKS:
        _run_task(arguments, rest)
    elif arguments.command == "keys":
        _print_keys(arguments)
    elif arguments.command == "methods":
        _print_methods()
    elif arguments.command == "demo":
        from monai_denoiseg.demo import run_demo

        run_demo(arguments.output, arguments.seed, parse_overrides(rest, settings_of("train")), small=arguments.small)
    else:
        run_other(arguments)


def _run_task(arguments: argparse.Namespace, rest: list[str]) -> None:
    task = TASKS[arguments.command]
    if arguments.help is not None:
        print(_help(arguments, task, arguments.help or " ".join(rest)))
        return
    overrides = parse_overrides(rest, settings_of(config_of(task, arguments.bundle)))
    if arguments.dry_run and task != "train":
        from monai_denoiseg.bundle.dry_run import dry_run

        print(dry_run(task, arguments.bundle, arguments.method, overrides))
        return
    if arguments.command == CHECK or arguments.dry_run:
        from monai_denoiseg.bundle.check import check_training

        print(check_training(arguments.bundle, arguments.method, overrides))
        return
    if task == "train":
        overrides.setdefault("existing", None)  # typed twice, it is refused
    run_bundle(task, arguments.bundle, arguments.method, **overrides)


def _help(arguments: argparse.Namespace, task: str, key: str) -> str:
    if key.removeprefix("--").isidentifier() or key.startswith("-"):
        return one_key(key, task, arguments.bundle, arguments.method)
    width = max(80, min(120, shutil.get_terminal_size().columns))
    method = f" --method {arguments.method}" if arguments.method else ""
    return "\n\n".join(
        [
            f"usage: monai-denoiseg {arguments.command} [--bundle NAME] [--method NAME] [--KEY VALUE ...]",
            "  --bundle NAME    " + ", ".join(_bundles(task)) + " [denoiseg_2d]\n"
            "  --method NAME    another method; `monai-denoiseg methods` lists them\n"
            "  --help KEY       one key in full: its values, unit and default\n"
            "  --dry_run        say what would be done, and do nothing\n"
            "  --traceback      show where in the program an error arose",
            f"Keys of --bundle {arguments.bundle}{method}, with their defaults:",
            key_help(task, arguments.bundle, arguments.method, width),
        ]
    )


def _bundles(task: str) -> list[str]:
    return [bundle for bundle in BUNDLES if task in tasks(bundle)]


def _print_keys(arguments: argparse.Namespace) -> None:
    if arguments.markdown and not (arguments.bundle or arguments.task):
        print(settings_page(), end="")
        return
    bundle = arguments.bundle or "denoiseg_2d"
    for task in [arguments.task] if arguments.task else tasks(bundle):
        print(f"{'## ' * arguments.markdown}monai-denoiseg {task} --bundle {bundle}\n")
        print(key_table(task, [bundle]) if arguments.markdown else key_help(task, bundle), end="\n\n")


def _print_methods() -> None:
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for task in RUNS:
        for bundle in _bundles(task):
            found.setdefault(tuple(method_lines(task, bundle).items()), []).append(f"{task} --bundle {bundle}")
    for lines, uses in found.items():
        print(f"monai-denoiseg {' or '.join(uses)}:")
        print("\n".join(f"  --method {name:20} {line}" for name, line in lines), end="\n\n")


@contextmanager
def _plain_errors(traceback: bool) -> Iterator[None]:
    """Keep the tracebacks that MONAI's and Ignite's handlers log of an error out of the log, unless they are asked for."""
    from monai_denoiseg.engines.errors import plain_record

    before = logging.getLogRecordFactory()
    if not traceback:
        logging.setLogRecordFactory(plain_record)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        words: arguments; None for those of the program.

    Returns:
        Exit code: 0; 1 after an error, whose first cause is printed; 130 when it was stopped.
    """
    warnings.filterwarnings("ignore", category=FutureWarning)
    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command not in (*TASKS, "demo"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    traceback = getattr(arguments, "traceback", False)
    try:
        with _plain_errors(traceback):
            _run(arguments, rest)
    except KeyboardInterrupt as stop:
        print(f"\nstopped. {stop}".strip(), file=sys.stderr)
        return 130
    except Exception as error:
        _explain(error, traceback)
        return 1
    return 0


def _explain(error: Exception, traceback: bool) -> None:
    from monai_denoiseg.engines import first_cause, wait_for_workers

    if traceback:
        sys.excepthook(type(error), error, error.__traceback__)
    cause = first_cause(error)
    print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr)
    wait_for_workers()


if __name__ == "__main__":
    sys.exit(main())
