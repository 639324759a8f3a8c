"""The images a bundle trains and validates on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_denoiseg.bundle.folders import SIMULATED
from monai_denoiseg.bundle.found import tell_found, warn_unlabelled
from monai_denoiseg.bundle.kept_split import as_before, image_id
from monai_denoiseg.bundle.parts import listed_parts
from monai_denoiseg.checks import check_int
from monai_denoiseg.data import count_labelled, write_simulated
from monai_denoiseg.data.reader import image_layout
from monai_denoiseg.data.sources import Source
from monai_denoiseg.networks import load_denoiser
from monai_denoiseg.processes import is_main_process, of_all_processes
from monai_denoiseg.transforms import KeepLabels

logger = logging.getLogger(__name__)

Item = dict[str, Any]
_LOOKED_AT = 50
_ANY_SIZE = 1 << 20  # no field is twice as large


def training_data(
    dataset_dir: Source,
    output_dir: str | Path,
    *,
    validation_dir: Source | None = None,
    validation_fraction: float = 0.15,
    n_labels: int | None = None,
    labels: bool = True,
    labelled_only: bool = False,
    target: str | None = None,
    axes: str | None = None,
    spatial_dims: int = 2,
    seed: int = 0,
    previous: Mapping[str, Any] | None = None,
    pattern: str | None = None,
    images_dir: str = "images",
    labels_dir: str = "labels",
    fold: int | None = None,
) -> dict[str, list[Item]]:
    """List the images to train and to validate on, checked before any work is done.

    Args:
        dataset_dir: folder with ``images/`` and ``labels/``, or ``"simulated"``: 60 simulated images, 8 of them annotated (3D: 16
            volumes, 4 of them annotated), written to ``output_dir/simulated``. Also image files, a list of such and of folders,
            or a data list in a JSON file, see :func:`~monai_denoiseg.data.labelled_datalist`; its section ``validation``, if
            there is one, is validated on.
        output_dir: folder of the run.
        validation_dir: a second such source; None takes a part of ``dataset_dir``.
        validation_fraction: that part, in [0, 1). Where no labelled image is left for it (0, or one labelled image in all), the
            labelled training images also choose checkpoint and threshold, with a warning.
        n_labels: hide all training labels but this many (for experiments); None keeps all.
        labels: False leaves out all labels (after the split, which so is the same as with them): only denoising is trained.
        labelled_only: train on the labelled images only: no other is read.
        target: subfolder of target images, see :func:`~monai_denoiseg.data.folder_datalist`.
        axes: axes of TIFF images, see :class:`~monai_denoiseg.data.TiffReader`.
        spatial_dims: of the simulated images.
        seed: of split, choice and simulation.
        previous: the split of a stopped run that goes on (:func:`split_names`): each image stays on its side, whatever was
            annotated since, and new images are trained on.
        pattern: only images whose file name matches.
        images_dir: subfolder of the images.
        labels_dir: subfolder of the labels.
        fold: the fold of a data list to validate on; the others are trained on.

    Returns:
        ``{"training": items, "validation": items}``.

    Raises:
        FileNotFoundError: for a missing or empty folder, and where an image of ``previous`` is gone.
        ValueError: for labels without image, or shapes that differ.

    >>> import tempfile
    >>> from monai_denoiseg.data import write_simulated
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = write_simulated(f"{folder}/data", n_images=6, n_labelled=4, shape=(32, 32))
    ...     parts = training_data(data, folder, validation_fraction=0.5, n_labels=1)
    >>> count_data(**parts)
    {'train': 3, 'train_labelled': 1, 'validation': 3, 'validation_labelled': 2}
    """
    if str(dataset_dir) == SIMULATED:
        dataset_dir = _simulate(Path(output_dir) / SIMULATED, spatial_dims, seed)
    options = {"axes": axes, "spatial_dims": spatial_dims, "target": target, "pattern": pattern}
    options |= {"images": images_dir, "labels": labels_dir}
    training, validation = listed_parts(
        dataset_dir, validation_dir, fold=fold, fraction=validation_fraction, seed=seed, options=options
    )
    if labels and not count_labelled(training):
        warn_unlabelled(dataset_dir, labels_dir)
    if previous is not None:
        known = {*previous["training"], *previous["validation"]}
        listed = [
            item
            for item in training + validation
            if not labelled_only or "label" in item or image_id(item, validation_dir) in known
        ]
        training, validation = as_before(listed, previous, validation_dir)
    if not labels:
        training, validation = _without_labels(training), _without_labels(validation)
    if n_labels is not None:
        training = _keep_labels(training, n_labels, seed, previous, validation_dir)
    if labelled_only:
        training = [item for item in training if "label" in item]
        if not training:
            raise ValueError(f"no training image in {dataset_dir} is labelled, and only the segmentation is trained (`alpha` 0)")
    validation = _with_labels(validation, training)
    logger.info("training in %s", output_dir)
    if str(dataset_dir) != SIMULATED:
        looks: dict[str, Any] = {"axes": axes, "spatial_dims": spatial_dims, "images": images_dir}
        tell_found([*training, *validation], dataset_dir, **looks)
    for name, part in (("training", training), ("validation", validation)):
        logger.info("%s: %d images, %d of them labelled", name, len(part), count_labelled(part))
    return {"training": training, "validation": validation}


def _simulate(folder: Path, spatial_dims: int, seed: int) -> Path:
    size, n_images, n_labelled = {2: ((128, 128), 60, 8), 3: ((16, 96, 96), 16, 4)}[spatial_dims]
    if is_main_process():
        write_simulated(folder, n_images=n_images, n_labelled=n_labelled, shape=size, seed=seed)
    of_all_processes(None)  # wait for the one that writes
    return folder


def _keep_labels(
    training: list[Item], n: int, seed: int, previous: Mapping[str, Any] | None, validation_dir: Source | None
) -> list[Item]:
    """Hide all labels but ``n``; of a run that goes on, all but those it had: one more annotation would change the draw."""
    if check_int("n_labels", n, 0) > count_labelled(training):
        raise ValueError(f"`n_labels` is {n}, but only {count_labelled(training)} training images are labelled")
    if previous is None:
        return KeepLabels(n, seed=seed)(training)
    kept = set(previous["labelled"])
    return [item if image_id(item, validation_dir) in kept else _without_labels([item])[0] for item in training]


def trains_on_labels_only(alpha: float, labelled_fraction: float) -> bool:
    """Whether a training never looks at an image without label, so that none has to be read.

    Args:
        alpha: weight of the denoising loss.
        labelled_fraction: share of labelled items in a batch.

    >>> trains_on_labels_only(0.0, 1.0), trains_on_labels_only(0.5, 1.0)
    (True, False)
    """
    return alpha == 0 and labelled_fraction == 1


def _without_labels(items: list[Item]) -> list[Item]:
    return [{key: value for key, value in item.items() if key != "label"} for item in items]


def _with_labels(validation: list[Item], training: list[Item]) -> list[Item]:
    """Complete a validation list that holds no label, or nothing at all."""
    if validation and (count_labelled(validation) or not count_labelled(training)):
        return validation
    borrowed = [item for item in training if "label" in item] or training
    logger.warning(
        "no %s is left for validation: checkpoint and threshold come from %d training images too. "
        "Give `validation_dir` or more annotated images for an unbiased choice",
        "labelled image" if validation else "image",
        len(borrowed),
    )
    return validation + borrowed


def typical_spacing(items: Sequence[Mapping[str, Any]], given: Sequence[float] | None = None) -> list[float] | None:
    """Voxel size of a data set, for a network that suits it.

    Args:
        items: loaded items with ``spacing`` ``(spatial_dims,)`` in (Z)YX order, NaN where the file does not tell.
        given: the user's word, which wins.

    Returns:
        The median of each axis over the images that know theirs, or None if none does.

    >>> typical_spacing([{"spacing": torch.tensor([2.0, 0.5, 0.5])}, {"spacing": torch.full((3,), torch.nan)}])
    [2.0, 0.5, 0.5]
    """
    if given is not None:
        return [float(value) for value in given]
    rows = [row for row in (item["spacing"] for item in _in_order(items)) if bool(torch.isfinite(row).all())]
    if not rows:
        return None
    sizes = torch.stack(rows).double()
    low, high = sizes.amin(0), sizes.amax(0)
    if bool((high > 1.25 * low).any()):
        logger.warning(
            "the voxel sizes of the images differ (%s to %s): objects will have other sizes in voxels; resample the images first",
            [round(v, 4) for v in low.tolist()],
            [round(v, 4) for v in high.tolist()],
        )
    return [round(value, 6) for value in sizes.median(0).values.tolist()]


def usual_size(
    items: Sequence[Mapping[str, Any]],
    axes: str | None = None,
    spatial_dims: int | None = None,
    first_stage: str | Path | None = None,
    use: Sequence[str] = (),
) -> list[int]:
    """Median of the shapes of images, axis by axis: what a field that is much larger is told by.

    Args:
        items: data list; up to 50 images, spread evenly, are looked at.
        axes: of the files.
        spatial_dims: of the images.
        first_stage: network of the first stage, if there is one.
        use: what is taken from it. Where that is the denoised image, it is the first stage that measures an image in inference,
            by the usual size of *its* training; of one that knows none, every field counts as a whole.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, size in (("a", 32), ("b", 48), ("c", 500)):
    ...         np.save(f"{folder}/{name}.npy", np.zeros((size, 40)))
    ...     usual_size([{"image": f"{folder}/{name}.npy"} for name in "abc"])
    [48, 40]
    """
    chosen = sorted({round(i) for i in np.linspace(0, len(items) - 1, min(_LOOKED_AT, len(items)))})
    shapes = [image_layout(items[i]["image"], axes, spatial_dims).shape for i in chosen]
    usual = [int(edge) for edge in np.median(shapes, axis=0)]
    if first_stage is None or "input" not in use:
        return usual
    return load_denoiser(first_stage).window or [_ANY_SIZE] * len(usual)


def _in_order(items: Any) -> Iterator[Any]:
    return (items[i] for i in range(len(items)))


def labelled_flags(items: Sequence[Mapping[str, Any]]) -> list[bool]:
    """For each item whether it is labelled.

    Args:
        items: data list or data set; an item is labelled if its ``labelled`` entry says so, else if it has a ``label``.

    >>> labelled_flags([{"image": "a", "label": "b"}, {"image": "c"}, {"labelled": False, "label": "d"}])
    [True, False, False]
    """
    return [bool(item.get("labelled", "label" in item)) for item in items]


def count_data(training: Sequence[Mapping[str, Any]], validation: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of images and of labelled ones, for the record of a run.

    Args:
        training: data list.
        validation: data list.

    >>> count_data([{"image": "a", "label": "b"}, {"image": "c"}], [{"image": "d"}])
    {'train': 2, 'train_labelled': 1, 'validation': 1, 'validation_labelled': 0}
    """
    return {
        "train": len(training),
        "train_labelled": sum(labelled_flags(training)),
        "validation": len(validation),
        "validation_labelled": sum(labelled_flags(validation)),
    }
