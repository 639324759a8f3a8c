"""Inference over files: one that fails is reported and the others go on."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import Evaluator
from torch import nn

from monai_denoiseg.checks import check_int, check_option
from monai_denoiseg.data.lazy import can_stream, open_lazy
from monai_denoiseg.data.ngff import is_zarr
from monai_denoiseg.data.save import SEG
from monai_denoiseg.engines.at_spacing import spacing_for, stays_as_it_is
from monai_denoiseg.engines.domain_check import DomainCheck
from monai_denoiseg.engines.errors import first_cause
from monai_denoiseg.engines.existing import ExistingResults
from monai_denoiseg.engines.frames import frames_of, loaded_frames
from monai_denoiseg.engines.news import only_news
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.heads import denoises, head_of
from monai_denoiseg.units import unit_for

logger = logging.getLogger(__name__)

STREAM_VOXELS = 1 << 27
"""Voxels from which an image is streamed: 0.5 GB of float32, of which prediction and objects take some ten times as much."""


class FilePredictor(Evaluator):
    """Predict the items of a data set one by one, each from loading to saving.

    A file that cannot be read, predicted or written is logged and skipped; when all others are done, :meth:`run` raises, so that
    the exit code of the program says so.

    The frames of a file with several are predicted one by one, and their results saved as one file of all.

    With ``stream``, large files are not loaded but predicted from file to file, see :class:`StreamingPredictor`.

    Args:
        device: where to predict.
        dataset: items are loaded by index, as MONAI's ``Dataset`` does: ``image`` is a ``(C, [D,] H, W)`` MetaTensor.
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`.
        inferer: see :class:`DenoiSegInferer`.
        postprocessing: called with the item, ``pred`` added; writes the files.
        amp: see :class:`Precision`.
        handlers: Ignite handlers.
        stream: called with the path of a file to be streamed, usually a :class:`StreamingPredictor`; None: none is.
        stream_when: ``"always"``, ``"never"``, or ``"auto"``: zarr, files of several frames, and images of more than
            ``stream_voxels`` voxels.
        stream_voxels: see there; all channels are counted.
        existing: what to do with images that have results: ``"replace"``, ``"skip"`` or ``"error"``, see
            :class:`~monai_denoiseg.engines.existing.ExistingResults`.
        stored: predictions to read in place of predicting, see :class:`~monai_denoiseg.engines.stored.StoredPredictions`.

    Raises:
        ValueError: for an unknown ``stream_when`` or ``existing``.

    Example:
        >>> from monai_denoiseg.engines import DenoiSegInferer
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> items = [{"image": torch.rand(1, 8, 8)}, {"image": torch.rand(3, 8, 8)}]
        >>> predictor = FilePredictor("cpu", items, DenoiSegNet(2, depth=1, features=4), DenoiSegInferer(), lambda item: item)
        >>> predictor.run()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        RuntimeError: 1 of 2 files failed: item 1: the network takes ...
    """

    def __init__(
        self,
        device: str | torch.device,
        dataset: Any,
        network: nn.Module,
        inferer: Callable[..., torch.Tensor],
        postprocessing: Callable[[dict[str, Any]], Any],
        *,
        amp: str | bool = "auto",
        handlers: Sequence[Any] | None = None,
        stream: Callable[[str], Any] | None = None,
        stream_when: str = "auto",
        stream_voxels: int = STREAM_VOXELS,
        existing: str = "replace",
        stored: Any = None,
    ) -> None:
        self.precision = Precision(device, amp)
        super().__init__(device=torch.device(device), val_data_loader=range(len(dataset)), val_handlers=handlers, decollate=False)
        self.dataset, self.network, self.inferer = dataset, self.precision.prepare(network), inferer
        self.write, self.stored = postprocessing, stored
        self.stream, self.stream_when = stream, check_option("stream", stream_when, ("auto", "always", "never"))
        self.stream_voxels = check_int("stream_voxels", stream_voxels, 0)
        self.existing, self.skipped = self._existing(existing), set[int]()
        self.failures: dict[str, str] = {}
        self.domain = DomainCheck(self.network)
        self.add_event_handler(Events.STARTED, lambda _: self.failures.clear())
        only_news(self)

    def _existing(self, policy: str) -> ExistingResults:
        """What looks after earlier results: it knows what writes them and what they depend on."""
        parts = [*getattr(self.write, "transforms", [self.write]), self.stream]
        writers = [part for part in parts if hasattr(part, "targets") and hasattr(part, "digest")]
        depends = [self.network, self.inferer, self.write, self.stream, getattr(self.dataset, "transform", None)]
        depends += [] if self.stored is None else [self.stored]
        segments = head_of(self.network).segments
        absent = ["pred", SEG, "probabilities"] * (not segments) + ["denoised"] * (not denoises(self.network))
        return ExistingResults(policy, writers, [*depends, str(self.precision.dtype)], absent)

    def _writer(self, item: Mapping[str, Any]) -> Any:
        """Of the things that write results, the one for an item."""
        if self.stream in self.existing.writers:
            with contextlib.suppress(Exception):  # whatever is wrong with a file is said when its turn comes
                if self._is_streamed(str(item["image"])):
                    return self.stream
        return self.existing.writers[0]

    def targets(self, index: int) -> dict[str, Any]:
        """The result files of an item by key or kind, as what writes them says.

        Args:
            index: of the item.
        """
        item = self.dataset.data[index]
        found: dict[str, Any] = self._writer(item).targets(item["image"], item.get("frame")) if self.existing.writers else {}
        return found

    def _iteration(self, engine: Any, batchdata: int) -> dict[str, Any]:
        if batchdata in self.skipped:
            return {}
        try:
            path = self._path(batchdata)
            if path is not None:
                self.existing.begin(self.dataset.data[batchdata])
            if self.stream is not None and path is not None and self._is_streamed(path):
                self.stream(path)
            else:
                self._predict(batchdata)
        except Exception as error:  # whatever a single file does must not stop the others
            name = self._name(batchdata)
            cause = first_cause(error)  # MONAI wraps errors in "applying transform ..."
            self.failures[name] = str(cause) or type(cause).__name__
            logger.error("failed: %s: %s", name, self.failures[name])
        return {}

    def _predict(self, index: int) -> None:
        frames = frames_of(self.dataset, index)
        for item in loaded_frames(self.dataset, index, frames) if frames else [self.dataset[index]]:
            self._predict_item(item, self._name(index))

    def _predict_item(self, item: Mapping[str, Any], name: str) -> None:
        image = item["image"]
        if self.stored is not None:
            self.write({**item, "pred": self.stored(item)})
            return
        batch = torch.as_tensor(image).as_subclass(torch.Tensor)[None].to(self.state.device)
        with self.mode(self.network), self.precision.autocast(self.network, batch):
            pred = self.inferer(self.precision.layout(batch), self.network, **spacing_for(self.network, item, name))
        self.domain.add(name, batch[0])
        self.write({**item, "pred": pred[0].float()})

    def _is_streamed(self, path: str) -> bool:
        if self.stored is not None:
            return False
        if self.stream_when != "auto":
            return self.stream_when == "always"
        if head_of(self.network).unstreamable:
            return False
        if not can_stream(path):
            return False
        look = getattr(self.stream, "open", open_lazy)  # a StreamingPredictor knows the axes
        with look(path) as image:
            spacing = getattr(self.stream, "spacing", None) or image.spacing
            if not stays_as_it_is(self.network, image.spatial_shape, spacing, unit_for(spacing, image.spacing, image.unit)):
                return False
            return is_zarr(path) or image.has_frames or math.prod(image.shape[1:]) > self.stream_voxels

    def _path(self, index: int) -> str | None:
        data = getattr(self.dataset, "data", None)
        return None if data is None else str(data[index]["image"])

    def _name(self, index: int) -> str:
        return self._path(index) or f"item {index}"

    def plan(self) -> set[int]:
        """Look at what is there, before anything is done.

        Returns:
            Indices of the items that have their results and are left alone.

        Raises:
            FileExistsError: where a file is in the way that may not be overwritten.
            FileNotFoundError: where a stored prediction is missing.
        """
        data = getattr(self.dataset, "data", None)
        if data is None:
            return set()
        if self.stored is not None:
            self.stored.check(data)
        return self.existing.plan(data, self._writer)

    def run(self, global_epoch: int = 1) -> None:
        """Predict all items.

        Args:
            global_epoch: see MONAI's ``Evaluator.run``.

        Raises:
            FileExistsError: before anything is done, where a file is in the way that may not be overwritten.
            RuntimeError: naming the files that failed, after the others are done.
        """
        self.skipped = self.plan()
        super().run(global_epoch)
        self.domain.report()
        if self.failures:
            listed = "; ".join(f"{name}: {reason}" for name, reason in self.failures.items())
            raise RuntimeError(f"{len(self.failures)} of {len(self.dataset)} files failed: {listed}")
