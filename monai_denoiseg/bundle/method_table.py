"""The methods beside DenoiSeg and Self2Seg, each in one line."""

from __future__ import annotations

from monai_denoiseg.bundle.run import methods

TRAINED = {
    "baseline": "U-Net that only segments, trained on the annotated images",
    "denoiseg_stardist": "DenoiSeg with star-convex objects in place of pixel classes",
    "finetune": "segmentation that starts from the weights of Noise2Void",
    "finetune_sequential": "segmentation of images denoised by Noise2Void, started from its weights",
    "n2v2": "Noise2Void without checkerboard patterns: denoising only",
    "noise2noise": "denoising only, from pairs of noisy images (subfolder second)",
    "noise2void": "denoising only, from noisy images alone",
    "sequential": "segmentation of images denoised by Noise2Void",
    "stardist": "star-convex objects, trained on the annotated images",
    "stardist_sequential": "star-convex objects in images denoised by Noise2Void",
    "structn2v": "Noise2Void for striped noise: denoising only",
    "supervised": "denoising only, from pairs of noisy and clean images (subfolder clean)",
}
UNTRAINED = {
    "bm3d": "BM3D, in 3D BM4D: denoising only (pip install bm3d, bm4d)",
    "chan_vese": "two regions with a short contour between them: objects",
    "mean": "mean of a box: denoising only",
    "median": "median of a box: denoising only",
    "nlm": "non-local means: denoising only",
    "otsu": "threshold on the grey levels: objects",
}
SINGLE_IMAGE = {
    "chan_vese": "two regions of constant brightness with a short boundary",
    "noise2fast": "denoising only, by one network for the whole image",
    "sequential": "Noise2Fast on the whole image, then Chan-Vese on the result",
}
_LINES = {"train": TRAINED, "self2seg": SINGLE_IMAGE}


def method_lines(task: str, bundle: str) -> dict[str, str]:
    """The methods of a task, each with one line about it.

    Args:
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.

    Raises:
        ValueError: for an unknown task or bundle.

    >>> method_lines("infer", "denoiseg_2d")["median"]
    'median of a box: denoising only'
    """
    lines = _LINES.get(bundle) or _LINES.get(task, UNTRAINED)
    return {name: lines.get(name, "") for name in methods(task, bundle)}
