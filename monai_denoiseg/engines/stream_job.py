"""One streamed prediction: its scratch data, its outputs and the order of its steps."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from monai_denoiseg.constants import BORDER, FOREGROUND
from monai_denoiseg.data.lazy import LazyImage
from monai_denoiseg.data.ngff import require_zarr
from monai_denoiseg.data.save import output_stem, record_name
from monai_denoiseg.data.sinks import SUFFIXES, Sink, chunk_shape, open_sink, part_path
from monai_denoiseg.engines.inferer import Tile, tiles
from monai_denoiseg.engines.journal import Journal
from monai_denoiseg.engines.whole_range import check_finite, streamed_range, usual_window
from monai_denoiseg.files import ResultSet, readable_size
from monai_denoiseg.spacing import voxel_size
from monai_denoiseg.transforms import refine_denoised
from monai_denoiseg.transforms.instances import InstanceStitcher
from monai_denoiseg.transforms.instances.necks import aspect_of
from monai_denoiseg.transforms.intensity import refine_reach
from monai_denoiseg.transforms.orientation import n_orientations
from monai_denoiseg.units import unit_for

logger = logging.getLogger(__name__)

# Rough times of a tile, for the time left.
_WORK = {"intensity": 0.3, "predict": 12.0, "refine": 3.0, "label": 1.0, "join": 0.5, "split": 6.0, "unite": 1.0, "grow": 4.0}


class StreamJob:
    """Predict one image; see :class:`StreamingPredictor`, which makes it.

    Args:
        owner: the :class:`StreamingPredictor`: network, inferer and options.
        image: the input.
        targets: the outputs by kind; those of other kinds that an earlier run left half done are removed.
        journal: what is done already.

    Raises:
        OSError: when there is not enough space on the disk.
        ValueError: when physical units are asked for and there is no voxel size.
    """

    def __init__(self, owner: Any, image: LazyImage, targets: dict[str, Path], journal: Journal) -> None:
        self.owner, self.image, self.targets, self.journal = owner, image, targets, journal
        self.network, self.shape = owner.network, image.spatial_shape
        self.tiles: list[Tile] = owner.inferer.tiling(self.shape, self.network)
        self.head = owner.head
        labels = self.head.suffix in targets
        self.finds, self.labels_tiles = labels and not self.head.voxelwise, labels and self.head.voxelwise
        self.refines = "denoised" in targets and owner.inferer.refines(self.network)
        self.spacing = owner.spacing or image.spacing
        self.physical = self._physical()
        self.splits = self.finds and bool(owner.instances.options.get("split_neck"))
        self.finding = ["label", "join", *["split", "unite"] * self.splits, "grow"] if self.finds else []
        self.sinks: dict[str, Sink] = {}
        self.bar: Any = None
        if journal.resumed and not self._outputs_are_there():
            logger.warning("%s: starts afresh, an output of the interrupted run is gone", image.path)
            journal.restart()
        self._check_space()
        self.scratch: dict[str, Any] = self._open_scratch() if self.finds or self.refines else {}

    def run(self) -> None:
        """Do what is still to do, then give the outputs their names and remove the scratch data."""
        if self.journal.resumed:
            logger.info("%s: goes on, %d tiles are predicted", self.image.path, self.journal.count("predict"))
        steps = ["intensity"] * bool(self.network.image_mode) + ["predict"] + ["refine"] * self.refines + self.finding
        total = self.image.frames * len(self.tiles) * sum(map(self._work, steps))
        layout = "{desc}: {percentage:3.0f}% |{bar}| [{elapsed}<{remaining}]"
        hidden = None if self.owner.progress is None else not self.owner.progress
        with tqdm(total=total, desc=self.image.path.name, bar_format=layout, disable=hidden, leave=False) as self.bar:
            for frame in range(self.image.frames):
                self._predict(frame)
                if self.refines:
                    self._refine(frame)
                if self.finds:
                    self._find(frame)
        self._publish()

    def _publish(self) -> None:
        """Give the outputs their names, all together."""
        path, digest = self.image.path, self.owner.result_digest(self.image)
        with ResultSet(self.owner.output_dir, record_name(output_stem(path)), path, digest) as results:
            for target in self.targets.values():
                results.adopt(target, part_path(target))

    def _work(self, step: str) -> float:
        many = step == "predict" and self.owner.inferer.tta
        return _WORK[step] * (n_orientations(len(self.shape), square=True) if many else 1)

    def _to_do(self, step: str, frame: int, noted: bool = True) -> Iterator[int]:
        """Numbers of the tiles of a step that are not done; each is noted as done when the next is asked for."""
        for number in range(len(self.tiles)):
            if not (noted and self.journal.has(step, frame, number)):
                yield number
                if noted:
                    self.journal.add(step, frame, number)
            self.bar.update(self._work(step))

    def _predict(self, frame: int) -> None:
        intensity = self._intensity(frame).cpu()
        self._look(frame, intensity)
        intensity = intensity.to(self.owner.device)
        kinds = self.network.n_classes
        for number in self._to_do("predict", frame):
            tile = self.tiles[number]
            data = check_finite(self.image.read(frame, tile.window), str(self.image.path))
            batch = torch.from_numpy(data.astype(np.float32))[None].to(self.owner.device)
            with torch.no_grad(), self.owner.precision.autocast(self.network, batch):
                batch = self.owner.precision.layout(batch)
                output = self.owner.inferer.predict_window(batch, self.network, intensity)[(0, slice(None), *tile.inner)]
            result = output.float().cpu().numpy()
            if self.refines:
                self.scratch["denoised"][(slice(None), *tile.core)] = result[kinds:]
            elif "denoised" in self.targets:
                self._sink("denoised").write(frame, tile.core, result[kinds:])
            if "probabilities" in self.targets:
                self._sink("probabilities").write(frame, tile.core, result[:kinds])
            if self.labels_tiles:
                found = np.asarray(self.owner.instances(result[:kinds], self.owner.threshold, spacing=self.spacing))
                self._sink(self.head.suffix).write(frame, tile.core, found.astype(self.head.label_type))
            if self.finds:
                self.scratch["foreground"][tile.core] = result[FOREGROUND]
                self.scratch["border"][tile.core] = result[BORDER]

    def _refine(self, frame: int) -> None:
        """Correct the denoised frame by the noisy one; each tile's surroundings must have been predicted."""
        axes = len(self.shape)
        parts = list(tiles(self.shape, self._tile_shape(), [refine_reach(axes)] * axes, [1] * axes))
        for number in self._to_do("refine", frame):
            part = parts[number]
            noisy = self.image.read(frame, part.window).astype(np.float32)
            refined = refine_denoised(self.scratch["denoised"][(slice(None), *part.window)], noisy)
            self._sink("denoised").write(frame, part.core, refined[(slice(None), *part.inner)])

    def _intensity(self, frame: int) -> torch.Tensor:
        """What the network normalises with: numbers of the whole frame, read once beforehand where it needs them."""
        if not bool(self.network.image_mode):
            return self.network.intensity(torch.zeros(1, self.image.channels))  # type: ignore[no-any-return]
        kept = self.journal.get(f"intensity {frame}")
        if kept is None:
            cores = (self.tiles[number].core for number in self._to_do("intensity", frame, noted=False))
            kept = streamed_range(self.image, frame, cores, usual_window(self.network)).tolist()
            self.journal.keep(f"intensity {frame}", kept)
        else:
            self.bar.update(self._work("intensity") * len(self.tiles))
        return torch.tensor(kept)

    def _look(self, frame: int, intensity: torch.Tensor) -> None:
        """Compare a frame with the images of the training."""

        def read(place: tuple[slice, ...]) -> torch.Tensor:
            return torch.from_numpy(self.image.read(frame, place).astype(np.float32))

        name = f"{self.image.path} (frame {frame + 1})" if self.image.frames > 1 else str(self.image.path)
        self.owner.domain.add_windows(name, read, self.shape, intensity[0])

    def _find(self, frame: int) -> None:
        """Number the objects of a frame. Labelling is quick beside the network, so it is done again after an interruption."""
        if all(self.journal.has("grow", frame, number) for number in range(len(self.tiles))):
            self.bar.update(sum(map(self._work, self.finding)) * len(self.tiles))
            return
        options = {**self.owner.instances.options, "spacing": self.physical, "overlap": self.owner.overlap}
        if self.splits:
            options |= {"aspect": aspect_of(self.spacing, len(self.shape)), "parts": self.scratch["parts"]}
        cores = [tile.core for tile in self.tiles]
        stitcher = InstanceStitcher(
            self.scratch["foreground"], self.scratch["border"], self.scratch["numbers"], cores, self.owner.threshold, **options
        )
        objects = stitcher.find(lambda step: self._to_do(step, frame, noted=False))
        if self.journal.get("label type") is None:
            # How many objects later frames hold is not known yet.
            small = objects <= np.iinfo(np.uint16).max and self.image.frames == 1
            self.journal.keep("label type", "uint16" if small else "uint32")
        for number in self._to_do("grow", frame):
            self._sink(self.head.suffix).write(frame, cores[number], stitcher.grow(number)[None])

    def _sink(self, kind: str) -> Sink:
        if kind not in self.sinks:
            channels = {"denoised": self.image.channels, "probabilities": self.network.n_classes}.get(kind, 1)
            dtype = (self.head.label_type or self.journal.get("label type")) if kind == self.head.suffix else "float32"
            self.sinks[kind] = open_sink(
                self.targets[kind],
                (self.image.frames, channels, *self.shape),
                dtype,
                next(name for name, suffix in SUFFIXES.items() if self.targets[kind].name.endswith(suffix)),
                tile=self._tile_shape(),
                spacing=self.spacing,
                unit=unit_for(self.spacing, self.image.spacing, self.image.unit),
                resume=bool(self.journal.get(f"begun {kind}")),
            )
            self.journal.keep(f"begun {kind}", True)
        return self.sinks[kind]

    def _tile_shape(self) -> list[int]:
        """Shape of the largest tile: the first one."""
        return [span.stop - span.start for span in self.tiles[0].core]

    def _physical(self) -> tuple[float, ...] | None:
        if not self.finds or self.owner.instances.units == "voxel":
            return None
        return voxel_size(self.spacing, len(self.shape), "`min_size`, `max_grow`")

    def _outputs_are_there(self) -> bool:
        """Whether every output that was begun is still there, half done or (killed among the last renamings) finished."""
        last = "grow" if self.finds else "refine" if self.refines else "predict"
        whole = self.journal.count(last) == self.image.frames * len(self.tiles)
        begun = [target for kind, target in self.targets.items() if self.journal.get(f"begun {kind}")]
        return all(part_path(target).exists() or (whole and target.exists()) for target in begun)

    def _check_space(self) -> None:
        voxels, frames = math.prod(self.shape), self.image.frames
        channels = self.image.channels + (self.network.n_classes if "probabilities" in self.targets else 0)
        need = voxels * frames * 4 * (channels + (len(self.targets) > 1)) + voxels * (12 * self.finds + 4 * self.splits)
        need += voxels * 4 * self.image.channels * self.refines
        have = [self.journal.folder, *(part_path(target) for target in self.targets.values())]
        need -= sum(_used(path) for path in have)
        free = shutil.disk_usage(self.owner.output_dir).free
        if need > free:
            raise OSError(
                f"{self.image.path}: results and intermediate data need up to {readable_size(need)} in {self.owner.output_dir}, "
                f"{readable_size(free)} are free; make room or choose another output_dir"
            )

    def _open_scratch(self) -> dict[str, Any]:
        axes = "ZYX"[-len(self.shape) :]
        chunks = tuple(min(c, n) for c, n in zip(chunk_shape(self._tile_shape(), axes), self.shape, strict=True))
        names = {"foreground": "float32", "border": "float32", "numbers": "int32"} if self.finds else {}
        names |= {"parts": "int32"} if self.splits else {}
        names |= {"denoised": "float32"} if self.refines else {}
        if not self.journal.get("begun scratch"):
            for name, dtype in names.items():
                # Probabilities hardly shrink; numbers do.
                options: dict[str, Any] = {"compressors": None} if dtype == "float32" else {}
                path, lead = str(self.journal.folder / name), (self.image.channels,) if name == "denoised" else ()
                options |= {"shape": (*lead, *self.shape), "chunks": (*lead, *chunks)}
                require_zarr().create_array(path, dtype=dtype, fill_value=0, overwrite=True, **options)
            self.journal.keep("begun scratch", True)
        return {name: require_zarr().open_array(str(self.journal.folder / name), mode="r+") for name in names}


def _used(path: Path) -> int:
    """Bytes on the disk of a file or folder."""
    files = path.rglob("*") if path.is_dir() else [path] if path.exists() else []
    return sum(getattr(stat := file.stat(), "st_blocks", 0) * 512 or stat.st_size for file in files if file.is_file())
