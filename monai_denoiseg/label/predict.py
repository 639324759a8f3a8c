"""A bundle's own inference for one file, called from a server."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle.run import start_workflow
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.engines import Precision, first_cause
from monai_denoiseg.engines.at_spacing import spacing_for
from monai_denoiseg.files import move_file
from monai_denoiseg.label.bundles import model_problem
from monai_denoiseg.units import unit_of


class Loaded(NamedTuple):
    """The parts of a bundle's inference.

    Attributes:
        network: the trained network, in evaluation mode.
        inferer: see :class:`~monai_denoiseg.engines.DenoiSegInferer`.
        image: the image ``(C, [D,] H, W)`` as the bundle loads it.
        precision: device and precision.
        spacing: voxel size of the image, NaN where nobody knows.
        unit: of that; None where nobody knows.
    """

    network: Any
    inferer: Any
    image: torch.Tensor
    precision: Precision
    spacing: torch.Tensor | None = None
    unit: str | None = None

    def probabilities(self) -> torch.Tensor:
        """Class probabilities ``(K, [D,] H, W)`` of the image, averaged over orientations if the bundle says so."""
        batch = self.precision.layout(self.image[None].to(self.precision.device))
        with torch.no_grad(), self.precision.autocast(self.network, batch):
            size = spacing_for(self.network, {"spacing": self.spacing, "unit": self.unit})
            output: torch.Tensor = self.inferer(batch, self.network, **size)[0].float().cpu()
        return output[: self.network.head.probability_channels]


def start_inference(bundle: str | Path, image: str | Path, output_dir: str | Path, **settings: Any) -> ConfigWorkflow:
    """Read a bundle's ``inference.json`` for one image, from the network file as it is now.

    Args:
        bundle: folder of the bundle.
        image: file.
        output_dir: folder for the results.
        settings: keys of the configuration to replace.

    Returns:
        The initialised workflow.

    Raises:
        FileNotFoundError: when the bundle is not trained yet, or its network is damaged.
        ValueError: for an unknown key.
    """
    problem = model_problem(bundle)
    if problem:
        raise FileNotFoundError(problem)
    configs = Path(bundle) / "configs"
    # The server's logging stays, and nobody reads its tables.
    place: dict[str, Any] = {"dataset_dir": str(image), "output_dir": str(output_dir), "measure": None}
    return start_workflow([configs / "inference.json"], logging_file=False, **place, **settings)


def predict_file(bundle: str | Path, image: str | Path, output_dir: str | Path, **settings: Any) -> dict[str, Path]:
    """Predict one file exactly as the bundle's inference does: same loading, tiles, threshold, geometry and file format.

    Args:
        bundle: folder of the bundle.
        image: file.
        output_dir: folder for the results; it is made.
        settings: keys of ``inference.json`` to replace.

    Returns:
        The files written by what they hold: labels by the head's suffix (``"instances"``, ``"classes"``), and ``"denoised"``.

    Raises:
        FileNotFoundError: when there is no such image, or the bundle is not trained yet.
        ValueError: when the image cannot be predicted; the message says why.

    >>> predict_file("bundle", "missing.tif", "out")
    Traceback (most recent call last):
        ...
    FileNotFoundError: image missing.tif does not exist
    """
    if not Path(image).exists():
        raise FileNotFoundError(f"image {image} does not exist")
    workflow = start_inference(bundle, image, output_dir, **settings)
    evaluator = workflow.parser.get_parsed_content("evaluator")
    try:
        workflow.run()
    except RuntimeError as error:
        if evaluator.failures:
            raise ValueError(f"{Path(image).name}: {next(iter(evaluator.failures.values()))}") from error
        raise
    stem = split_name(image)[0]
    kinds = (workflow.parser.get_parsed_content("network").head.suffix, "denoised")
    found = {kind: next(Path(output_dir).glob(f"{_literal(stem)}_{kind}.*"), None) for kind in kinds}
    return {kind: path for kind, path in found.items() if path is not None}


def _literal(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)


def predict_to(target: str | Path, kind: str, bundle: str | Path, image: str | Path, **settings: Any) -> Path:
    """Predict one file and keep one of the results.

    Args:
        target: the result's name without its ending, which is that the bundle gives it.
        kind: ``"labels"`` (instances or classes, whichever the network gives) or ``"denoised"``.
        bundle: folder of the bundle.
        image: file.
        settings: keys of ``inference.json`` to replace.

    Returns:
        The file.

    Raises:
        ValueError: when the network does not give that; and what :func:`predict_file` raises.

    >>> predict_to("out", "denoised", "bundle", "missing.tif")
    Traceback (most recent call last):
        ...
    FileNotFoundError: image missing.tif does not exist
    """
    with tempfile.TemporaryDirectory() as folder:
        files = predict_file(bundle, image, folder, **settings)
        labels = next((file for name, file in files.items() if name != "denoised"), None)
        found = files.get(kind) if kind == "denoised" else labels
        if found is None:
            has = ", ".join(files) or "nothing"
            raise ValueError(f"the network of {Path(bundle).name} gives no {kind}, only {has}; use another model")
        kept = Path(f"{target}{split_name(found)[1]}")
        move_file(found, kept)
    return kept


def load_for(bundle: str | Path, image: str | Path, settings: Mapping[str, Any] | None = None) -> Loaded:
    """Load an image and the network for measures of it (:mod:`~monai_denoiseg.label.acquisition`).

    Args:
        bundle: folder of the bundle.
        image: file.
        settings: keys of ``inference.json`` to replace.

    Raises:
        FileNotFoundError: when the bundle is not trained yet.
        ValueError: when the image does not suit the network.

    >>> load_for("bundle", "missing.tif")
    Traceback (most recent call last):
        ...
    FileNotFoundError: bundle is not trained yet (bundle/models/model.pt is missing): annotate an image and train it, or put a trained model.pt there
    """  # noqa: E501
    with tempfile.TemporaryDirectory() as folder:
        parser = start_inference(bundle, image, folder, **(settings or {})).parser
    get = parser.get_parsed_content
    try:
        item = get("dataset")[0]
    except Exception as error:  # MONAI wraps errors in "applying transform ..."
        cause = first_cause(error)
        raise ValueError(f"{Path(image).name}: {cause}") from error
    precision = Precision(get("device"), get("amp"))
    network: Any = precision.prepare(get("network")).eval()
    return Loaded(
        network,
        get("inferer"),
        torch.as_tensor(item["image"]).as_subclass(torch.Tensor),
        precision,
        item["spacing"],
        unit_of(item),
    )
