"""Images for `robust_intensities.py`: damaged ones, larger fields, and thirty that no network for fluorescent nuclei knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def field(image: np.ndarray, masks: np.ndarray, times: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The image in the corner of a field ``times`` as high and wide, of its own background pixels, and the masks there."""
    shape = [times * size for size in image.shape]
    wide, labels = rng.choice(image[masks == 0], shape), np.zeros(shape, masks.dtype)
    wide[: image.shape[0], : image.shape[1]], labels[: image.shape[0], : image.shape[1]] = image, masks
    return wide, labels


def pixels(share: float, value: float) -> Damage:
    """Single pixels of one value."""

    def damage(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image.flat[rng.choice(image.size, round(share * image.size), replace=False)] = value
        return image

    return damage


def box(value: float, height: int, width: int) -> Damage:
    """A bar near the lower right corner; where the height is 0, a frame of the width."""

    def damage(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        del rng
        if height:
            image[-height - 8 : -8, -width - 8 : -8] = value
        else:
            inner = image[width:-width, width:-width].copy()
            image[:] = value
            image[width:-width, width:-width] = inner
        return image

    return damage


def scaled(gain: float, offset: float = 0) -> Damage:
    """Another exposure."""
    return lambda image, rng: (image * gain + offset).astype(np.float32)


DAMAGES: dict[str, Damage] = {
    "hot pixels 65535": pixels(0.0005, 65535),
    "hot pixels 4095": pixels(0.0005, 4095),
    "dead pixels 0": pixels(0.0005, 0),
    "gain 0.1": scaled(0.1),
    "gain 10": scaled(10),
    "gain 100": scaled(100),
    "gain 257": scaled(257),
    "offset 1000": scaled(1, 1000),
}
"""What happens to grey levels of 0 to 255 and hides no object."""
BOXES: dict[str, Damage] = {
    "scale bar 65535": box(65535, 6, 60),
    "scale bar 255": box(255, 6, 60),
    "large scale bar 65535": box(65535, 20, 120),
    "corner 65535": box(65535, 40, 40),
    "bright frame 65535": box(65535, 0, 6),
    "bright frame 255": box(255, 0, 6),
    "dark frame 0": box(0, 0, 6),
    "padding -3024": box(-3024, 0, 20),
}
"""What covers a part of the image."""


def images_outside(data: Path, nuclei: list[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Thirty images unlike fluorescent nuclei.

    Args:
        data: folder of the shared data sets.
        nuclei: images of nuclei, some of which are shown as other microscopes would.
    """
    for number, image in enumerate(nuclei[:4]):
        yield f"inverted {number}", image.max() - image
    for number, image in enumerate(nuclei[4:7]):
        yield f"brightfield {number}", brightfield(image)
    for number in range(3):
        yield f"text {number}", text(number)
    for name in ("astronaut", "brick", "camera", "chelsea", "coffee", "grass", "retina", "rocket"):
        yield name, tifffile.imread(data / "natural_cc0" / f"{name}.tif")
    yield "mosaic", tifffile.imread(data / "texture_mosaics_cc0" / "half_grass_brick_dm0.tif")
    yield "SEM", tifffile.imread(data / "n2v_sem" / "sem_noisy_600.tif")
    for name in ("Confocal_BPAE_G", "Confocal_BPAE_R", "TwoPhoton_BPAE_R", "WideField_BPAE_G", "Confocal_FISH"):
        yield name, tifffile.imread(data / "fmd" / f"{name}_raw.tif")[0]
    for folder, name in (("medical_ct_totalseg", "ct"), ("medical_ct_aorta", "ct"), ("medical_mr_brain", "brain1_image")):
        yield f"{folder} slice", middle(data / folder / f"{name}.nii.gz")
    yield "membranes", tifffile.imread(data / "cells3d_ovule" / "raw.tif")[16]
    yield "convallaria", tifffile.imread(data / "pn2v_convallaria" / "convallaria_frame0000.tif")


def held_out(data: Path, nuclei: list[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Others of the same kinds, that were not looked at while the warning was made."""
    yield "inverted", 255 - nuclei[7].astype(np.float32)
    yield "brightfield", brightfield(nuclei[8])
    yield "text", text(7)
    for name in ("gravel", "clock_motion", "microaneurysms", "cell", "hubble_deep_field"):
        yield name, tifffile.imread(data / "natural_cc0" / f"{name}.tif")
    yield "mosaic", tifffile.imread(data / "texture_mosaics_cc0" / "disk_gravel_brick_dm0.tif")
    for name in ("WideField_BPAE_R", "TwoPhoton_BPAE_G", "Confocal_MICE", "TwoPhoton_MICE"):
        yield name, tifffile.imread(data / "fmd" / f"{name}_raw.tif")[1]
    yield "medical_mr_brain slice", middle(data / "medical_mr_brain" / "brain2_image.nii.gz")
    hippocampus = sorted((data / "mr_hippocampus" / "dev_test" / "images").iterdir())[0]
    yield "hippocampus slice", middle(hippocampus)
    yield "histology", histology(nuclei[9])


def middle(path: Path) -> np.ndarray:
    """The middle slice of a volume."""
    import nibabel

    volume = np.asarray(nibabel.load(path).dataobj, np.float32)  # type: ignore[attr-defined]
    return volume[:, :, volume.shape[2] // 2]


def brightfield(image: np.ndarray) -> np.ndarray:
    """Nuclei as refracting bodies: a dark rim and a bright halo on a grey ground."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32) / max(1, np.percentile(image, 99)), 1.5)
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(140 + 300 * ndimage.gaussian_laplace(smooth, 2) - 15 * smooth + noise, 0, 255).astype(np.uint8)


def histology(image: np.ndarray) -> np.ndarray:
    """Nuclei darker than a textured tissue, as in the red channel of haematoxylin and eosin."""
    rng = np.random.default_rng(1)
    tissue = ndimage.gaussian_filter(rng.normal(0, 1, image.shape), 4)
    return np.clip(200 + 150 * tissue - 1.2 * image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def text(seed: int, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    """A page of random letters."""
    rng, page = np.random.default_rng(seed), Image.new("L", shape[::-1], 255)
    draw, size = ImageDraw.Draw(page), int(rng.integers(10, 26))
    font = ImageFont.load_default(size)
    for top in range(8, shape[0] - size, round(1.5 * size)):
        words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 9))) for _ in range(30)]
        draw.text((8, top), " ".join(words), fill=int(rng.integers(0, 60)), font=font)
    return np.asarray(page)
