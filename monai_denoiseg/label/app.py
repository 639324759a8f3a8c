"""The MONAI Label app: what the server's addresses do, with errors a client understands."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from monai_denoiseg import __version__
from monai_denoiseg.files import remove
from monai_denoiseg.label.answers import told
from monai_denoiseg.label.api import (
    HTTPException,
    MONAILabelApp,
    create_asap_annotations_xml,
    create_dsa_annotations_json,
    settings,
)
from monai_denoiseg.label.bundles import class_names, damaged_model, defaults, label_names, network_problem
from monai_denoiseg.label.datastore import StudyDatastore
from monai_denoiseg.label.door import TOKEN
from monai_denoiseg.label.infer_tasks import BundleTask, Self2SegTask
from monai_denoiseg.label.options import number, pair, text
from monai_denoiseg.label.outlines import outlines_json, trace_outlines
from monai_denoiseg.label.refusals import refuse_mistakes
from monai_denoiseg.label.request_checks import RequestChecks
from monai_denoiseg.label.results import read_labels, served_bundles
from monai_denoiseg.label.study import image_path
from monai_denoiseg.label.study_tasks import MeasureStrategy, StudyScoring, StudyTraining, measures_of
from monai_denoiseg.label.submitted import check_batch, check_process
from monai_denoiseg.label.usable import label_problem

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

    def init_datastore(self) -> Any:
        """The study; see MONAI Label."""
        return StudyDatastore.of(self.studies) if "://" not in self.studies else super().init_datastore()

    def info(self) -> dict[str, Any]:
        """What ``/info/`` tells; ``problems`` says of which bundles the network cannot be used, and why."""
        found: dict[str, Any] = super().info()
        problems = {name: damaged_model(bundle) for name, bundle in self.bundles.items()}
        found["problems"] = {name: problem for name, problem in problems.items() if problem}
        return found

    def check_task(self, method: str, request: dict[str, Any]) -> None:
        """Check what is asked of a task before it is submitted: in the background it would fail where nobody looks.

        Args:
            method: ``"train"``, ``"scoring"`` or ``"batch_infer"``.
            request: what is asked.

        Raises:
            HTTPException: for a mistake of the client.
        """

        def check() -> None:
            check_process(request)
            if method == "train" and request.get("model") in self._trainers:
                self._trainers[request["model"]].options(request)
            elif method == "scoring":
                measures_of(request)
            elif method == "batch_infer":
                check_batch(request)

        told(check)

    def on_init_complete(self) -> None:
        """Called by a server that starts; see MONAI Label."""
        super().on_init_complete()
        from monailabel.app import app as server

        refuse_mistakes(server)
        server.add_middleware(RequestChecks, **self.request_checks())

    def request_checks(self) -> dict[str, Any]:
        """What :class:`~monai_denoiseg.label.request_checks.RequestChecks` must know of the app."""
        return {
            "study": lambda: self.studies,
            "check": self.check_task,
            "check_model": self.uploaded_model_problem,
            "models": lambda: list(self.bundles),
        }

    def uploaded_model_problem(self, model: str, path: str) -> str:
        """What is wrong with a network a client uploads; empty if nothing is.

        Args:
            model: name of the model.
            path: the file.
        """
        bundle = self.bundles.get(model.removesuffix("_denoised"))
        if bundle is None:
            return f"{model!r} has no network; there are {', '.join(self.bundles)}"
        return network_problem(path, int(defaults(bundle)["spatial_dims"]))

    def _local_request(self, url: str, params: Any, action: str) -> Any:
        """Call the server from a process it started, with its token; a training that is done has not failed where it is gone."""
        import requests

        address = f"http://127.0.0.1:{settings.MONAI_LABEL_SERVER_PORT}{url}"
        headers = {"Authorization": f"Bearer {os.environ[TOKEN]}"} if TOKEN in os.environ else {}
        try:
            response = requests.post(address, json=params or {}, headers=headers, timeout=60)
            response.raise_for_status()
        except requests.RequestException as error:
            logger.warning("failed to start %s: %s", action, error)
            return None
        return response.json()

    def infer(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model; see MONAI Label."""

        def run() -> Any:
            if isinstance(request.get("image"), str) and request.get("model") in self._infers:
                store = datastore or self.datastore()
                image_path(store, request["image"])
                if request.get("save_label") and isinstance(store, StudyDatastore) and request["image"] in store.list_images():
                    store.check_label(request["image"], request.get("label_tag", "original"))
            return super(DenoiSegApp, self).infer(request, datastore)

        return told(run, model=request.get("model"))

    def infer_wsi(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model for a viewer of slides (QuPath, DSA): its objects as outlines, in the region asked for."""
        return told(lambda: self._outlines(request, datastore or self.datastore()))

    def _outlines(self, request: dict[str, Any], datastore: Any) -> dict[str, Any]:
        task = self._infers.get(text("model", request.get("model")))
        if task is None or task.dimension != 2 or task.type != "segmentation":
            names = [name for name, t in self._infers.items() if t.dimension == 2 and t.type == "segmentation"]
            raise LookupError(f"no model {request.get('model')!r} that outlines planes; there are {', '.join(names) or 'none'}")
        path = image_path(datastore, text("image", request.get("image", "")))
        area = number("min_poly_area", request.get("min_poly_area") or 0)
        (x, y), (width, height) = (pair(key, request.get(key)) for key in ("location", "size"))
        file, params = task({**request, "image": str(path), "result_extension": None, "result_dtype": None})
        known = list(label_names(task.bundle) if isinstance(task, BundleTask) else task.labels)
        classes = None if known == ["object"] else known
        found = trace_outlines(read_labels(file), classes, min_area=area)
        remove(file)
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
        return told(lambda: super(DenoiSegApp, self).train(request), model=request.get("model"))

    def batch_infer(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model on many images; see MONAI Label. Without a GPU its own default, several of them, is taken as none."""

        def run() -> Any:
            checked = check_batch(request)
            if checked.get("model") not in self._infers:
                raise LookupError(f"no model {checked.get('model')!r}; there are {', '.join(self._infers)}")
            return self._batch_infer(checked, datastore or self.datastore(), self._infer_one_of_many)

        return told(run, model=request.get("model"))

    def _infer_one_of_many(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a model; an image that cannot be predicted does not stop the others."""
        try:
            return self.infer(request, datastore)
        except HTTPException as error:
            return {"label": None, "error": str(error.detail)}

    def scoring(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Run a scoring; see MONAI Label."""
        return told(lambda: super(DenoiSegApp, self).scoring(request, datastore), method=request.get("method"))

    def next_sample(self, request: dict[str, Any]) -> Any:
        """Offer an image to annotate; see MONAI Label."""
        return told(lambda: super(DenoiSegApp, self).next_sample(request), strategy=request.get("strategy"))

    def bundle_path(self, model: str | None) -> str | None:
        """Asked for before a task goes to the background: the last moment to tell the client that there is no such model."""
        if model is not None and model not in {**self._infers, **self._trainers}:
            raise HTTPException(404, f"no model {model!r}; there are {', '.join(self._trainers)}")
        return None

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """Warn at once, not at the training, of a label file nobody can read."""
        store = self.datastore()
        label, image = store.get_label_uri(label_id, "final"), store.get_image_uri(image_id)
        if not label:
            return {}
        problems = [label_problem(label, image, dims, binary_labels="keep") for dims in self._kinds()]
        return {} if "" in problems else {"warning": f"it cannot be trained on: {problems[0]}"}
