"""The settings as text: help of the commands, tables for a terminal and for the user guide."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from monai_denoiseg.bundle.folders import BUNDLES, bundle_folder
from monai_denoiseg.bundle.run import RUNS, tasks
from monai_denoiseg.bundle.settings.declaration import GROUPS, config_of, settings_of
from monai_denoiseg.bundle.settings.literals import is_wiring
from monai_denoiseg.bundle.settings.setting import Setting
from monai_denoiseg.checks import suggest

INDENT = 30

Grouped = Iterator[tuple[str, list[Setting]]]


def defaults(task: str, bundle: str, method: str | None = None) -> dict[str, Any]:
    """What a configuration says where the user says nothing.

    Args:
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.
        method: overlay over it, or None.

    >>> defaults("train", "denoiseg_2d")["seed"], defaults("train", "denoiseg_2d", "noise2void")["alpha"]
    (0, 1.0)
    """
    configs = bundle_folder(bundle) / "configs"
    found: dict[str, Any] = json.loads((configs / f"{RUNS[task]}.json").read_text("utf-8"))
    for file in [] if method is None else sorted(configs.rglob(f"{method}.json")):
        found |= json.loads(file.read_text("utf-8"))
    return found


def show_default(setting: Setting, values: dict[str, Any]) -> str:
    """A default as it is typed, or in words where the configuration computes it.

    Args:
        setting: the setting.
        values: what :func:`defaults` returned.

    >>> show_default(settings_of("train")["patch_size"], {"patch_size": [64, 64]})
    '[64, 64]'
    """
    value = values.get(setting.name)
    if _in_words(setting, values):
        return str(setting.default)
    return value if isinstance(value, str) else json.dumps(value)


def _in_words(setting: Setting, values: dict[str, Any]) -> bool:
    value = values.get(setting.name)
    computed = setting.name not in values or is_wiring(value) or setting.name == "run" or value == "auto"
    return setting.default is not None and computed


def key_help(task: str, bundle: str, method: str | None = None, width: int = 100) -> str:
    """All settings of a task, by group, with their defaults.

    Args:
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.
        method: overlay over it, or None.
        width: of a line, in characters.

    >>> key_help("train", "denoiseg_2d").splitlines()[0]
    'Data'
    """
    values = defaults(task, bundle, method)
    lines = []
    for group, settings in _groups(task, bundle, values):
        lines.append(group)
        for setting in settings:
            start = f"  --{setting.name}".ljust(INDENT)
            text = f"{setting.meaning} [{show_default(setting, values)}]"
            lines.append(
                textwrap.fill(
                    text, width, initial_indent=start + " " * (len(start) == INDENT - 1), subsequent_indent=" " * INDENT
                )
            )
        lines.append("")
    return "\n".join(lines).rstrip()


def one_key(key: str, task: str, bundle: str, method: str | None = None) -> str:
    """One setting in full.

    Args:
        key: its name.
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.
        method: overlay over it, or None.

    Raises:
        ValueError: for an unknown key, with the nearest known one.

    >>> print(one_key("alpha", "train", "denoiseg_2d"))
    --alpha
      Weight of the denoising loss; 1 is denoising alone, 0 is segmentation alone.
      value: 'auto', or a number in [0, 1]
      default: auto: 0.5, with classes 0
    """
    known = settings_of(config_of(task, bundle))
    key = key.lstrip("-").replace("-", "_") if key.lstrip("-") not in known else key.lstrip("-")
    if key not in known:
        raise ValueError(f"unknown key {key!r}{suggest(key, known)}")
    setting, values = known[key], defaults(task, bundle, method)
    lines = [f"--{key}", f"  {setting.meaning}", f"  value: {setting.rule}"]
    lines += [f"  unit: {setting.unit}"] if setting.unit else []
    lines += [f"  null: {setting.null}"] if setting.null is not None else []
    lines += [f"  default: {show_default(setting, values)}"]
    lines += [f"  example: --{key} {setting.kind.example}"] if setting.kind.example else []
    return "\n".join(lines)


def key_table(task: str, bundles: list[str], *, heading: str = "###") -> str:
    """Settings of a task as Markdown tables, one for each group.

    Args:
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundles: bundles with this task and the same settings; the first one's defaults are shown, and those of the others where
            they differ.
        heading: of a group.

    >>> print(key_table("train", ["denoiseg_2d"]).splitlines()[2])
    | Key | Default | Value | Meaning |
    """
    values = {bundle: defaults(task, bundle) for bundle in bundles}
    parts = []
    for group, settings in _groups(task, bundles[0], values[bundles[0]], everything=True):
        rows = ["| Key | Default | Value | Meaning |", "|---|---|---|---|"]
        rows += [_row(setting, values) for setting in settings]
        parts.append(f"{heading} {group}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def _row(setting: Setting, values: dict[str, dict[str, Any]]) -> str:
    shown = {}
    for bundle, given in values.items():
        text = show_default(setting, given)
        shown[bundle] = text if _in_words(setting, given) else f"`{text}`"
    first, *others = shown.items()
    default = first[1] + "".join(f", in {bundle} {text}" for bundle, text in others if text != first[1])
    value = setting.rule + (f" ({setting.unit})" if setting.unit else "")
    meaning = setting.meaning + (f" null: {setting.null}." if setting.null is not None else "")
    return "| " + " | ".join(text.replace("|", "\\|") for text in (f"`{setting.name}`", default, value, meaning)) + " |"


def settings_page() -> str:
    """The page of the user guide that lists all settings.

    >>> settings_page().splitlines()[0]
    '# Settings'
    """
    parts = [
        "# Settings",
        "Every setting of every bundle. `monai-denoiseg train --help` shows the same in a terminal, `monai-denoiseg train\n"
        "--help KEY` one setting in full. This page is made from the declaration of the settings:\n"
        "`monai-denoiseg keys --markdown > docs/settings.md`.",
        'Give a setting as `--key value`. Lists are quoted (`"[64, 64]"`), a switch needs no value (`--resume`), `null` means\n'
        "none. Paths are used as they are typed. A wrong key or value stops the command before any image is read.",
        "`python -m monai.bundle run` takes the same settings as `--key value`. There a value that begins with `$`, `@` or `%`,\n"
        "a path too, is an expression, a reference or a file, as everywhere in MONAI.",
        "An error is one line. Where in the program it arose is shown by `--traceback`, or by the environment variable\n"
        "`DENOISEG_TRACEBACK=1` with `python -m monai.bundle run`.",
    ]
    titles = {"train": "Training", "infer": "Inference", "evaluate": "Evaluation"}
    for task, title in titles.items():
        bundles = [bundle for bundle in BUNDLES if task in tasks(bundle) and config_of(task, bundle) == task]
        parts += [
            f"## {title}",
            f"`monai-denoiseg {task}`, bundles {' and '.join(f'`{b}`' for b in bundles)}.",
            key_table(task, bundles),
        ]
    parts += ["## Single images", "`monai-denoiseg infer --bundle self2seg`.", key_table("infer", ["self2seg"])]
    return "\n\n".join(parts) + "\n"


def _groups(task: str, bundle: str, values: dict[str, Any], everything: bool = False) -> Grouped:
    """The settings by group; those of methods without training only where such a method is chosen, or for a table of all."""
    found = settings_of(config_of(task, bundle)).values()
    for group in GROUPS:
        members = [one for one in found if one.group == group and (everything or not one.methods_only or one.name in values)]
        if members:
            yield group, members
