"""One run of `recipe_trials.py`: the training patches, the training, the scores on held-out images."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import torch
from dsb2018 import PATCH, PER_IMAGE, load
from recipe_trials_augment import Patches, crops, draw_numbers, rescaled_crops
from torch import Tensor

from monai_denoiseg.checks import check_option
from monai_denoiseg.engines import DenoiSegInferer, Precision
from monai_denoiseg.losses import BlindSpotLoss, PartialCrossEntropyLoss
from monai_denoiseg.metrics import average_precision, psnr, seg_score
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, BorderLabel
from monai_denoiseg.transforms.instances import instances_from_foreground

SIGMA, LABELS, ALPHA, MIN_SIZE = 20.0, 10, 0.5, 15
THRESHOLDS = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96)
REFRESH = 100  # steps between two denoisings of the labelled patches
AT_ONCE = 50  # patches denoised together
DECAY = 0.99  # of the averaged weights
TEACHER_START, TEACHER_RAMP = 0.3, 0.2  # shares of the training


@dataclass(frozen=True)
class Recipe:
    """What a candidate may change."""

    normalisation: str = "dataset"
    """``dataset`` or ``image``."""
    border_weight: float = 5.0
    """Weight of the border class in the loss."""
    gain: float = 1.0
    """Largest factor of the brightness of labelled noisy crops, noise included; 1 is off."""
    zoom: float = 1.0
    """Largest scale of labelled noisy crops, noise included; 1 is off."""
    rescale_gain: float = 1.0
    """Largest factor of the brightness of labelled crops under unchanged noise; 1 is off."""
    rescale_zoom: float = 1.0
    """Largest scale of labelled crops under unscaled noise; 1 is off."""
    rescale_start: float = 0.2
    """Share of the steps before the first of those crops."""
    mean_teacher: float = 0.0
    """Weight of the agreement with a network of averaged weights on unlabelled crops; 0 is off."""
    denoise_labelled: bool = True
    """Whether labelled crops count in the denoising loss too."""
    mask_fraction: float = 1 / 64
    """Share of the pixels hidden in each step."""
    denoising_unit: str = "dataset"
    """Unit of the denoising error: ``dataset``, the deviation of the images, or ``noise``, that of the noise."""
    depth: int = 3
    features: int = 16
    batch: int = 16
    """Crops in a step, half of them labelled."""
    steps: int = 1000
    learning_rate: float = 1e-3
    """Of Adam at the first step; it falls to a fiftieth along a cosine."""

    def __post_init__(self) -> None:
        check_option("normalisation", self.normalisation, ("dataset", "image"))
        check_option("denoising_unit", self.denoising_unit, ("dataset", "noise"))
        for name in ("gain", "zoom", "rescale_gain", "rescale_zoom"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"`{name}` must be at least 1 (1 is off), got {getattr(self, name)}")
        for name, least in (("batch", 2), ("steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}")
        if self.gain > 1 and self.normalisation == "image":
            raise ValueError("`gain` above 1 needs `normalisation` 'dataset': the other takes every gain away")
        if self.rescales and max(self.gain, self.zoom) > 1:
            raise ValueError("`gain` and `zoom` scale the noise too: leave them at 1 with `rescale_gain` or `rescale_zoom`")

    @property
    def rescales(self) -> bool:
        """Whether labelled crops are scaled or brightened under the noise as it is."""
        return max(self.rescale_gain, self.rescale_zoom) > 1


Images: TypeAlias = list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]
"""Name, noisy, clean, objects."""


class Trials(NamedTuple):
    """Images held out for the scores, and patches of the others with their objects."""

    held_out: Images
    images: np.ndarray
    masks: np.ndarray


def prepare(data: Path, count: int) -> Trials:
    """Read dev-train, hold `count` images out, and cut patches from the others.

    Raises:
        ValueError: when too little is left to train on.
    """
    items = load(data / "dev-train", SIGMA, np.random.default_rng(123))
    if count > len(items):
        raise ValueError(f"--tune {count}: there are {len(items)} images in dev-train/images")
    held_out = sorted(np.random.default_rng(777).permutation(len(items))[:count].tolist())
    cut, images, masks = np.random.default_rng(0), [], []
    for index in sorted(set(range(len(items))) - set(held_out)):
        _, noisy, _, objects = items[index]
        for _ in range(PER_IMAGE if min(noisy.shape) >= PATCH else 0):
            y, x = (int(cut.integers(0, size - PATCH + 1)) for size in noisy.shape)
            images.append(noisy[y : y + PATCH, x : x + PATCH])
            masks.append(objects[y : y + PATCH, x : x + PATCH].astype(np.int32))
    if len(images) <= LABELS:
        raise ValueError(f"--data {data}: {len(images)} patches beside the --tune {count} images, {LABELS + 1} needed at least")
    return Trials([items[index] for index in held_out], np.stack(images), np.stack(masks))


def shuffled(trials: Trials, seed: int) -> Patches:
    """The patches in the order of a seed; the first ten are labelled."""
    order = np.random.default_rng(1000 + seed).permutation(len(trials.images))
    images, masks = (torch.from_numpy(stack[order])[:, None] for stack in (trials.images, trials.masks))
    labels, border = torch.full_like(masks, -1), BorderLabel()
    for number in range(LABELS):
        labels[number] = torch.as_tensor(border(masks[number]))
    return Patches(images, masks, labels)


class Training:
    """A training step by step.

    Args:
        recipe: what is tried.
        patches: from :func:`shuffled`.
        seed: of all draws.
    """

    def __init__(self, recipe: Recipe, patches: Patches, seed: int) -> None:
        torch.manual_seed(seed)
        self.recipe, self.patches = recipe, patches
        net = DenoiSegNet(2, depth=recipe.depth, features=recipe.features, normalisation=recipe.normalisation)
        self.precision, images = Precision("cpu"), patches.images
        self.network = cast(DenoiSegNet, self.precision.prepare(net))
        std, weights = images.std().reshape(1), [1, 1, recipe.border_weight]
        self.network.set_statistics(images.mean().reshape(1), std)
        self.network.set_class_weights(weights)
        self.intensity = torch.cat([self.network.intensity(part) for part in images.split(100)]).float().contiguous()
        self.unit = {"dataset": std, "noise": torch.tensor([SIGMA])}[recipe.denoising_unit]
        self.spot, self.error = BlindSpot(recipe.mask_fraction), BlindSpotLoss("mean")
        self.entropy = PartialCrossEntropyLoss(weights, "labelled")
        self.log_weights = torch.tensor(weights).log().reshape(1, 3, 1, 1)
        rate = recipe.learning_rate
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=0)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, recipe.steps, rate / 50)
        self.averaged = copy.deepcopy(self.network).eval() if recipe.mean_teacher else None
        self.denoised: Tensor | None = None
        self.n_labelled = max(1, round(recipe.batch / 2))

    def step(self, number: int) -> tuple[float, float]:
        """Train on one batch; returns the denoising and the segmentation loss."""
        recipe, half = self.recipe, self.n_labelled
        labelled = draw_numbers(LABELS, half)
        others = draw_numbers(len(self.patches.images) - LABELS, recipe.batch - half) + LABELS
        image, label = self._crops(number, labelled)
        unlabelled, nothing = crops(self.patches, others.tolist())
        image, label = torch.cat([image, unlabelled]), torch.cat([label, nothing])
        gain = self._gains(len(image))
        hidden, mask = self.spot(image)
        self.network.train()
        taught = self._teach(number, unlabelled, others)
        output = self._predict(hidden if gain is None else hidden * gain, torch.cat([labelled, others]))
        denoised = output[:, 3:] if gain is None else output[:, 3:] / gain
        first = 0 if recipe.denoise_labelled else half
        denoising = self.error(denoised[first:], image[first:], mask[first:], self.unit)
        segmentation = self.entropy(output[:, :3], label)
        loss = ALPHA * denoising + (1 - ALPHA) * segmentation
        if taught is not None:
            loss = loss + self._disagreement(number, output[half:, :3], taught)
        self._update(loss, number)
        return float(denoising.detach()), float(segmentation.detach())

    def _update(self, loss: Tensor, number: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        if self.averaged is not None:
            average(self.averaged, self.network, min(DECAY, (1 + number) / (10 + number)))

    def _crops(self, number: int, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """The labelled half of a batch."""
        recipe = self.recipe
        if not recipe.rescales or number < recipe.rescale_start * recipe.steps:
            return crops(self.patches, labelled.tolist(), recipe.zoom)
        if self.denoised is None or number % REFRESH == 0:
            self._refresh()
        assert self.denoised is not None
        return rescaled_crops(self.patches, self.denoised, labelled.tolist(), recipe.rescale_zoom, recipe.rescale_gain)

    def _refresh(self) -> None:
        self.network.eval()
        numbers = torch.arange(min(AT_ONCE, len(self.patches.images)))
        with torch.no_grad():
            self.denoised = self._predict(self.patches.images[numbers], numbers)[:LABELS, 3:].float()

    def _predict(self, image: Tensor, numbers: Tensor, network: DenoiSegNet | None = None) -> Tensor:
        with self.precision.autocast(self.network, image):
            output: Tensor = (network or self.network)(self.precision.layout(image), self.intensity[numbers])
        return output

    def _gains(self, count: int) -> Tensor | None:
        """Factors of the brightness: of the labelled crops random ones, of the others 1."""
        if self.recipe.gain == 1:
            return None
        gain = torch.ones(count, 1, 1, 1)
        draw = 2 * torch.rand(self.n_labelled, 1, 1, 1) - 1
        gain[: self.n_labelled] = torch.exp(draw * math.log(self.recipe.gain))
        return gain

    def _teach(self, number: int, image: Tensor, numbers: Tensor) -> Tensor | None:
        """Class probabilities by the averaged network, which sees what is hidden from the other."""
        if self.averaged is None or number < TEACHER_START * self.recipe.steps:
            return None
        with torch.no_grad():
            return self._predict(image, numbers, self.averaged)[:, :3].float().softmax(1)

    def _disagreement(self, number: int, logits: Tensor, taught: Tensor) -> Tensor:
        # The averaged network's probabilities are corrected for the class weights, so the logits are too.
        entropy = -(taught * torch.log_softmax(logits - self.log_weights, 1)).sum(1)
        ramp = min(1, (number - TEACHER_START * self.recipe.steps) / (TEACHER_RAMP * self.recipe.steps))
        return self.recipe.mean_teacher * ramp * (1 - ALPHA) * entropy.mean()


def average(averaged: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move the averaged network towards the trained one."""
    with torch.no_grad():
        for weight, new in zip(averaged.parameters(), network.parameters(), strict=True):
            weight.lerp_(new, 1 - decay)
        for buffer, now in zip(averaged.buffers(), network.buffers(), strict=True):
            if buffer.dtype.is_floating_point and buffer.ndim:
                buffer.lerp_(now, 1 - decay)
            else:
                buffer.copy_(now)


