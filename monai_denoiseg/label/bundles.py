"""What a bundle of the app is: its settings, its trained network, the names of its labels; a damaged network counts as none."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from monai_denoiseg.heads import Head, described_head
from monai_denoiseg.networks import load_network

logger = logging.getLogger(__name__)


class Stored(NamedTuple):
    """What is known of a network's file.

    Attributes:
        head: what the network predicts; None if it cannot be used.
        in_channels: channels of its images.
        problem: why it cannot be used; empty if it can.
    """

    head: Head | None
    in_channels: int
    problem: str


def model_file(bundle: str | Path) -> Path:
    """Where a bundle's trained network lies.

    Args:
        bundle: folder of the bundle.

    >>> model_file("bundle").as_posix()
    'bundle/models/model.pt'
    """
    return Path(bundle) / "models" / "model.pt"


def defaults(bundle: str | Path, config: str = "inference") -> dict[str, Any]:
    """A bundle's configuration as it is written, unevaluated.

    Args:
        bundle: folder of the bundle.
        config: ``"inference"`` or ``"train"``.

    Raises:
        ValueError: when the file is no JSON; the message names it.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> defaults(bundle_folder("denoiseg_3d"))["spatial_dims"]
    3
    """
    path = Path(bundle) / "configs" / f"{config}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    return found


def model_problem(bundle: str | Path) -> str:
    """Why a bundle cannot predict: it is not trained yet, or its network is damaged or another bundle's; empty if it can.

    Args:
        bundle: folder of the bundle.

    >>> model_problem("bundle")[:27]
    'bundle is not trained yet ('
    """
    stored = _stored(bundle)
    if stored is not None:
        return stored.problem
    path = model_file(bundle)
    way_out = "annotate an image and train it, or put a trained model.pt there"
    return f"{Path(bundle).name} is not trained yet ({path} is missing): {way_out}"


def damaged_model(bundle: str | Path) -> str:
    """Why a bundle's network file cannot be used; empty where it can, or where there is none.

    Args:
        bundle: folder of the bundle.

    >>> damaged_model("bundle")
    ''
    """
    stored = _stored(bundle)
    return "" if stored is None else stored.problem


def bundle_head(bundle: str | Path) -> Head:
    """What a bundle's trained network predicts, or before it is trained what its ``train.json`` says.

    Args:
        bundle: folder of the bundle.

    >>> from monai_denoiseg.bundle.run import bundle_folder
    >>> bundle_head(bundle_folder("denoiseg_2d")).suffix
    'instances'
    """
    stored = _stored(bundle)
    if stored is not None and stored.head is not None:
        return stored.head
    settings = defaults(bundle, "train")
    return described_head(settings.get("head"), settings.get("classes") or [])


def bundle_channels(bundle: str | Path, pretrained: bool = True) -> int:
    """Channels of the images a bundle takes.

    Args:
        bundle: folder of the bundle.
        pretrained: ask its trained network, if it has one; else its ``train.json``.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> bundle_channels(bundle_folder("denoiseg_2d"))
    1
    """
    stored = _stored(bundle) if pretrained else None
    if stored is not None and not stored.problem:
        return stored.in_channels
    return int(defaults(bundle, "train").get("in_channels", 1))


def label_names(bundle: str | Path) -> dict[str, int]:
    """Names of a bundle's label values: those of its trained network, or before it is trained of its ``train.json``.

    Args:
        bundle: folder of the bundle.

    Returns:
        Semantic classes by name without the background; ``{"object": 1}`` for instances, which have numbers and no names.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> label_names(bundle_folder("denoiseg_2d"))
    {'object': 1}
    """
    return bundle_head(bundle).label_names()


def class_names(bundle: str | Path) -> list[str]:
    """Names of a bundle's semantic classes, background first; empty for instances.

    Args:
        bundle: folder of the bundle.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> class_names(bundle_folder("denoiseg_2d"))
    []
    """
    return bundle_head(bundle).classes


def network_problem(path: str | Path, spatial_dims: int) -> str:
    """Why a file is no network for images of so many axes; empty if it is.

    Args:
        path: a ``model.pt``.
        spatial_dims: 2 or 3.

    >>> network_problem("missing.pt", 2)
    'no trained network missing.pt: train first, or name one by --run or --model_file'
    """
    return _read(Path(path), spatial_dims).problem


def _stored(bundle: str | Path) -> Stored | None:
    """What is known of a bundle's network; None where there is none."""
    path = model_file(bundle)
    try:
        stat = path.stat()
    except OSError:
        return None
    return _remembered(path, stat.st_mtime_ns, stat.st_size, int(defaults(bundle)["spatial_dims"]))


@lru_cache(maxsize=64)
def _remembered(path: Path, changed: int, size: int, spatial_dims: int) -> Stored:
    """Read a network's file, again when it was changed."""
    found = _read(path, spatial_dims)
    if found.problem:
        logger.warning("%s counts as not trained: %s", path.parents[1].name, found.problem)
    return found


def _read(path: Path, spatial_dims: int) -> Stored:
    try:
        network = load_network(path)
    except Exception as error:  # whatever a damaged file leads to
        text = str(error) or type(error).__name__
        return Stored(None, 1, text if path.name in text else f"{path}: {text}")
    if network.spatial_dims != spatial_dims:
        return Stored(
            None,
            1,
            f"{path} is a network for images of {network.spatial_dims} axes, but this bundle is for {spatial_dims}: "
            f"it belongs into the bundle denoiseg_{network.spatial_dims}d",
        )
    return Stored(network.head, int(network.in_channels), "")
