"""Going on with a stopped training: with its settings, on its images."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from monai_denoiseg.bundle.folders import bundle_folder

logger = logging.getLogger(__name__)

MAY_DIFFER = frozenset(
    {
        *(
            "resume",
            "existing",
            "output_dir",
            "ckpt_dir",
            "dataset_dir",
            "validation_dir",
            "bundle_root",
            "max_epochs",
            "max_minutes",
        ),
        *("device", "rank", "amp", "cache_rate", "num_workers", "tile_size", "first_stage_dir", "first_stage_file"),
    }
)
"""Settings that a resumed training may have otherwise: where things are, how long it goes, what it runs on."""
BEFORE = {"share_spots": False, "segmentation_loss": "cross_entropy", "orientations": "turns", "augmentation": "none"}
"""What runs of earlier versions did, whose checkpoints do not tell it."""
PLACES = ("dataset_dir", "validation_dir", "first_stage_file")
"""Settings that name what a run reads."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read ``last.pt``, or say what is wrong with it.

    Args:
        path: ``last.pt``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is damaged, or no checkpoint of a training.

    >>> read_checkpoint("missing/last.pt")
    Traceback (most recent call last):
        ...
    FileNotFoundError: `resume` is set, but there is no checkpoint missing/last.pt; train without --resume first
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`resume` is set, but there is no checkpoint {path}; train without --resume first")
    way_out = "train anew (--existing rename keeps what is there), or restore the file"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # depending on where it was cut, anything from EOFError to KeyError
        raise ValueError(f"{path} is damaged or no checkpoint ({type(error).__name__}): {way_out}") from error
    needed = {"network", "optimizer", "epoch", "iteration", "max_epochs", "rng"}
    if not isinstance(state, dict) or not needed <= state.keys():
        missing = ", ".join(sorted(needed - state.keys())) if isinstance(state, dict) else "everything"
        raise ValueError(f"{path} is no checkpoint of a training ({missing} is missing): {way_out}")
    return state


def stored_settings(path: str | Path) -> dict[str, Any]:
    """Settings of a run, from its checkpoint; empty for one of an earlier version, which knows none.

    Args:
        path: ``last.pt``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is damaged.
    """
    found: dict[str, Any] = read_checkpoint(path).get("about", {}).get("settings", {})
    return BEFORE | found if found else found


def resumed_settings(
    stored: Mapping[str, Any],
    config: Mapping[str, Any],
    given: Collection[str],
    path: str | Path = "last.pt",
    tell: bool = True,
) -> dict[str, Any]:
    """The settings a resumed training goes on with: its own, where the user gave none.

    Args:
        stored: settings of the run, from its checkpoint.
        config: settings of the configuration that runs now.
        given: keys that the user gave.
        path: the checkpoint, for messages.
        tell: log what differs.

    Returns:
        Values to replace in the configuration.

    Raises:
        ValueError: when the user gave another value for a setting that the run's meaning hangs on.

    >>> resumed_settings({"alpha": 0.9, "max_epochs": 4}, {"alpha": 0.5, "max_epochs": 8}, {"max_epochs"})
    {'alpha': 0.9}
    >>> resumed_settings({"alpha": 0.9}, {"alpha": 0.5}, {"alpha"}, "run/last.pt")
    Traceback (most recent call last):
        ...
    ValueError: a resumed training keeps its settings, but `alpha` was 0.9 in run/last.pt and is 0.5 now: leave it out, or train \
anew with another --output_dir
    """
    differing = [
        key
        for key in stored
        if key in given and key in config and key != "resume" and _place(key, stored[key]) != _place(key, config[key])
    ]
    # A folder may lie elsewhere, but whether there is one for validation is part of the run.
    refused = [key for key in differing if key not in MAY_DIFFER or (key == "validation_dir") > bool(stored[key] and config[key])]
    if refused:
        listed = " and ".join(f"`{key}` was {stored[key]!r} in {path} and is {config[key]!r} now" for key in refused)
        them = "it" if len(refused) == 1 else "them"
        raise ValueError(
            f"a resumed training keeps its settings, but {listed}: leave {them} out, or train anew with another --output_dir"
        )
    for key in differing if tell else ():
        logger.info("resumed with `%s` %r (was %r)", key, config[key], stored[key])
    kept = {"resume", "existing", "output_dir", "ckpt_dir", "bundle_root"}
    return {k: v for k, v in stored.items() if k in config and k not in given and k not in kept and v != config[k]}


