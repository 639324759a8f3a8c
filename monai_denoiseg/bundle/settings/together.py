"""Settings that must fit each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monai_denoiseg.bundle.settings.setting import EVALUATE, INFER, SINGLE, TRAIN
from monai_denoiseg.heads import head_class

Values = Mapping[str, Any]


def check_together(values: Values, running: str) -> None:
    """Check settings that are right alone but not together.

    Args:
        values: the plain settings, each checked.
        running: the configuration.

    Raises:
        ValueError: naming the keys, their values and the way out.

    >>> check_together({"alpha": 1, "denoises": False}, "train")
    Traceback (most recent call last):
        ...
    ValueError: `alpha` is 1 (denoising alone), but `denoises` is false: nothing would be learnt; lower `alpha`
    """
    for rule in _RULES[running]:
        rule(values)


def _something_is_learnt(values: Values) -> None:
    alpha, head, denoises = values.get("alpha"), values.get("head"), values.get("denoises")
    segments = head is None or head_class(head).learns
    if alpha == 1 and denoises is False:
        raise ValueError("`alpha` is 1 (denoising alone), but `denoises` is false: nothing would be learnt; lower `alpha`")
    if alpha == 0 and not segments:
        raise ValueError(f"`alpha` is 0 (segmentation alone), but `head` is {head!r}: nothing would be learnt; raise `alpha`")
    if not segments and denoises is False:
        raise ValueError(f"`head` is {head!r} and `denoises` is false: the network would predict nothing; change one of them")


def _crops_fit(values: Values) -> None:
    """Each kind of change of annotated crops goes with its kind of annotation."""
    classes, zoom, alpha = values.get("classes"), values.get("zoom"), values.get("alpha")
    zooms = isinstance(zoom, (int, float)) and zoom > 1
    if values.get("augmentation") == "mild" and not classes:
        raise ValueError("`augmentation` is 'mild', but that is for `classes`; of numbered objects `zoom` changes the crops")
    if classes and zooms and values.get("augmentation") == "mild":
        raise ValueError(f"`zoom` is {zoom} and `augmentation` 'mild': one of them changes the crops; leave the other out")
    if classes and zooms and values.get("denoises") is not True and alpha in (0, "auto"):
        raise ValueError(
            f"`zoom` is {zoom}, which takes a network that denoises: give `alpha` (0.5) as well, or leave `zoom` out"
        )


def _loss_fits(values: Values) -> None:
    """Other losses than the cross entropy compare shares of classes, without weights."""
    loss, weights = values.get("segmentation_loss"), values.get("class_weights")
    if loss in (None, "auto", "cross_entropy"):
        return
    if weights:
        raise ValueError(f"`segmentation_loss` is {loss!r}, but `class_weights` belong to 'cross_entropy': leave one of them out")
    if values.get("head") is not None and not head_class(values["head"], values.get("classes")).classifies:
        raise ValueError(f"`segmentation_loss` is {loss!r}, but `head` {values['head']!r} predicts no classes: leave it out")


def _grid_fits(values: Values) -> None:
    """Images of numbered objects, and those that other parts of a training read, are taken as they are."""
    target, zoom = values.get("target_spacing"), values.get("zoom")
    if target in (None, "auto"):
        return
    if not values.get("classes"):
        raise ValueError(f"`target_spacing` is {target}, but that is for `classes`: resample images of numbered objects first")
    zooms = isinstance(zoom, (int, float)) and zoom > 1
    others = {"zoom": zooms, "target": values.get("target"), "first_stage": values.get("first_stage")}
    if key := next((key for key, used in others.items() if used), None):
        raise ValueError(
            f"`target_spacing` is {target} and `{key}` {values[key]!r}, which needs the images as they are: leave one of them out"
        )


def _classes_fit(values: Values) -> None:
    if values.get("head") is not None:
        head_class(values["head"], values.get("classes")).check_keys(values.get("classes"), values.get("class_weights"))


def _rays_fit(values: Values) -> None:
    if values.get("spatial_dims") == 3 and values.get("n_rays") is not None and values["n_rays"] < 6:
        raise ValueError(f"`n_rays` must be an integer >= 6 in 3D, got {values['n_rays']}")


def _levels_fit(values: Values) -> None:
    depth = values.get("depth")
    for key, more in (("strides", 0), ("kernel_size", 1)):
        given = values.get(key)
        if depth is not None and isinstance(given, list) and isinstance(given[0], list) and len(given) != depth + more:
            levels = f"{depth} levels" + (" and the bottleneck" if more else "")
            raise ValueError(
                f"`{key}` lists {len(given)} levels, but with `depth` {depth} there are {levels}: give one entry each"
            )


def _stages_fit(values: Values) -> None:
    if values.get("first_stage"):
        if values.get("first_stage_use") == []:
            raise ValueError("`first_stage_use` is empty: give 'input' (Sequential), 'weights' (Finetune), or both")
        return
    for key in ("first_stage_use", "first_stage_file", "first_stage_epochs"):
        if "first_stage" in values and values.get(key):
            raise ValueError(
                f"`{key}` is {values[key]!r}, but there is no `first_stage`: choose a method of two stages, "
                "such as --method sequential"
            )


def _whole_in_voxels(values: Values) -> None:
    if values.get("units") != "voxel":
        return
    for key, least in (("min_size", 0), ("border_width", 1)):
        value = values.get(key)
        if value is not None and (not isinstance(value, int) or value < least):
            raise ValueError(
                f"`{key}` must be an integer >= {least}, got {value!r}; with --units physical it may be any number in "
                "the unit of the voxel size"
            )


def _smoothness_fits(values: Values) -> None:
    smoothness = values.get("smoothness")
    if values.get("spatial_dims") == 3 and smoothness is not None and not isinstance(smoothness, int):
        raise ValueError(f"`smoothness` must be an integer >= 0 in 3D, got {smoothness!r}")


def _start_fits(values: Values) -> None:
    start, boxes = values.get("start"), values.get("boxes")
    if start == "boxes" and boxes is None and "boxes" in values:
        raise ValueError("`start` is 'boxes', but `boxes` is null: give --boxes, a list of boxes for each region")
    if boxes is not None and start not in (None, "boxes"):
        raise ValueError(f"`boxes` is given, but `start` is {start!r}: pass --start boxes, or leave out `boxes`")
    if boxes is not None and "experts" in values and len(boxes) != len(values["experts"]):
        raise ValueError(
            f"`boxes` has {len(boxes)} regions, but there are {len(values['experts'])} `experts`: give boxes for each"
        )


def _expert_has_its_network(values: Values) -> None:
    experts, model = values.get("experts"), values.get("model_file")
    if experts is None or "model_file" not in values:
        return
    if model is None and "network" in experts:
        raise ValueError("the expert 'network' needs `model_file`, the model.pt of a trained denoiser")
    if model is not None and "network" not in experts:
        raise ValueError(f"`model_file` is used by the expert 'network' only; `experts` are {experts}")


def _one_network(values: Values) -> None:
    run, model = values.get("run_dir"), values.get("model_file")
    if run is not None and model is not None:
        raise ValueError(f"`run` is {run!r} and `model_file` {model!r}: give one of them, each names a network")


def _runtime_has_a_network(values: Values) -> None:
    if values.get("runtime") == "onnx" and values.get("denoiser") is not None:
        raise ValueError("`runtime` is 'onnx', but this method has no network to compute: leave `runtime` out")


_PREDICTION: tuple[Callable[[Values], None], ...] = (_whole_in_voxels, _smoothness_fits, _one_network)
_RULES: dict[str, tuple[Callable[[Values], None], ...]] = {
    TRAIN: (
        *(_something_is_learnt, _crops_fit, _loss_fits, _grid_fits, _classes_fit, _rays_fit, _levels_fit, _stages_fit),
        _whole_in_voxels,
    ),
    INFER: (*_PREDICTION, _runtime_has_a_network),
    EVALUATE: _PREDICTION,
    SINGLE: (_start_fits, _expert_has_its_network),
}
