"""Predictions that are on disk already: new labels of them, by another threshold or rule, without the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_denoiseg.data.reader import read_result
from monai_denoiseg.data.save import output_stem, record_name
from monai_denoiseg.data.sinks import SUFFIXES
from monai_denoiseg.data.volume_files import result_ending
from monai_denoiseg.files import describe_source
from monai_denoiseg.files.record import read_record
from monai_denoiseg.heads import denoises, head_of


class StoredPredictions:
    """Read what an inference with ``save_probabilities`` wrote, in place of predicting.

    Args:
        folder: folder of its results.
        network: the network that made them; its head says what the channels are.

    Raises:
        ValueError: for a network that only denoises.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> StoredPredictions("no folder", DenoiSegNet(2, depth=1, features=4)).check([{"image": "a.tif"}])
    Traceback (most recent call last):
        ...
    FileNotFoundError: no folder holds no a_probabilities of a.tif: infer with --save_probabilities true first (1 of 1 missing)
    """

    def __init__(self, folder: str | os.PathLike, network: Any) -> None:
        self.folder, self.head = Path(folder), head_of(network)
        self.spatial_dims = int(network.spatial_dims)
        self.kinds = {"probabilities": self.head.channels} | ({"denoised": int(network.in_channels)} if denoises(network) else {})
        if not self.head.segments:
            raise ValueError("`from_probabilities` makes labels anew, and this network only denoises: leave it out")

    def _file(self, path: str, frame: int | None, kind: str) -> Path | None:
        stem = output_stem(path, frame)
        endings = {result_ending(path), *SUFFIXES.values()}  # as an image is predicted in memory, or from disk to disk
        choices = [choice for ending in endings if (choice := self.folder / f"{stem}_{kind}{ending}").exists()]
        return max(choices, key=lambda choice: choice.stat().st_mtime_ns, default=None)

    def check(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Raise if files are missing, or are of another image than the one that is there now, before any work is done.

        Args:
            items: data list.

        Raises:
            FileNotFoundError: naming the first one that is missing.
            ValueError: naming the first image that has changed since.
        """
        listed = list(items)
        missing = [
            (item["image"], f"{output_stem(item['image'], item.get('frame'))}_{kind}")
            for item in listed
            for kind in self.kinds
            if self._file(item["image"], item.get("frame"), kind) is None
        ]
        if missing:
            image, name = missing[0]
            without = len({str(path) for path, _ in missing})
            raise FileNotFoundError(
                f"{self.folder} holds no {name} of {image}: infer with --save_probabilities true first "
                f"({without} of {len(listed)} missing)"
            )
        changed = [item["image"] for item in listed if self._is_of_another(item)]
        if changed:
            raise ValueError(
                f"{self.folder} holds probabilities of another image than {changed[0]} is now ({len(changed)} of {len(listed)}): "
                "infer again, or name the folder of the results that were made of it"
            )

    def _is_of_another(self, item: Mapping[str, Any]) -> bool:
        """Whether the record of the results tells of an image with another content; one that was copied or moved is the same."""
        known = read_record(self.folder, record_name(output_stem(item["image"], item.get("frame")))).source
        now = describe_source(item["image"])
        return bool(known) and any(known.get(key) != now[key] for key in ("size", "ends"))

    def __call__(self, item: Mapping[str, Any]) -> Tensor:
        """Read the prediction of an image.

        Args:
            item: ``image``, a MetaTensor with its file name; ``frame``, and ``frames`` where all of them are in one file.

        Returns:
            ``(K + C, [D,] H, W)``: segmentation channels, then the denoised ones.

        Raises:
            ValueError: for files of another shape or number of channels.
        """
        image, inside = item["image"], "frames" in item
        path, frame = str(image.meta["filename_or_obj"]), item.get("frame")
        parts = []
        for kind, channels in self.kinds.items():
            file = self._file(path, None if inside else frame, kind)
            if file is None:
                self.check([{"image": path} | ({} if inside or frame is None else {"frame": frame})])
            array = read_result(str(file), self.spatial_dims, int(item["frame"]) if inside else None)
            if array.shape != (channels, *image.shape[1:]):
                wanted = (channels, *image.shape[1:])
                raise ValueError(f"{file} has the shape {array.shape}, {wanted} is expected: it is of another network or image")
            parts.append(array)
        return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def stored_predictions(folder: str | None, network: Any) -> StoredPredictions | None:
    """:class:`StoredPredictions` of a folder; None without one.

    Args:
        folder: folder of results, or None.
        network: the network that made them.

    >>> stored_predictions(None, None)
    """
    return None if folder is None else StoredPredictions(folder, network)