def score(network: Any, precision: Precision, held_out: Images) -> dict[str, Any]:
    """AP, SEG and PSNR on held-out images, without test-time augmentation."""
    network.eval()
    inferer, found, ratios = DenoiSegInferer(tile_size=1024, tta=False), [], []
    for _, noisy, clean, masks in held_out:
        image, truth = torch.from_numpy(noisy)[None, None], masks.astype(np.int32)
        with precision.autocast(network, image):
            output = inferer(precision.layout(image), network)[0].float().numpy()
        objects = [instances_from_foreground(output[1], output[2], at, min_size=MIN_SIZE) for at in THRESHOLDS]
        found.append([(average_precision(truth, labels), seg_score(truth, labels)) for labels in objects])
        ratios.append(psnr(output[3], clean))
    ap, seg = np.moveaxis(np.array(found, float), -1, 0)
    mean = np.nanmean(ap, 0)
    best = int(mean.argmax())
    scores = {"ap": cross_fitted(ap), "ap_best": float(mean[best]), "threshold": THRESHOLDS[best]}
    return scores | {"seg": float(np.nanmean(seg, 0)[best]), "psnr": float(np.mean(ratios))}


def cross_fitted(ap: np.ndarray) -> float:
    """Mean AP where every second image is scored at the threshold best for the others; `ap` is ``(images, thresholds)``."""
    halves = [ap[::2], ap[1::2]]
    even, odd = (np.nanmean(half, 0) for half in halves)
    return float((odd[even.argmax()] * len(halves[1]) + even[odd.argmax()] * len(halves[0])) / len(ap))


def run(recipe: Recipe, trials: Trials, seed: int) -> dict[str, Any]:
    """Train and score once."""
    training = Training(recipe, shuffled(trials, seed), seed)
    begin = time.process_time()
    for number in range(recipe.steps):
        denoising, segmentation = training.step(number)
        if (number + 1) % 200 == 0:
            seconds = time.process_time() - begin
            print(f"{number + 1} denoising {denoising:.4f} segmentation {segmentation:.4f} {seconds:.0f} s", flush=True)
    seconds = time.process_time() - begin
    scores = score(training.network, training.precision, trials.held_out) | {"train_cpu_seconds": seconds}
    if training.averaged is not None:
        scores["averaged"] = score(training.averaged, training.precision, trials.held_out)
    return scores
