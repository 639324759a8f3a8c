"""Lay out the folder MONAI Label serves."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.checks import check_option
from monai_denoiseg.files import copy_file, copy_folder, new_folder, write_text
from monai_denoiseg.label.bundles import model_file

SERVED = ("denoiseg_2d", "denoiseg_3d")
"""The bundles a server trains."""

MAIN = '''"""The app `monailabel start_server --app` loads."""

from monai_denoiseg.label.app import DenoiSegApp

__all__ = ["DenoiSegApp"]
'''


def write_app(output: str | os.PathLike, bundles: Sequence[str] = SERVED, models: Sequence[str | os.PathLike] = ()) -> Path:
    """Write a MONAI Label app: ``main.py``, and under ``model/`` a copy of each bundle for its settings and its network.

    The app appears whole or not at all. A bundle's settings are then those of ``OUT/model/BUNDLE/configs/train.json`` and
    ``inference.json``: edit them there.

    Args:
        output: folder; it is made, and must be empty.
        bundles: names of the bundles.
        models: trained networks (``model.pt``), one for each bundle at most; each goes to the bundle of its number of axes.

    Returns:
        The folder.

    Raises:
        FileExistsError: when the folder is not empty.
        FileNotFoundError: when a network does not exist.
        ValueError: for an unknown bundle, or a network that suits none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     app = write_app(Path(folder) / "app", ["denoiseg_2d"])
    ...     sorted(path.name for path in app.iterdir()), (app / "model/denoiseg_2d/configs/train.json").is_file()
    (['main.py', 'model'], True)
    """
    output = Path(output)
    if not bundles:
        raise ValueError(f"`bundles` is empty; name some of {', '.join(SERVED)}")
    sources = {check_option("bundle", name, SERVED): bundle_folder(name) for name in bundles}
    homes = [(Path(path), _home(path, sources)) for path in models]
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} exists and is not empty; name another folder (an app is updated by editing its files)")
    with new_folder(output) as part:
        for name, source in sources.items():
            target = part / "model" / name
            for folder in ("configs", "docs"):
                copy_folder(source / folder, target / folder)
            copy_file(source / "LICENSE", target / "LICENSE")
            (target / "models").mkdir()
        for path, name in homes:
            copy_file(path, model_file(part / "model" / name))
        write_text(MAIN, part / "main.py")
    return output


def _home(path: str | os.PathLike, sources: dict[str, Path]) -> str:
    """The bundle a network belongs to."""
    from monai_denoiseg.networks import network_for_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"no trained network {path}")
    dims = network_for_file(Path(path)).spatial_dims
    for name, folder in sources.items():
        if json.loads((folder / "configs" / "inference.json").read_text("utf-8"))["spatial_dims"] == dims:
            return name
    raise ValueError(f"{path} is a network for {dims} axes, but the bundles are {', '.join(sources)}")
