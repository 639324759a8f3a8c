"""Simulated fluorescence images of nuclei: the data set that needs no download."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from scipy import ndimage

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.data.tiff import TiffWriter
from monai_denoiseg.files import new_folder, write_text, writing

OFFSET = 100.0
"""Camera offset in grey levels: what an image shows without any light."""
GAIN = 4.0
"""Grey levels for one photon."""
READ_NOISE = 6.0
"""Standard deviation of the camera's own noise in grey levels."""
PHOTONS = {"low": 150.0, "medium": 40.0, "high": 12.0}
"""Photons of a nucleus of brightness 1, by noise level."""
BACKGROUND_LIGHT = 0.08
"""Light between nuclei, relative to a nucleus of brightness 1."""


class SimulatedNuclei(NamedTuple):
    """One simulated image.

    Attributes:
        image: noisy image, uint16, grey levels, ``([C, ][Z, ]Y, X)``.
        label: instance labels, uint16, ``([Z, ]Y, X)``; 0 is background, nuclei are 1, 2, ...
        clean: the image without noise, float32, grey levels, shape of ``image``.
    """

    image: np.ndarray
    label: np.ndarray
    clean: np.ndarray


def simulate_nuclei(
    shape: Sequence[int] = (128, 128),
    n_nuclei: int | None = None,
    seed: int | Sequence[int] = 0,
    noise: str = "medium",
    radius: tuple[float, float] = (6.0, 10.0),
    clustered: float = 0.5,
    channels: int = 1,
    spacing: Sequence[float] | None = None,
) -> SimulatedNuclei:
    """Simulate ellipsoidal nuclei of uneven brightness, some in touching clusters, under a fluorescence microscope.

    Texture, a slow gradient of illumination, stray light and blur are added, then shot noise (Poisson) and camera noise
    (Gaussian). In 3D the blur along Z is twice that in the plane, as in a microscope.

    Args:
        shape: ``([D,] H, W)`` in voxels.
        n_nuclei: nuclei to try to place, ``None`` for about a third of the space. Fewer are placed where there is no room.
        seed: seed; the same seed gives the same image.
        noise: ``"none"``, ``"low"``, ``"medium"`` or ``"high"``.
        radius: smallest and largest mean radius, in units of an in-plane pixel.
        clustered: probability that a nucleus is placed at the side of another one.
        channels: channels; further ones show the same nuclei in other brightness. One channel is no axis.
        spacing: size of a voxel along each axis relative to an in-plane pixel, ``None`` for isotropic voxels.

    Returns:
        Image, exact labels, clean image.

    Raises:
        ValueError: for an argument outside its range.

    >>> simulated = simulate_nuclei((64, 64), seed=1)
    >>> simulated.image.shape, simulated.image.dtype.name, bool(simulated.label.max() > 2)
    ((64, 64), 'uint16', True)
    """
    if len(shape) not in (2, 3):
        raise ValueError(f"`shape` must have 2 or 3 entries, got {tuple(shape)}")
    check_option("noise", noise, ["none", *PHOTONS])
    check_range("clustered", clustered, 0, 1)
    check_int("channels", channels, 1)
    if not 0 < radius[0] <= radius[1]:
        raise ValueError(f"`radius` must be (smallest, largest) with 0 < smallest <= largest, got {radius}")
    voxel = np.ones(len(shape)) if spacing is None else np.asarray(spacing, dtype=float)
    if voxel.shape != (len(shape),) or voxel.min() <= 0:
        raise ValueError(f"`spacing` must hold {len(shape)} positive numbers, got {spacing}")
    rng = np.random.default_rng(seed)
    if n_nuclei is None:
        mean_radius = (radius[0] + radius[1]) / 2
        volume = np.pi * mean_radius**2 if len(shape) == 2 else 4 / 3 * np.pi * mean_radius**3
        n_nuclei = max(round(0.33 * float(np.prod(np.asarray(shape) * voxel)) / volume), 1)
    label = _place_nuclei(rng, tuple(shape), check_int("n_nuclei", n_nuclei, 0), radius, clustered, voxel)
    light = np.stack([_light(rng, label, voxel) for _ in range(channels)])
    photons = PHOTONS.get(noise, PHOTONS["low"])
    clean = OFFSET + GAIN * photons * light
    noisy = clean
    if noise != "none":
        noisy = OFFSET + GAIN * rng.poisson(photons * light) + rng.normal(0, READ_NOISE, light.shape)
    image = np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)
    clean = clean.astype(np.float32)
    return SimulatedNuclei(image, label, clean) if channels > 1 else SimulatedNuclei(image[0], label, clean[0])


