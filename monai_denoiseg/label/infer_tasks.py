"""The models of the server, as classes of MONAI Label: a bundle's labels, its denoised image, Self2Seg."""

from __future__ import annotations

import logging
import tempfile
import time
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_denoiseg.data.reader import split_name
from monai_denoiseg.files import move_file, remove
from monai_denoiseg.label.api import InferTask, device_list
from monai_denoiseg.label.bundles import defaults, label_names, model_file, model_problem
from monai_denoiseg.label.options import device_of, infer_settings
from monai_denoiseg.label.predict import predict_to
from monai_denoiseg.label.results import convert, new_name, result_type, value_names
from monai_denoiseg.label.starting import OPTIONS, scribble_values, self2seg_file
from monai_denoiseg.label.usable import lying_header

logger = logging.getLogger(__name__)


class _FileTask(InferTask):  # type: ignore[misc]
    """Answer a request with a file."""

    def __call__(self, request: Mapping[str, Any], callbacks: Any = None) -> tuple[str, dict[str, Any]]:
        """Predict ``request["image"]``; returns the file and what clients are told about it."""
        start = time.time()
        if not isinstance(request.get("image"), str):
            raise ValueError("an image of the study or an uploaded file is needed")
        extension, dtype = result_type(request)
        problem = lying_header(request["image"], self.dimension)
        if problem:
            raise ValueError(problem)
        try:
            kept = self.predict(request)
        except MemoryError as error:
            raise ValueError(f"{Path(request['image']).name} does not fit into memory") from error
        try:
            names = self.names(kept)
            result = convert(kept, extension, dtype)
        except BaseException:
            remove(kept)
            raise
        logger.info("%s: %s in %.1f seconds", self.description, Path(request["image"]).name, time.time() - start)
        return str(result), {"label_names": names, "latencies": {"total": round(time.time() - start, 2)}}

    @abstractmethod
    def predict(self, request: Mapping[str, Any]) -> Path:
        """The file for a request."""

    def names(self, file: Path) -> dict[str, int]:
        """Names of the values of a result."""
        return value_names(self.labels, file)


class BundleTask(_FileTask):
    """A bundle's inference.

    Args:
        bundle: folder of the bundle.
        kind: ``"labels"`` or ``"denoised"``.
    """

    def __init__(self, bundle: Path, kind: str) -> None:
        settings = defaults(bundle)
        what = {"labels": "objects or classes", "denoised": "denoised image"}[kind]
        super().__init__(
            type="segmentation" if kind == "labels" else "others",
            labels=label_names(bundle) if kind == "labels" else [],
            dimension=settings["spatial_dims"],
            description=f"DenoiSeg {settings['spatial_dims']}D, {what}",
            config={"device": device_list(), "tta": settings["tta"], "threshold": "auto", "min_size": settings["min_size"]},
        )
        self.bundle, self.kind = bundle, kind

    def is_valid(self) -> bool:
        """Whether there is a trained network; MONAI Label lists no others."""
        return not model_problem(self.bundle)

    def get_path(self, validate: bool = True) -> str | None:
        """The network's file."""
        path = model_file(self.bundle)
        return str(path) if path.is_file() or not validate else None

    def info(self) -> dict[str, Any]:
        """What ``/info/`` tells; the labels are those of the network as it is now."""
        if self.kind == "labels":
            self.labels = label_names(self.bundle)
        found: dict[str, Any] = super().info()
        return found

    def predict(self, request: Mapping[str, Any]) -> Path:
        """Run the bundle's inference."""
        settings = {"device": device_of(request), **infer_settings(request)}
        return predict_to(new_name(), self.kind, self.bundle, request["image"], **settings)

    def names(self, file: Path) -> dict[str, int]:
        """Names of the values of a result; a denoised image has none."""
        return value_names(label_names(self.bundle), file) if self.kind == "labels" else {}


class Self2SegTask(_FileTask):
    """Segmentation of the image alone, for a start without annotations.

    Args:
        spatial_dims: 2 or 3.
        instances: number the connected pieces.
        scribbles: start from the annotator's scribbles.
    """

    def __init__(self, spatial_dims: int, instances: bool = True, scribbles: bool = False) -> None:
        super().__init__(
            type="scribbles" if scribbles else "segmentation",
            labels={"object": 1} if instances else {"foreground": 1},
            dimension=spatial_dims,
            description=f"Self2Seg {spatial_dims}D, {'from scribbles' if scribbles else 'needs no annotation'}",
            config={key: value for key, value in OPTIONS.items() if not (scribbles and key == "start")},
        )
        self.instances, self.scribbles = instances, scribbles

    def is_valid(self) -> bool:
        """Always: there is nothing to train."""
        return True

    def predict(self, request: Mapping[str, Any]) -> Path:
        """Segment the image; scribbles come as the request's label."""
        drawn = request.get("label") if self.scribbles else None
        if self.scribbles and not drawn:
            raise ValueError("scribbles are needed: send them as the file `label`, with 2 on background and 3 on foreground")
        with tempfile.TemporaryDirectory() as folder:
            options = {key: request[key] for key in OPTIONS if key in request}
            found = self2seg_file(
                request["image"],
                folder,
                spatial_dims=self.dimension,
                scribbles=drawn,
                regions=scribble_values(request),
                instances=self.instances,
                **options,
            )
            kept = new_name(split_name(found)[1])
            move_file(found, kept)
            return kept
