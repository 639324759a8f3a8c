"""The MONAI Label app: what the server's addresses do, with errors a client understands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monai_denoiseg import __version__
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.engines import first_cause
from monai_denoiseg.files import remove
from monai_denoiseg.label.api import (
    HTTPException,
    MONAILabelApp,
    MONAILabelException,
    create_asap_annotations_xml,
    create_dsa_annotations_json,
    settings,
)
from monai_denoiseg.label.infer_tasks import BundleTask, Self2SegTask
from monai_denoiseg.label.outlines import outlines_json, trace_outlines
from monai_denoiseg.label.predict import class_names, defaults, label_names
from monai_denoiseg.label.refusals import refuse_mistakes
from monai_denoiseg.label.results import read_labels, served_bundles
from monai_denoiseg.label.study import image_path
from monai_denoiseg.label.study_tasks import MeasureStrategy, StudyScoring, StudyTraining

logger = logging.getLogger(__name__)

EXTENSIONS = ("*.tiff", "*.jpeg", "*.bmp")
"""Images MONAI Label does not look for by itself."""


class DenoiSegApp(MONAILabelApp):  # type: ignore[misc]
    """Models, training, strategies and scoring for the bundles under ``model/``.

    Args:
        app_dir: folder :func:`~monai_denoiseg.label.write_app` wrote.
        studies: folder of the images.
        conf: options of the server, ``--conf key value``: ``models`` names the bundles to use, by default all.

    Raises:
        ValueError: when there is no such bundle.
        ImportError: where MONAI Label is not installed.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        if settings is not None:
            known = settings.MONAI_LABEL_DATASTORE_FILE_EXT
            settings.MONAI_LABEL_DATASTORE_FILE_EXT = [*known, *(text for text in EXTENSIONS if text not in known)]
        self.bundles = served_bundles(Path(app_dir) / "model", (conf or {}).get("models"))
        super().__init__(
            app_dir,
            studies,
            conf,
            name="DenoiSeg",
            description="Denoise and segment with few annotations; trains on annotated and unannotated images",
            version=__version__,
        )

    def init_infers(self) -> dict[str, Any]:
        """The models: of each bundle its labels and its denoised image; Self2Seg."""
        infers: dict[str, Any] = {}
        for name, bundle in self.bundles.items():
            infers |= {name: BundleTask(bundle, "labels"), f"{name}_denoised": BundleTask(bundle, "denoised")}
        for dims, semantic in self._kinds().items():
            suffix = "" if len(self._kinds()) == 1 else f"_{dims}d"
            infers[f"self2seg{suffix}"] = Self2SegTask(dims, instances=not semantic)
            infers[f"self2seg_scribbles{suffix}"] = Self2SegTask(dims, instances=not semantic, scribbles=True)
        return infers

    def _kinds(self) -> dict[int, bool]:
        """Numbers of axes the bundles have, and whether they know classes."""
        return {defaults(bundle)["spatial_dims"]: bool(class_names(bundle)) for bundle in self.bundles.values()}

    def init_trainers(self) -> dict[str, Any]:
        """A training for each bundle."""
        return {name: StudyTraining(bundle) for name, bundle in self.bundles.items()}

    def init_strategies(self) -> dict[str, Any]:
        """The strategies."""
        return {name: MeasureStrategy(name, self.bundles) for name in ("uncertainty", "blind_spot", "random")}

    def init_scoring_methods(self) -> dict[str, Any]:
        """A scoring for each bundle."""
        return {name: StudyScoring(bundle) for name, bundle in self.bundles.items()}

    def on_init_complete(self) -> None:
        """Called by a server that starts; see MONAI Label."""
        super().on_init_complete()
        from monailabel.app import app as server

        refuse_mistakes(server)

    def infer(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model; see MONAI Label."""

        def run() -> Any:
            if isinstance(request.get("image"), str) and request.get("model") in self._infers:
                image_path(datastore or self.datastore(), request["image"])
            return super(DenoiSegApp, self).infer(request, datastore)

        return told(run)

    def infer_wsi(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model for a viewer of slides (QuPath, DSA): its objects as outlines, in the region asked for."""
        return told(lambda: self._outlines(request, datastore or self.datastore()))

    def _outlines(self, request: dict[str, Any], datastore: Any) -> dict[str, Any]:
        task = self._infers.get(request.get("model"))
        if task is None or task.dimension != 2 or task.type != "segmentation":
            names = [name for name, t in self._infers.items() if t.dimension == 2 and t.type == "segmentation"]
            raise LookupError(f"no model {request.get('model')!r} that outlines planes; there are {', '.join(names) or 'none'}")
        path = image_path(datastore, request.get("image", ""))
        file, params = task({**request, "image": str(path), "result_extension": None, "result_dtype": None})
        known = list(label_names(task.bundle) if isinstance(task, BundleTask) else task.labels)
        classes = None if known == ["object"] else known
        found = trace_outlines(read_labels(file), classes, min_area=float(request.get("min_poly_area") or 0))
        remove(file)
        (x, y), (width, height) = request.get("location") or (0, 0), request.get("size") or (0, 0)
        if width > 0 and height > 0:
            centres = [outline.points.mean(0) for outline in found]
            found = [o for o, (cx, cy) in zip(found, centres, strict=True) if x <= cx < x + width and y <= cy < y + height]
        result: dict[str, Any] = {"name": "DenoiSeg", "description": task.description, "model": request["model"]}
        result |= {"location": [x, y], "size": [width, height], "annotations": [{"annotation": outlines_json(found)}], **params}
        writers = {"asap": create_asap_annotations_xml, "dsa": create_dsa_annotations_json}
        writer = writers.get(str(request.get("output") or ""))
        return {"file": writer(result)[0] if writer else None, "params": result}

    def train(self, request: dict[str, Any]) -> Any:
        """Run a training; see MONAI Label."""
        return told(lambda: super(DenoiSegApp, self).train(request))

    def scoring(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a scoring; see MONAI Label."""
        return told(lambda: super(DenoiSegApp, self).scoring(request, datastore))

    def next_sample(self, request: dict[str, Any]) -> Any:
        """Offer an image to annotate; see MONAI Label."""
        return told(lambda: super(DenoiSegApp, self).next_sample(request))

    def bundle_path(self, model: str | None) -> str | None:
        """Asked for before a task goes to the background: the last moment to tell the client that there is no such model."""
        if model is not None and model not in {**self._infers, **self._trainers}:
            raise HTTPException(404, f"no model {model!r}; there are {', '.join(self._trainers)}")
        return None

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """Warn at once, not at the training, of a label file nobody can read."""
        uri = self.datastore().get_label_uri(label_id, "final")
        readable = not uri or uri.lower().endswith(".xml") or split_name(uri)[1]
        return {} if readable else {"warning": f"{Path(uri).name}: this format cannot be trained on; save as .nii.gz or .tif"}


def told(run: Callable[[], Any]) -> Any:
    """Call, and turn what the client did wrong into an answer with a 4xx status.

    Args:
        run: what to do.

    Returns:
        What it returns.

    Raises:
        HTTPException: 404 for an unknown image, model or strategy and a model that is not trained yet, 400 for other mistakes.

    >>> told(lambda: 3)
    3
    """
    try:
        return run()
    except HTTPException:
        raise
    except MONAILabelException as error:
        raise HTTPException(404, error.msg) from error
    except Exception as error:
        status, text = status_of(error)
        if status is None:
            raise
        logger.warning("refused: %s", text)
        raise HTTPException(status, text) from error


def status_of(error: BaseException) -> tuple[int | None, str]:
    """The HTTP status of a client's mistake and what to say; no status for an error of the server.

    Args:
        error: what was raised.

    >>> status_of(ValueError("`tta` must be true or false")), status_of(ZeroDivisionError())[0]
    ((400, '`tta` must be true or false'), None)
    """
    cause = first_cause(error)
    if isinstance(cause, FileNotFoundError) or type(cause) is LookupError:
        return 404, str(cause)
    return (400, str(cause)) if isinstance(cause, ValueError) else (None, "")
