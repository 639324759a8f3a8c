"""Where a run writes, and which network an inference takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option

logger = logging.getLogger(__name__)

BUNDLES = ("denoiseg_2d", "denoiseg_3d", "self2seg")
RUN = "denoiseg_run"
RESULTS = "denoiseg_results"
SIMULATED = "simulated"


def bundle_folder(name: str) -> Path:
    """Folder of a bundle: in the source tree, or where the wheel puts it.

    Args:
        name: e.g. ``"denoiseg_2d"``.

    Raises:
        ValueError: for an unknown bundle.

    >>> (bundle_folder("denoiseg_2d") / "configs" / "train.json").is_file()
    True
    """
    check_option("bundle", name, BUNDLES)
    package = Path(__file__).parent.parent
    source = package.parent / "bundles" / name
    return source if source.is_dir() else package / "bundles" / name


def docs_folder() -> Path:
    """Folder of the user guide: in the source tree, or where the wheel puts it.

    >>> (docs_folder() / "index.md").is_file()
    True
    """
    package = Path(__file__).parent.parent
    source = package.parent / "docs"
    return source if (source / "index.md").is_file() else package / "docs"


def run_folder(bundle_root: str | Path | None = None) -> str:
    """Folder of a training's logs, pictures and settings.

    Args:
        bundle_root: a bundle's folder that the user named; None: the working folder is where things go.

    >>> run_folder(), Path(run_folder("my_bundle")).as_posix()
    ('denoiseg_run', 'my_bundle/output')
    """
    return RUN if bundle_root is None else str(Path(bundle_root) / "output")


def checkpoint_folder(output_dir: str | Path, bundle_root: str | Path | None = None) -> str:
    """Folder of ``model.pt`` and ``last.pt``: where MONAI looks for them in a bundle, else within the run.

    Args:
        output_dir: folder of the run.
        bundle_root: see :func:`run_folder`.

    >>> Path(checkpoint_folder("denoiseg_run")).as_posix(), Path(checkpoint_folder("out", "my_bundle")).as_posix()
    ('denoiseg_run/models', 'my_bundle/models')
    """
    return str(Path(output_dir if bundle_root is None else bundle_root) / "models")


def results_folder(bundle_root: str | Path | None = None, kind: str = "predictions") -> str:
    """Folder of what inference and evaluation write.

    Args:
        bundle_root: see :func:`run_folder`.
        kind: ``"predictions"`` or ``"evaluation"``, which a bundle keeps apart.

    >>> results_folder(), Path(results_folder("my_bundle", "evaluation")).as_posix()
    ('denoiseg_results', 'my_bundle/output/evaluation')
    """
    return RESULTS if bundle_root is None else str(Path(bundle_root) / "output" / kind)


def simulated_folder(run_dir: str | Path | None = None, bundle_root: str | Path | None = None) -> str:
    """Folder of the images that a training without data simulated: what is predicted where no data are named.

    Args:
        run_dir: the training's folder, or None for the default one.
        bundle_root: see :func:`run_folder`.

    >>> Path(simulated_folder("my_run")).as_posix()
    'my_run/simulated'
    """
    return str(Path(run_folder(bundle_root) if run_dir is None else run_dir) / SIMULATED)


def simulation_is_missing(dataset_dir: Any) -> bool:
    """Whether no images were named and no trial made any.

    Args:
        dataset_dir: what is to be predicted.

    >>> simulation_is_missing(simulated_folder("missing_run")), simulation_is_missing("missing_folder")
    (True, False)
    """
    if not isinstance(dataset_dir, (str, os.PathLike)):
        return False
    return Path(dataset_dir).name == SIMULATED and not os.path.lexists(dataset_dir)


def need_images(items: Sequence[Any], dataset_dir: Any) -> None:
    """Raise before a run if there is nothing to predict.

    A workflow is built without images too: MONAI's ``check_properties`` looks at all of it before anyone names data.

    Args:
        items: data list.
        dataset_dir: where it comes from; None where nothing was named.

    Raises:
        FileNotFoundError: when there are none.

    >>> need_images([], "missing_run/simulated")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no images are named: pass --dataset_dir (missing_run/simulated, which a trial makes, is not there)
    """
    if items:
        return
    if dataset_dir is None:
        raise FileNotFoundError("no image: pass --image FILE, or a folder of images")
    raise FileNotFoundError(f"no images are named: pass --dataset_dir ({dataset_dir}, which a trial makes, is not there)")


def model_file(bundle: str, run_dir: str | Path | None = None, bundle_root: str | Path | None = None) -> str:
    """Find the network to predict with, and say which it is.

    In this order: that of ``run_dir`` (``--run`` on the command line); that of the named bundle folder; the one that
    came with the package. Where a training lies in the working folder, the last would be
    a silent surprise, so the user has to choose.

    Args:
        bundle: name of the bundle, such as ``"denoiseg_2d"``.
        run_dir: folder of a training.
        bundle_root: see :func:`run_folder`.

    Returns:
        Path of a ``model.pt``. That of a bundle may be missing: loading it will then say so.

    Raises:
        FileNotFoundError: when the run has no network.
        ValueError: when a training lies in the working folder and nothing says whether its network is meant.

    >>> Path(model_file("denoiseg_2d", bundle_root="my_bundle")).as_posix()
    'my_bundle/models/model.pt'
    """
    shipped = bundle_folder(bundle) / "models" / "model.pt"
    if run_dir is not None:
        found = trained_in(run_dir)
    elif bundle_root is not None:
        found = Path(bundle_root) / "models" / "model.pt"
    elif (Path(RUN) / "models" / "model.pt").is_file():
        named = (
            f"--model_file {shipped} is the one that came with the package"
            if shipped.is_file()
            else "--model_file PATH is another"
        )
        raise ValueError(f"`run` or `model_file` must say which network to use: --run {RUN} is the one trained here, {named}")
    else:
        found = shipped
    if found.is_file():
        logger.info("network: %s%s", found, " (came with the package)" if found == shipped else "")
    return str(found)


def trained_in(run: str | Path) -> Path:
    """The network of a training.

    Args:
        run: its folder.

    Raises:
        FileNotFoundError: when there is none.

    >>> trained_in("missing_run")
    Traceback (most recent call last):
        ...
    FileNotFoundError: `run` missing_run does not exist: give the folder a training wrote to
    """
    folder = Path(run)
    if not folder.is_dir():
        raise FileNotFoundError(f"`run` {folder} does not exist: give the folder a training wrote to")
    places = [folder / "models" / "model.pt", folder / "model.pt"]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"`run` {folder} holds no network ({places[0]} is missing): has its training validated yet?")
    return found


def came_with_package(path: str | Path) -> bool:
    """Whether a file is one of the networks that came with the package, which nothing overwrites.

    Args:
        path: any path.

    >>> came_with_package(bundle_folder("denoiseg_2d") / "models" / "model.pt"), came_with_package("model.pt")
    (True, False)
    """
    return Path(path).resolve() in {(bundle_folder(name) / "models" / "model.pt").resolve() for name in BUNDLES}
