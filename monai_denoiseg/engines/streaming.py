"""Prediction of images larger than memory: read, predicted, stitched and written tile by tile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from monai_denoiseg.checks import check_int, check_option, check_range, per_axis
from monai_denoiseg.data.lazy import LazyImage, open_lazy
from monai_denoiseg.data.ngff import is_zarr
from monai_denoiseg.data.save import output_stem, record_name
from monai_denoiseg.data.sinks import SUFFIXES, part_path
from monai_denoiseg.engines.at_spacing import stays_as_it_is, tells_its_size
from monai_denoiseg.engines.depends import digest_of
from monai_denoiseg.engines.domain_check import DomainCheck
from monai_denoiseg.engines.inferer import DenoiSegInferer
from monai_denoiseg.engines.journal import Journal
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.engines.stream_job import StreamJob
from monai_denoiseg.files import describe_source, explained, foreign_files, refusal, remove
from monai_denoiseg.heads import HEADS, denoises, head_of, rule_of
from monai_denoiseg.processes import unwrap
from monai_denoiseg.units import unit_for

FORMATS = ("auto", *SUFFIXES)


class StreamingPredictor:
    """Predict images larger than memory, from file to file.

    Called with a path, it writes ``STEM_instances`` and ``STEM_denoised`` (and ``STEM_probabilities``; for a network of semantic
    classes ``STEM_classes`` in place of the instances). The files appear under their names when they are complete.

    * **Memory** is that of a tile with its margin, whatever the size of the image, and a few bytes for every object.
    * **Result**: probabilities and denoised image equal those of the whole image within float tolerance (see :func:`tiles`).
      Instances equal those of the whole image where objects extend over less than ``overlap`` voxels along every axis; larger
      ones stay whole too, see :class:`~monai_denoiseg.transforms.instances.InstanceStitcher`.
    * **Interruption**: tiles that are done are kept in ``.STEM.partial`` beside the outputs. The same call goes on from there; a
      call with other settings starts afresh and says which differ.
    * **Frames** of a file with a time axis are predicted one by one into outputs with that axis.

    Args:
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`, with its weights.
        inferer: tile size and test-time augmentation.
        output_dir: folder for the results; it is made.
        instances: how labels are made; by default by the network's own rule and threshold
            (:func:`~monai_denoiseg.heads.rule_of`).
        threshold: foreground threshold; None: that of ``instances``.
        overlap: see above, in voxels, or one number an axis.
        output_format: ``"ome-zarr"``, ``"tiff"``, or ``"auto"`` for OME-Zarr where the input is zarr, else TIFF.
        save_probabilities: write the class probabilities too.
        axes: axes of the files as stored, where they do not tell, see :func:`~monai_denoiseg.data.open_lazy`.
        spacing: voxel size (``[Z,] Y, X``), overrides what files say.
        device: where to predict.
        amp: see :class:`Precision`.
        progress: show a progress bar with the time left; None: where somebody is looking (a terminal).

    Raises:
        ValueError: for an option out of its range.

    Example:
        >>> import tempfile, numpy as np, tifffile
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tifffile.imwrite(f"{folder}/a.tif", np.random.rand(40, 30).astype("float32"))
        ...     net, inferer = DenoiSegNet(2, depth=1, features=4), DenoiSegInferer(tile_size=16)
        ...     written = StreamingPredictor(net, inferer, f"{folder}/out")(f"{folder}/a.tif")
        ...     {key: path.name for key, path in written.items()}
        {'denoised': 'a_denoised.tif', 'instances': 'a_instances.tif'}
    """

    def __init__(
        self,
        network: nn.Module,
        inferer: DenoiSegInferer,
        output_dir: str | os.PathLike,
        *,
        instances: Any = None,
        threshold: float | None = None,
        overlap: int | Sequence[int] = 64,
        output_format: str = "auto",
        save_probabilities: bool = False,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        device: str | torch.device = "cpu",
        amp: str | bool = "auto",
        progress: bool | None = None,
    ) -> None:
        self.precision = Precision(device, amp)
        self.device = torch.device(device)
        self.network = cast(Any, self.precision.prepare(unwrap(network)))
        self.inferer, self.output_dir = inferer, Path(output_dir)
        self.head = head_of(self.network)
        self.instances = rule_of(self.network) if instances is None else instances
        level = getattr(self.instances, "threshold", 0.5) if threshold is None else threshold
        self.threshold = check_range("threshold", float(level), 0, 1)
        self.overlap = per_axis("overlap", overlap, self.network.spatial_dims)
        for edge in self.overlap:
            check_int("overlap", edge, 0)
        self.output_format = check_option("output_format", output_format, FORMATS)
        self.save_probabilities, self.axes, self.progress = save_probabilities, axes, progress
        self.spacing = None if spacing is None else [float(size) for size in spacing]
        self.digest, self.domain = "", DomainCheck(self.network)
        self._written: dict[Path, str] = {}

    def open(self, path: str | os.PathLike) -> LazyImage:
        """Open an image as this predictor reads it; see :func:`~monai_denoiseg.data.open_lazy`."""
        return open_lazy(path, self.axes, self.network.spatial_dims)

    def __call__(self, path: str | os.PathLike) -> dict[str, Path]:
        """Predict one file.

        Args:
            path: TIFF, OME-Zarr or NumPy file.

        Returns:
            The written files by their kind (``"instances"``, ``"denoised"``, ...).

        Raises:
            FileExistsError: when another file of this run was written to the same name, or one is in the way that is no earlier
                result of this image.
            OSError: when there is not enough space on the disk, before anything is computed.
            RuntimeError: when another program is working on the same output.
            ValueError: when the file cannot be read this way, or its channels or values do not suit the network.
        """
        if self.head.unstreamable:
            raise ValueError(f"{path}: {self.head.unstreamable}; pass --stream auto")
        with self.open(path) as image:
            if image.channels != self.network.in_channels:
                raise ValueError(
                    f"{path} has {image.channels} channel(s) (axes {image.axes}, shape {image.shape}), "
                    f"the network takes {self.network.in_channels}"
                )
            unit = unit_for(self.spacing, image.spacing, image.unit)
            tells_its_size(self.network, self.spacing or image.spacing, str(path))
            if not stays_as_it_is(self.network, image.spatial_shape, self.spacing or image.spacing, unit):
                wanted = " x ".join(f"{size:.4g}" for size in self.network.target_spacing)
                raise ValueError(
                    f"{path} has to be resampled to voxels of {wanted}, which the network was trained at, and for that loaded "
                    "whole: pass --stream never, or resample it first"
                )
            targets = self.targets(path)
            for target in targets.values():
                if self._written.setdefault(target, str(path)) != str(path):
                    both = f"{path} and {self._written[target]}"
                    raise FileExistsError(f"{both} would both be written to {target}; run them separately")
            name = record_name(output_stem(path))
            if foreign := foreign_files(self.output_dir, name, targets.values(), describe_source(path)):
                raise refusal(self.output_dir, name, foreign, path)
            with Journal(self.output_dir / f".{output_stem(path)}.partial", self.settings(image), str(path)) as journal:
                self._run(image, targets, journal)
        self.domain.report()
        return targets

    def _run(self, image: LazyImage, targets: dict[str, Path], journal: Journal) -> None:
        if not journal.resumed:
            self._remove_parts(image.path)
        was_training = self.network.training
        self.network.eval()
        try:
            with explained(journal.folder):
                job = StreamJob(self, image, targets, journal)
                job.run()
        except (ValueError, OSError):
            if not journal.count("predict"):  # nothing is done that would be worth keeping
                self._remove_parts(image.path)
                journal.remove()
            raise
        finally:
            self.network.train(was_training)
        journal.remove()

    def _remove_parts(self, path: Path) -> None:
        for kind in {*self._kinds(), *(one.suffix for one in HEADS.values())}:
            for suffix in SUFFIXES.values():
                remove(part_path(self.output_dir / f"{output_stem(path)}_{kind}{suffix}"))

    def targets(self, path: str | os.PathLike, frame: int | None = None) -> dict[str, Path]:
        """The files that are written for an image, by their kind.

        Args:
            path: the image.
            frame: is not used: all frames of a file go to the same results.
        """
        form = self.output_format
        form = ("ome-zarr" if is_zarr(Path(path)) else "tiff") if form == "auto" else form
        wanted = (denoises(self.network), self.head.segments, self.head.segments and self.save_probabilities)
        kinds = [kind for kind, yes in zip(self._kinds(), wanted, strict=True) if yes]
        return {kind: self.output_dir / f"{output_stem(path)}_{kind}{SUFFIXES[form]}" for kind in kinds}

    def result_digest(self, image: LazyImage) -> str:
        """Digest of what the results depend on besides the image; ``digest`` where a :class:`FilePredictor` has set it."""
        source = {"source", *describe_file(image.path)}
        return self.digest or digest_of({key: value for key, value in self.settings(image).items() if key not in source})

    def _kinds(self) -> tuple[str, str, str]:
        return ("denoised", self.head.suffix, "probabilities")

    def settings(self, image: LazyImage) -> dict[str, Any]:
        """Everything the result for an image depends on, as plain values; an interrupted run goes on if all are the same."""
        rule = {name: getattr(self.instances, name) for name in ("units",) if hasattr(self.instances, name)}
        return {
            "version": 2,
            "source": str(image.path.resolve()),
            **describe_file(image.path),
            "shape": list(image.shape),
            "axes": self.axes,
            "spacing": self.spacing,
            "weights": hash_weights(self.network),
            "tile_size": self.inferer.tile_size,
            "tta": self.inferer.tta,
            "refine": self.inferer.refines(self.network),
            "precision": str(self.precision.dtype),
            "overlap": list(self.overlap),
            "output_format": self.output_format,
            "save_probabilities": self.save_probabilities,
            "head": self.head.signature(),
            "threshold": self.threshold,
            **rule,
            **getattr(self.instances, "options", {}),
        }


def describe_file(path: Path) -> dict[str, Any]:
    """Size and time of the last change of a file, or of all files of a folder.

    Args:
        path: file or folder.

    >>> sorted(describe_file(Path(".")))
    ['source_changed', 'source_size']
    """
    stats = [entry.stat() for entry in path.rglob("*")] if path.is_dir() else [path.stat()]
    return {"source_size": sum(s.st_size for s in stats), "source_changed": max((s.st_mtime_ns for s in stats), default=0)}


def hash_weights(network: nn.Module) -> str:
    """SHA-256 of the weights and buffers of a network, but for the stored thresholds and the description.

    The rule, which is in the description, counts by the settings of a stream.

    Args:
        network: any module.

    >>> hash_weights(nn.ReLU())[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        if key.rpartition(".")[2] not in ("threshold", "description"):
            digest.update(key.encode())
            digest.update(value.detach().cpu().reshape(-1).numpy().tobytes())
    return digest.hexdigest()
