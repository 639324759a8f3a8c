"""Schemes of two stages: a denoiser is trained first, then a segmentation network on what it gives (VoidSeg)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from monai_denoiseg.bundle.resume import kept_settings
from monai_denoiseg.bundle.run import config_files, methods, open_workflow
from monai_denoiseg.checks import check_option
from monai_denoiseg.files import write_json

logger = logging.getLogger(__name__)

USES = ("input", "weights")
OWN = frozenset(
    {
        *("alpha", "head", "n_rays", "denoises", "classes", "class_weights", "reduction", "target", "ap_tolerance"),
        *("labelled_fraction", "zoom", "n_labels", "mask_strategy", "struct_mask", "variant", "max_epochs", "tta"),
        *("segmentation_loss", "orientations", "augmentation"),
        *("border_width", "min_size", "instance_rule", "split_neck", "fill_holes", "binary_labels"),
        *("resume", "existing", "output_dir", "ckpt_dir", "bundle_root", "max_minutes"),
        *("first_stage", "first_stage_use", "first_stage_dir", "first_stage_file", "first_stage_epochs"),
    }
)
"""Settings of the segmentation, which the first stage does not take over."""


def first_stage(
    overlay: str | None,
    use: Sequence[str],
    folder: str | Path,
    settings: Mapping[str, Any],
    *,
    file: str | Path | None = None,
    epochs: int | None = None,
) -> Path | None:
    """Train the denoiser of a two-stage scheme, or find it already trained.

    The first stage is a training of its own, ``train.json`` with an overlay, in its own folder: ``folder/model.pt``, logs,
    ``settings.json``. It takes over the settings of the running training that concern data, network and optimisation (the
    data list before labels are hidden, so both stages see the same images), not those of the segmentation.

    A finished first stage with the same settings and image files is reused, an interrupted one is resumed, and one with other
    settings is trained anew, its files set aside.

    Args:
        overlay: name of the overlay, such as ``"noise2void"``; None: a training of one stage.
        use: what for: ``"input"``, ``"weights"``, both (see :func:`start_network`, :func:`joined_network`).
        folder: where the first stage is trained.
        settings: plain settings of the running training (:func:`~monai_denoiseg.bundle.user_settings`).
        file: a trained denoiser (``model.pt``) that is used as it is; nothing is trained.
        epochs: of the first stage; None: as many as the second.

    Returns:
        The denoiser's ``model.pt``; None for a training of one stage.

    Raises:
        FileNotFoundError: when ``file`` does not exist.
        ValueError: for an unknown use or overlay.
        RuntimeError: when the first stage would have to be trained within a distributed training.

    >>> first_stage(None, [], "first_stage", {}) is None
    True
    """
    if overlay is None:
        return None
    for value in use:
        check_option("first_stage_use", value, USES)
    if not use:
        raise ValueError("`first_stage_use` is empty: give 'input' (Sequential), 'weights' (Finetune), or both")
    if file is not None:
        if not Path(file).is_file():
            raise FileNotFoundError(f"`first_stage_file` {file} does not exist")
        return Path(file)
    bundle = f"denoiseg_{settings.get('spatial_dims', 2)}d"
    check_option("first_stage", overlay, methods("train", bundle))
    files = config_files("train", bundle, overlay)
    folder = Path(folder)
    wanted = _wanted(settings, json.loads(files[1].read_text("utf-8")), epochs)
    record = {"overlay": overlay, "settings": wanted, "images": _fingerprint(wanted)}
    known = _read(folder / "stage.json")
    if settings.get("resume") and known.get("finished"):  # an extended run keeps its denoiser
        wanted["max_epochs"] = known.get("settings", {}).get("max_epochs")
    same = {key: known.get(key) for key in record} == record
    if same and known.get("finished") and (folder / "model.pt").is_file():
        logger.info("first stage: %s is reused", folder / "model.pt")
        return folder / "model.pt"
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise RuntimeError(
            f"the first stage is not trained yet ({folder}): train it first with --method {overlay}, then pass its model.pt "
            "as first_stage_file"
        )
    if known and not same:
        logger.info("first stage: %s was trained with other %s; it is trained anew", folder, _different(known, record))
    _train(files, folder, wanted, record, resume=same and (folder / "last.pt").is_file())
    return folder / "model.pt"


def _wanted(settings: Mapping[str, Any], overlay: Mapping[str, Any], epochs: int | None) -> dict[str, Any]:
    shared = {key: value for key, value in settings.items() if key not in OWN and key not in overlay}
    wanted = shared | {"max_epochs": settings.get("max_epochs") if epochs is None else epochs}
    return {key: value for key, value in json.loads(json.dumps(kept_settings(wanted))).items() if value is not None}


def _train(files: Sequence[Path], folder: Path, wanted: Mapping[str, Any], record: dict[str, Any], resume: bool) -> None:
    write_json(record | {"finished": False}, folder / "stage.json")
    logger.info("first stage: %s in %s", "going on" if resume else f"training {record['overlay']}", folder)
    _run_training(files, folder, wanted, resume)
    write_json(record | {"finished": True}, folder / "stage.json")
    logger.info("first stage: done; now the second")


def _run_training(files: Sequence[Path], folder: Path, wanted: Mapping[str, Any], resume: bool) -> None:
    place = {"output_dir": str(folder), "ckpt_dir": str(folder), "resume": resume, "existing": "rename"}
    # Logging is as the second stage has set it up.
    with open_workflow(files, "train", logging_file=False, **wanted, **place) as workflow:
        workflow.run()


def _fingerprint(settings: Mapping[str, Any]) -> str:
    """Names and sizes of all files under the data folders; unlike times they survive a copy."""
    digest = hashlib.sha256()
    for key in ("dataset_dir", "validation_dir"):
        named = settings.get(key, [])
        for place in map(Path, [named] if isinstance(named, str) else named):
            for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if path.is_file():
                    name = path.relative_to(place) if path != place else path.name
                    digest.update(f"{key} {name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _different(known: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    before, now = known.get("settings", {}), record["settings"]
    keys = [
        f"{key} ({before.get(key)!r}, now {now.get(key)!r})" for key in sorted({*before, *now}) if before.get(key) != now.get(key)
    ]
    keys += [key for key in ("overlay", "images") if known.get(key) != record[key]]
    return ", ".join(keys)