def chosen_settings(settings: Mapping[str, Any], **chosen: Any) -> dict[str, Any]:
    """Settings with what was chosen for those that are ``"auto"``, so that a run that goes on is the same.

    Args:
        settings: plain settings of a run.
        chosen: values by key.

    >>> chosen_settings({"share_spots": "auto", "alpha": 0.5}, share_spots=True)
    {'share_spots': True, 'alpha': 0.5}
    """
    return {key: chosen[key] if key in chosen and value == "auto" else value for key, value in settings.items()}


def kept_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a checkpoint keeps them: places are absolute, so that the run can go on from any folder.

    Args:
        settings: plain settings of a run.

    >>> kept_settings({"alpha": 0.5, "dataset_dir": "simulated"})
    {'alpha': 0.5, 'dataset_dir': 'simulated'}
    """
    return {key: _place(key, value) for key, value in settings.items()}


def _place(key: str, value: Any) -> Any:
    if key in PLACES and isinstance(value, list):
        return [_place(key, one) for one in value]
    is_place = key in PLACES and isinstance(value, str) and value != "simulated"
    return str(Path(value).expanduser().absolute()) if is_place else value


def continued_settings(path: str | Path, values: Mapping[str, Any], typed: Collection[str] = ()) -> dict[str, Any]:
    """The settings a resumed training takes from its checkpoint, in a configuration that runs.

    What the user gave is not told there: it is what was typed, and what is otherwise than in the bundle's ``train.json``.

    Args:
        path: ``last.pt``.
        values: settings of the configuration.
        typed: keys that were typed on MONAI's command line.

    Returns:
        Values to replace.

    Raises:
        FileNotFoundError: when there is no checkpoint.
        ValueError: when it is damaged, or a setting would change the meaning of the run.
    """
    stored = stored_settings(path)
    if not stored:
        return {}
    configs = bundle_folder(f"denoiseg_{stored['spatial_dims']}d") / "configs"
    usual = json.loads((configs / "train.json").read_text("utf-8"))
    given = {*typed} | {key for key, value in values.items() if value != usual.get(key)}
    return resumed_settings(stored, values, given, path)


def previous_recipe(ckpt_dir: str | Path, resume: bool) -> dict[str, Any] | None:
    """By which plan a stopped run was trained; None for a new run. Planned anew, its weights would see other intensities.

    Args:
        ckpt_dir: folder of ``last.pt``.
        resume: whether the run goes on.

    Returns:
        What :meth:`Recipe.about <monai_denoiseg.bundle.recipe.Recipe.about>` gave; empty for a run of an earlier version, which
        clipped nothing and normalised by all images.

    Raises:
        FileNotFoundError: when ``resume`` is set, but there is no checkpoint.
        ValueError: when it is damaged.

    >>> previous_recipe("missing", False) is None
    True
    """
    return dict(read_checkpoint(Path(ckpt_dir) / "last.pt").get("about", {}).get("recipe", {})) if resume else None


def previous_split(ckpt_dir: str | Path, resume: bool) -> dict[str, list[str]] | None:
    """Which images a stopped run trained and validated on; None for a new run.

    Args:
        ckpt_dir: folder of ``last.pt``.
        resume: whether the run goes on.

    Raises:
        FileNotFoundError: when ``resume`` is set, but there is no checkpoint.
        ValueError: when it is damaged.

    >>> previous_split("missing", False) is None
    True
    """
    if not resume:
        return None
    found: dict[str, list[str]] | None = read_checkpoint(Path(ckpt_dir) / "last.pt").get("about", {}).get("split")
    if found is None:
        logger.warning("%s comes from an earlier version and does not know its images: the split is drawn anew", ckpt_dir)
    return found