def _place_nuclei(
    rng: np.random.Generator, shape: tuple[int, ...], count: int, radius: tuple[float, float], clustered: float, voxel: np.ndarray
) -> np.ndarray:
    """Place nuclei one by one; one that would be covered by more than a fifth, or cut into pieces, is left out."""
    label = np.zeros(shape, np.uint16)
    placed: list[tuple[np.ndarray, float]] = []
    extent = np.asarray(shape) * voxel
    for _ in range(20 * count):
        if len(placed) == count:
            break
        size = float(rng.uniform(*radius))
        centre = rng.uniform(0, 1, len(shape)) * extent
        if placed and rng.uniform() < clustered:
            neighbour, neighbour_size = placed[rng.integers(len(placed))]
            direction = rng.normal(size=len(shape))
            centre = neighbour + direction / np.linalg.norm(direction) * (size + neighbour_size) * rng.uniform(0.85, 1.0)
        window, inside = _ellipsoid(rng, shape, centre, size, voxel)
        free = inside & (label[window] == 0)
        if free.sum() < max(0.8 * inside.sum(), 9) or ndimage.label(free)[1] != 1:
            continue
        placed.append((centre, size))
        label[window][free] = len(placed)
    return label


def _ellipsoid(
    rng: np.random.Generator, shape: tuple[int, ...], centre: np.ndarray, size: float, voxel: np.ndarray
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return a window of the image and the voxels in it that a random ellipsoid covers."""
    axes = size * rng.uniform(0.75, 1.3, len(shape))
    rotation, _ = np.linalg.qr(rng.normal(size=(len(shape), len(shape))))
    low = np.clip(np.floor((centre - axes.max()) / voxel), 0, shape).astype(int)
    high = np.clip(np.ceil((centre + axes.max()) / voxel) + 1, 0, shape).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), axis=-1)
    position = ((grid + 0.5) * voxel - centre) @ rotation / axes
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), np.square(position).sum(-1) <= 1


def _light(rng: np.random.Generator, label: np.ndarray, voxel: np.ndarray) -> np.ndarray:
    """Return the expected light, 1 for a nucleus of usual brightness."""
    brightness = np.concatenate([[0.0], rng.uniform(0.45, 1.35, int(label.max()))])
    texture = ndimage.gaussian_filter(rng.normal(size=label.shape), 2.0 / voxel)
    texture = np.clip(1 + 0.22 * texture / max(float(texture.std()), 1e-9), 0.3, 1.7)
    nuclei = brightness[label] * texture
    blur = np.array([2.0, 1.0, 1.0][-label.ndim :]) / voxel
    sharp = ndimage.gaussian_filter(nuclei, blur)
    haze = ndimage.gaussian_filter(nuclei, 10.0 / voxel)
    steps = np.meshgrid(*[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in label.shape], indexing="ij")
    direction = rng.normal(size=label.ndim)
    gradient = 1 + 0.25 * np.tensordot(direction / np.linalg.norm(direction), np.stack(steps), axes=1)
    light: np.ndarray = (sharp + 0.15 * haze + BACKGROUND_LIGHT) * gradient
    return light


def write_simulated(
    folder: str | os.PathLike,
    n_images: int = 60,
    n_labelled: int = 8,
    shape: Sequence[int] = (128, 128),
    seed: int = 0,
    suffix: str = ".tif",
    **options: Any,
) -> Path:
    """Write a simulated data set in the layout of :func:`folder_datalist`: ``images/``, ``labels/``, ``clean/``, and ``truth/``.

    ``labels/`` holds the labels of the first ``n_labelled`` images only, ``truth/`` those of all. The folder appears whole or
    not at all. ``settings.json`` in it records the arguments.

    Args:
        folder: folder to write; missing, empty, or holding the very same simulation (then nothing is done).
        n_images: images.
        n_labelled: images with a label.
        shape: shape of each image, ``([D,] H, W)``.
        seed: seed of the data set.
        suffix: ``".tif"``, or ``".nii.gz"`` for files as scanners give them.
        options: further arguments of :func:`simulate_nuclei`.

    Returns:
        The folder.

    Raises:
        FileExistsError: when the folder holds anything else.
        ValueError: for an argument outside its range.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     written = write_simulated(f"{root}/nuclei", n_images=3, n_labelled=1, shape=(32, 32))
    ...     {sub.name: len(list(sub.iterdir())) for sub in sorted(written.iterdir()) if sub.is_dir()}
    {'clean': 3, 'images': 3, 'labels': 1, 'truth': 3}
    """
    check_int("n_images", n_images, 1)
    if check_int("n_labelled", n_labelled, 0) > n_images:
        raise ValueError(f"`n_labelled` must be at most `n_images` ({n_images}), got {n_labelled}")
    check_option("suffix", suffix, [".tif", ".nii.gz"])
    target = Path(folder)
    arguments = {"n_images": n_images, "n_labelled": n_labelled, "shape": list(shape), "seed": seed, **options}
    arguments |= {"suffix": suffix} if suffix != ".tif" else {}
    settings = json.dumps(arguments, indent=2, sort_keys=True)
    if _already_there(target, settings):
        return target
    try:
        with new_folder(target) as part:
            for sub in ("images", "labels", "clean", "truth"):
                (part / sub).mkdir()
            for index in range(n_images):
                _write_one(part, index, index < n_labelled, shape, seed, options, suffix)
            write_text(settings, part / "settings.json")
    except FileExistsError:
        if not _already_there(target, settings):  # another process may have been first
            raise
    return target


def _already_there(folder: Path, settings: str) -> bool:
    """Whether the folder holds this very simulation; anything else in it is an error."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    stored = folder / "settings.json"
    if stored.is_file() and stored.read_text() == settings:
        return True
    raise FileExistsError(f"{folder} holds other files than this simulation; choose another folder or remove it")


def _write_one(
    folder: Path, index: int, labelled: bool, shape: Sequence[int], seed: int, options: dict[str, Any], suffix: str
) -> None:
    simulated = simulate_nuclei(shape, seed=(seed, index), **options)
    is_multichannel = simulated.image.ndim > len(shape)
    parts = {"images": simulated.image, "clean": simulated.clean, "truth": simulated.label}
    if labelled:
        parts["labels"] = simulated.label
    for sub, array in parts.items():
        channel_dim = 0 if is_multichannel and sub in ("images", "clean") else None
        path = folder / sub / f"nuclei_{index:04d}{suffix}"
        (_write_tiff if suffix == ".tif" else _write_nifti)(path, array, channel_dim, options.get("spacing"))


def _write_tiff(path: Path, array: np.ndarray, channel_dim: int | None, spacing: Sequence[float] | None) -> None:
    writer = TiffWriter()
    writer.set_data_array(array, channel_dim=channel_dim)
    writer.set_metadata({"spacing": tuple(spacing), "unit": "um"} if spacing else {})
    writer.write(path)


def _write_nifti(path: Path, array: np.ndarray, channel_dim: int | None, spacing: Sequence[float] | None) -> None:
    sizes = [*(spacing or (1.0,) * 3)][::-1]  # X, Y, Z
    stored = array.T if channel_dim is None else array.T.reshape(*array.shape[:0:-1], *(1,) * (4 - array.ndim), array.shape[0])
    image = nibabel.Nifti1Image(stored, np.diag([*sizes, 1.0, 1.0][:4]))
    image.header.set_xyzt_units("micron")
    with writing(path) as part:
        nibabel.save(image, part)
