"""What the bundle of Self2Seg calls: its data list, its experts, and the denoiser alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.data import image_layout, inference_datalist, output_stem, split_name
from monai_denoiseg.engines import DenoiseImaged
from monai_denoiseg.self2seg import Expert, Self2SegResult, TrainedExpert, denoise_noise2fast
from monai_denoiseg.self2seg.starts import Boxes
from monai_denoiseg.self2seg.watch import Watch

NETWORK = "network"
"""Name of the expert that is a trained network."""
ENDINGS = ("mask.tif", "denoised.tif", "energies.csv", "energies.svg", "lambda_masks.tif", "lambda_path.csv")
TILE = 1024  # larger images go through a trained network in parts

Item = dict[str, Any]


def single_images(
    path: str | Path | Sequence[str | Path] | None,
    output_dir: str | Path,
    *,
    pattern: str | None = None,
    scribbles: str | Path | None = None,
    axes: str | None = None,
    spatial_dims: int | None = None,
) -> list[Item]:
    """List the images to segment, each frame of a time series as one, with the scribbles drawn for them.

    Args:
        path: file, folder of files, or list of files.
        output_dir: where the results will go.
        pattern: only files whose name matches.
        scribbles: label file for a single image, or a folder with files of the images' stems.
        axes: see :class:`~monai_denoiseg.data.FileReader`.
        spatial_dims: 2, 3, or None for what the files suggest.

    Returns:
        Items ``{"image": path, "scribbles": path?, "frame": int?}``; none without ``path``, see
        :func:`~monai_denoiseg.bundle.folders.need_images`.

    Raises:
        ValueError: for scribbles of another number of images, and none for an image.
        FileExistsError: when a result would overwrite an input.
        FileNotFoundError: when there is no such file or folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.tif", "a_mask.tif"):
    ...         Path(folder, name).touch()
    ...     items = single_images(f"{folder}/a.tif", folder)
    ...     try:
    ...         single_images(folder, folder)
    ...     except FileExistsError as error:
    ...         print(str(error).replace(folder, "F"))
    F/a_mask.tif is an input and would be overwritten by a result of F/a.tif: give another output_dir, or a pattern
    >>> [Path(item["image"]).name for item in items]
    ['a.tif']
    """
    if path is None:
        return []
    items = inference_datalist(path, pattern, spatial_dims=spatial_dims)
    if scribbles is not None:
        items = _with_scribbles(items, Path(scribbles))
    items = [frame for item in items for frame in _frames(item, axes, spatial_dims)]
    _refuse_overwriting(items, Path(output_dir))
    return items


def _with_scribbles(items: list[Item], scribbles: Path) -> list[Item]:
    if not scribbles.is_dir():
        if len(items) > 1:
            raise ValueError(f"`scribbles` is one file for {len(items)} images: give a folder with a file of each image's name")
        return [{**items[0], "scribbles": inference_datalist(scribbles)[0]["image"]}]
    found = {split_name(item["image"])[0]: item["image"] for item in inference_datalist(scribbles)}
    missing = [item["image"] for item in items if split_name(item["image"])[0] not in found]
    if missing:
        raise ValueError(f"no scribbles in {scribbles} for {missing[0]}: every image needs a file of its name there")
    return [{**item, "scribbles": found[split_name(item["image"])[0]]} for item in items]


def _frames(item: Item, axes: str | None, spatial_dims: int | None) -> list[Item]:
    try:
        frames = image_layout(item["image"], axes, spatial_dims).frames
    except Exception:  # whatever is wrong with a file is said when its turn comes, and the others go on
        frames = 0
    return [{**item, "frame": i} for i in range(frames)] if frames else [item]


def _refuse_overwriting(items: list[Item], output_dir: Path) -> None:
    inputs = {Path(item[key]).resolve() for item in items for key in ("image", "scribbles") if key in item}
    for item in items:
        stem = output_stem(item["image"], item.get("frame"))
        for ending in ENDINGS:
            for name in (f"{stem}_{ending}", f"{stem}_{ending.replace('.tif', '.nii.gz')}"):
                if (output_dir / name).resolve() in inputs:
                    raise FileExistsError(
                        f"{output_dir / name} is an input and would be overwritten by a result of {item['image']}: give another "
                        "output_dir, or a pattern"
                    )


def region_names(experts: Sequence[str | Expert]) -> list[str]:
    """Names of the regions in tables.

    Args:
        experts: one for each region, the background first.

    >>> region_names(["constant", "linear", "constant"])
    ['background', 'foreground', 'region 2']
    """
    return ["background", "foreground", *(f"region {number}" for number in range(2, len(experts)))]


def region_experts(
    experts: Sequence[str | Expert], model_file: str | Path | None = None, device: str | torch.device = "cpu"
) -> list[str | Expert]:
    """Put the trained network in place of the experts called ``"network"``.

    Args:
        experts: one for each region, the background first.
        model_file: ``model.pt`` of a denoiser.
        device: where the network computes.

    Raises:
        ValueError: for a ``"network"`` without ``model_file``, a ``model_file`` nobody uses, and a file that does not denoise.
        FileNotFoundError: when there is no such file.

    >>> region_experts(["constant", "linear"])
    ['constant', 'linear']
    >>> region_experts(["constant", "network"])
    Traceback (most recent call last):
        ...
    ValueError: the expert 'network' needs `model_file`, the model.pt of a trained denoiser
    """
    if isinstance(experts, str):
        raise ValueError(f"`experts` needs one expert for each region, such as ['constant', {experts!r}], got {experts!r}")
    if model_file is None:
        if NETWORK in experts:
            raise ValueError(f"the expert {NETWORK!r} needs `model_file`, the model.pt of a trained denoiser")
        return list(experts)
    if NETWORK not in experts:
        raise ValueError(f"`model_file` is used by the expert {NETWORK!r} only; `experts` are {list(experts)}")
    trained = _trained(model_file, device)
    return [trained if expert == NETWORK else expert for expert in experts]


def _trained(model_file: str | Path, device: str | torch.device) -> TrainedExpert:
    predict = DenoiseImaged(model_file, tile_size=TILE, device=device)

    def denoise(batch: Tensor) -> Tensor:
        denoised: Tensor = predict({"image": batch[0]})["image"]
        return denoised[None].to(batch.device)

    return TrainedExpert(denoise)


def axis_weights(spacing: Sequence[float] | None) -> list[float] | None:
    """Weights of the axes in the boundary length of voxels that are not cubes: differences along long edges count less.

    Args:
        spacing: voxel size along each axis, or None.

    >>> axis_weights([2.0, 0.5, 0.5])
    [0.25, 1.0, 1.0]
    """
    return None if spacing is None else [min(spacing) / edge for edge in spacing]


def denoise_image(image: Tensor, *, time_budget: float | None = None, progress: bool = False, **options: Any) -> Tensor:
    """Denoise one image by Noise2Fast, with a time budget of its own.

    Args:
        image: ``(C, [D,] H, W)``.
        time_budget: seconds; when they are over the result so far is returned.
        progress: whether to show a progress bar.
        options: see :class:`~monai_denoiseg.self2seg.noise2fast.Noise2FastSettings`.

    Raises:
        ValueError: for boxes or scribbles: nothing is segmented.

    >>> denoise_image(torch.rand(1, 16, 16), features=4, max_iterations=3).shape
    torch.Size([1, 16, 16])
    """
    for name in {"boxes", "scribbles"} & options.keys():
        raise ValueError(f"Noise2Fast denoises and segments nothing: leave out `{name}`")
    watch = Watch(time_budget, progress)
    try:
        return denoise_noise2fast(image, watch=watch, **options)
    finally:
        watch.close()


def segment_denoised(
    image: Tensor,
    boxes: Boxes | None = None,
    scribbles: Tensor | None = None,
    *,
    segment: Callable[..., Self2SegResult],
    **denoising: Any,
) -> Self2SegResult:
    """Denoise the whole image by Noise2Fast, then segment what comes out: the two steps that Self2Seg joins.

    Args:
        image: ``(C, [D,] H, W)``.
        boxes: passed on to ``segment``.
        scribbles: passed on to ``segment``.
        segment: for instance :class:`~monai_denoiseg.self2seg.Self2Seg` with two constant experts (Chan and Vese's model).
        denoising: see :func:`denoise_image`.

    Returns:
        What ``segment`` returns, with the denoised image.

    >>> from monai_denoiseg.self2seg import Self2Seg
    >>> segment = Self2Seg(["constant", "constant"])
    >>> segment_denoised(torch.rand(1, 16, 16), segment=segment, features=4, max_iterations=3).labels.shape
    torch.Size([16, 16])
    """
    denoised = denoise_image(image, **denoising)
    return replace(segment(denoised, boxes=boxes, scribbles=scribbles), denoised=denoised)
