"""Self2Seg: segment and denoise one image, without any training data."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.self2seg.differences import TV_KINDS
from monai_denoiseg.self2seg.expert import Expert
from monai_denoiseg.self2seg.experts import make_experts
from monai_denoiseg.self2seg.linear_expert import RIDGE
from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast
from monai_denoiseg.self2seg.noise2fast_training import Noise2FastSettings
from monai_denoiseg.self2seg.path import LAMBDAS, check_lambdas
from monai_denoiseg.self2seg.result import Self2SegResult
from monai_denoiseg.self2seg.run import Rules, Run
from monai_denoiseg.self2seg.starts import Boxes, start_by_boxes, start_by_scribbles, start_by_threshold
from monai_denoiseg.self2seg.watch import Watch

logger = logging.getLogger(__name__)

MAX_ITERATIONS = 3000  # of the solver; nearly equal experts leave a problem that hardly ever closes its gap
STARTS = ("threshold", "denoise", "boxes", "scribbles")


class Self2Seg:
    """Joint segmentation and denoising of a single image: experts compete for the pixels.

    Each region has a denoiser that learns from the pixels of this region only. Each pixel is assigned to the denoiser that
    explains it best; a price on the length of the boundary keeps the regions compact. Both steps are repeated.

    Args:
        experts: of each region, the background first: ``"noise2fast"`` (a small convolutional network), ``"linear"`` (a
            blind-spot filter, seconds), ``"constant"``, or objects (see :class:`~monai_denoiseg.self2seg.expert.Expert`).
        lam: price of a boundary pixel, in squared intensities of the image scaled to [0, 1]. None: chosen at every step from
            ``lam_path`` by :func:`~monai_denoiseg.self2seg.path.held_out_scores`.
        lam_path: also return the masks for these weights.
        tv: how the boundary is measured: ``"isotropic"``, or ``"anisotropic"`` (along the axes; thresholding is exact).
        mu: weight of the squared distance to the regions of the previous step.
        ridge: penalty that keeps a ``"linear"`` expert to its own region: 1 for textures, 10 for cells.
        residual_box: average the residuals over a box of this many pixels (odd); 1: not. For cells in strong noise, 3.
        start: what the experts learn from first: ``"threshold"`` (by brightness), ``"denoise"`` (the same after Noise2Fast),
            ``"boxes"`` or ``"scribbles"`` (given with the image).
        start_threshold: where to cut between darkest (0) and brightest (1); None: Otsu's threshold. More regions: always Otsu's.
        keep_scribbles: whether drawn pixels keep their region to the end.
        max_outer: at most this many rounds.
        energy_tolerance: stop when the energy changes by less than this share.
        mask_tolerance: stop when less than this share of the pixels changes region.
        gap_tolerance: of the solver, see :func:`~monai_denoiseg.self2seg.solver.solve_u`.
        axis_weights: of the axes in the boundary length, for voxels that are not cubes: smallest spacing / spacing.
        time_budget: seconds; when they are over the best segmentation so far is returned.
        seed: of the random numbers.
        progress: whether to show a progress bar.
        noise2fast: options of the experts named ``"noise2fast"`` and of the start ``"denoise"``, see
            :class:`~monai_denoiseg.self2seg.noise2fast.Noise2FastSettings`.

    Raises:
        ValueError: for an unknown name or a number out of range.

    Source: Gruber et al., "Self2Seg: single-image self-supervised joint segmentation and denoising", arXiv 2309.10511.

    >>> generator = torch.Generator().manual_seed(0)
    >>> image = 0.1 * torch.randn(1, 32, 32, generator=generator)
    >>> image[:, 8:24, 10:22] += 1
    >>> result = Self2Seg(["constant", "constant"], lam=0.1)(image)
    >>> int(result.labels.sum()), result.labels.shape, result.denoised.shape
    (192, torch.Size([32, 32]), torch.Size([1, 32, 32]))
    """

    def __init__(
        self,
        experts: Sequence[str | Expert] = ("constant", "noise2fast"),
        *,
        lam: float | None = 0.02,
        lam_path: Sequence[float] | None = None,
        tv: str = "isotropic",
        mu: float = 0.0,
        ridge: float = RIDGE,
        residual_box: int = 1,
        start: str = "denoise",
        start_threshold: float | None = None,
        keep_scribbles: bool = False,
        max_outer: int = 6,
        energy_tolerance: float = 0.15,
        mask_tolerance: float = 0.005,
        gap_tolerance: float = 1e-4,
        axis_weights: Sequence[float] | None = None,
        time_budget: float | None = None,
        seed: int = 0,
        progress: bool = False,
        **noise2fast: Any,
    ) -> None:
        make_experts(experts, seed, ridge, **noise2fast)  # says what is wrong before any work is done
        self.experts, self.seed, self.ridge, self.noise2fast = experts, check_int("seed", seed, 0), ridge, noise2fast
        wanted = LAMBDAS if lam_path is None and lam is None else lam_path
        if check_int("residual_box", residual_box, 1) % 2 == 0:
            raise ValueError(f"`residual_box` must be odd, got {residual_box}")
        self.rules = Rules(
            lam=None if lam is None else check_range("lambda", lam, 0, math.inf, open_high=True),
            lam_path=None if wanted is None else check_lambdas(wanted),
            mu=check_range("mu", mu, 0, math.inf, open_high=True),
            residual_box=residual_box,
            solver={
                "tv": check_option("tv", tv, TV_KINDS),
                "weights": axis_weights,
                "tolerance": gap_tolerance,
                "max_iterations": MAX_ITERATIONS,
            },
        )
        self.start, self.start_threshold = check_option("start", start, STARTS), start_threshold
        self.keep_scribbles = keep_scribbles
        self.max_outer = check_int("max_outer", max_outer, 1)
        self.energy_tolerance = check_range("energy_tolerance", energy_tolerance, 0, 1)
        self.mask_tolerance = check_range("mask_tolerance", mask_tolerance, 0, 1)
        self.time_budget, self.progress = time_budget, progress
        Watch(time_budget)

    def __call__(self, image: ArrayLike | Tensor, boxes: Boxes | None = None, scribbles: Tensor | None = None) -> Self2SegResult:
        """Segment and denoise an image.

        Args:
            image: ``(C, [D,] H, W)``, finite, in any unit.
            boxes: for the start ``"boxes"``, see :func:`~monai_denoiseg.self2seg.starts.start_by_boxes`.
            scribbles: for the start ``"scribbles"``, ``([D,] H, W)``: the region, -1 or 255 where nothing is drawn.

        Returns:
            Labels, denoised image and the energies of the steps.

        Raises:
            ValueError: for an image that is not finite, constant or of the wrong shape, and for a start that leaves a region
                empty.
        """
        watch = Watch(self.time_budget, self.progress)
        try:
            return self._loop(self._begin(image, boxes, scribbles, watch))
        finally:
            watch.close()

    def sweep(
        self, image: ArrayLike | Tensor, lams: Sequence[float], boxes: Boxes | None = None, scribbles: Tensor | None = None
    ) -> list[Self2SegResult]:
        """Segment with several weights, each by a loop of its own; only the experts' first training is shared.

        The path (``lam_path``) is cheaper: it cuts with several weights once the experts have been trained with one of them.

        Args:
            image: as in a call.
            lams: weights of the boundary.
            boxes: as in a call.
            scribbles: as in a call.

        Returns:
            A result for each weight, ascending.

        Raises:
            ValueError: as a call, and for weights out of range.

        >>> image = torch.zeros(1, 8, 8)
        >>> image[:, 2:6, 2:6] = 1
        >>> [int(result.labels.sum()) for result in Self2Seg(["constant", "constant"]).sweep(image, [0.1, 9.0])]
        [16, 0]
        """
        values = check_lambdas(lams)
        watch = Watch(self.time_budget, self.progress)
        try:
            begun = self._begin(image, boxes, scribbles, watch)
            return [self._loop(begun.copy(replace(self.rules, lam=lam, lam_path=None))) for lam in values]
        finally:
            watch.close()

    def _begin(self, image: ArrayLike | Tensor, boxes: Boxes | None, scribbles: Tensor | None, watch: Watch) -> Run:
        values = checked_image(image)
        if bool(values.amin() == values.amax()):
            raise ValueError("the image is constant: there is nothing to segment")
        masks = self._masks(values, boxes, scribbles, watch)
        held = masks if self.keep_scribbles and self.start == "scribbles" else None
        run = Run(values, make_experts(self.experts, self.seed, self.ridge, **self.noise2fast), masks, self.rules, watch, held)
        run.learn()
        return run

    def _masks(self, image: Tensor, boxes: Boxes | None, scribbles: Tensor | None, watch: Watch) -> Tensor:
        n_regions = len(self.experts)
        for name, given in (("boxes", boxes), ("scribbles", scribbles)):
            if given is None and self.start == name:
                raise ValueError(f"start={name!r} needs `{name}`")
            if given is not None and self.start != name:
                raise ValueError(f"`{name}` are given, but start={self.start!r} does not use them: give start={name!r}")
        if boxes is not None:
            if len(boxes) != n_regions:
                raise ValueError(f"`boxes` needs a list for each of {n_regions} regions, background first, got {len(boxes)}")
            masks = start_by_boxes(image.shape[1:], boxes)
        elif scribbles is not None:
            drawn = _to_tensor(scribbles)
            if drawn.shape != image.shape[1:]:
                raise ValueError(f"scribbles have shape {tuple(drawn.shape)}, the image {tuple(image.shape[1:])}")
            masks = start_by_scribbles(drawn, n_regions)
        else:
            grey = image
            if self.start == "denoise":
                known = {field.name for field in fields(Noise2FastSettings)}
                options = {name: value for name, value in self.noise2fast.items() if name in known}
                grey = denoise_noise2fast(image, watch=watch, **{"seed": self.seed, **options})
            masks = start_by_threshold(grey, n_regions, self.start_threshold)
        empty = [region for region in range(n_regions) if not bool(masks[region].any())]
        if empty:
            raise ValueError(f"the start {self.start!r} leaves region {empty[0]} empty: change `start_threshold`, or give boxes")
        return masks.to(image.device)

    def _loop(self, run: Run) -> Self2SegResult:
        """Go on from experts that have learnt from the start."""
        stopped = "max_outer"
        for step in range(1, self.max_outer + 1):
            run.cut(step)
            reason = self._reason_to_stop(run)
            if reason:
                stopped = reason
                break
            if step < self.max_outer:
                run.learn()
                if run.watch.over:  # the experts have not finished: their regions would be worse than the last
                    stopped = "time"
                    break
        if stopped != "empty" and not run.watch.over:
            run.learn()  # the denoised image comes from experts that have learnt from the final regions
        if stopped == "empty":
            logger.warning("a region has vanished after %d steps: give a smaller lambda or another start", len(run.records))
        return replace(run.result(stopped), stopped=stopped)

    def _reason_to_stop(self, run: Run) -> str | None:
        if run.has_empty_region():
            return "empty"
        if run.watch.over:
            return "time"
        if len(run.records) > 1:
            before, now = run.records[-2], run.records[-1]
            if now.changed <= self.mask_tolerance:
                return "mask"
            same = before.lam == now.lam
            if same and abs(before.energy - now.energy) <= self.energy_tolerance * before.energy:
                return "energy"
        return None


def checked_image(image: ArrayLike | Tensor) -> Tensor:
    """The image as a float32 (or float64) tensor.

    Args:
        image: ``(C, [D,] H, W)``.

    Raises:
        ValueError: for another number of axes, an empty image, and values that are complex or not finite.

    >>> checked_image(np.zeros((1, 2, 3), np.uint8)).dtype
    torch.float32
    """
    values = _to_tensor(image)
    if values.is_complex():
        raise ValueError("the image is complex: give its magnitude")
    values = values if values.dtype in (torch.float32, torch.float64) else values.float()
    if values.ndim not in (3, 4) or values.numel() == 0:
        raise ValueError(f"an image must be (channels, [depth,] height, width), not empty; got the shape {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("the image has NaN or infinite values: replace them first")
    return values.detach()


def _to_tensor(values: ArrayLike | Tensor) -> Tensor:
    """A plain tensor. Arrays are copied into the machine's byte order: files may have the other one, which torch cannot read."""
    if isinstance(values, Tensor):
        return values.as_subclass(Tensor)
    array = np.asarray(values)
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")))
