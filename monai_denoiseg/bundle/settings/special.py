"""Kinds of values with rules of their own: class names, axes, devices, levels of a U-Net, masks, boxes."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from monai_denoiseg.bundle.settings.kinds import Kind, RefusedError, Whole


@dataclass(frozen=True)
class Special(Kind):
    """A value read by a function of its own.

    Attributes:
        words: the rule.
        function: ``function(value, dims)`` returns the value or raises :class:`RefusedError`, without text for the rule above.
        sample: how such a value is written.
    """

    words: str
    function: Callable[[Any, int | None], Any]
    sample: str | None = None

    @property
    def rule(self) -> str:
        """What a value must be."""
        return self.words

    @property
    def example(self) -> str | None:
        """How it is written."""
        return self.sample

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the value; see :class:`Kind`."""
        try:
            return self.function(value, dims)
        except RefusedError as error:
            raise RefusedError(str(error) or self.rule) from None


def _class_names(value: Any, dims: int | None) -> list[str]:
    names = value.split(",") if isinstance(value, str) and "," in value else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise RefusedError
    names = [name.strip() for name in names]
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise RefusedError("a list of at least two different names, the background first")
    return names


CLASS_NAMES = Special("a list of names, the background first", _class_names, "\"['background', 'liver']\"")


def _axes(value: Any, dims: int | None) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalpha():
        raise RefusedError
    letters = value.upper()
    if letters.count("Y") != 1 or letters.count("X") != 1:
        raise RefusedError
    if dims == 3 and not set(letters) - set("YXCS"):
        raise RefusedError(
            "letters of a volume, with a Z or T beside Y and X (`spatial_dims` is 3; planes belong to the 2D bundle)"
        )
    return value


AXES = Special("letters, one for each stored axis, with one Y and one X among them", _axes, "TYX")


def _device(value: Any, dims: int | None) -> Any:
    try:
        device = torch.device(value) if isinstance(value, (str, torch.device)) else None
    except RuntimeError:
        device = None
    if device is None:
        raise RefusedError
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RefusedError("'cpu' on this machine: PyTorch finds no usable GPU")
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise RefusedError(
            f"one of the {torch.cuda.device_count()} GPUs, 'cuda:0' to 'cuda:{torch.cuda.device_count() - 1}', or 'cpu'"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RefusedError("'cpu' on this machine: PyTorch finds no Apple GPU")
    return value


DEVICE = Special("a device of PyTorch, such as 'cpu', 'cuda' or 'cuda:0'", _device, "cpu")


def levels(what: str, *, odd: bool = False) -> Special:
    """Kind of a value for each axis and level of a U-Net: ``"auto"``, a number, one an axis, or a list of such, one a level.

    Args:
        what: an example for the command line.
        odd: whether the numbers must be odd.

    >>> levels("3", odd=True).read([[1, 3, 3], [3, 3, 3]], 3)
    [[1, 3, 3], [3, 3, 3]]
    """
    each = Whole(1, odd=odd)

    def axis_values(value: Any, dims: int | None) -> Any:
        if not isinstance(value, (list, tuple)):
            return each.read(value)
        if len(value) != dims if dims else len(value) not in (2, 3):
            raise RefusedError
        return [each.read(one) for one in value]

    def read(value: Any, dims: int | None) -> Any:
        if value == "auto":
            return value
        try:
            if isinstance(value, (list, tuple)) and value and all(isinstance(one, (list, tuple)) for one in value):
                return [axis_values(level, dims) for level in value]
            return axis_values(value, dims)
        except RefusedError:
            raise RefusedError from None

    return Special(f"'auto', {each.rule}, a list of one for each axis, or a list of such lists, one for each level", read, what)


def _struct_mask(value: Any, dims: int | None) -> Any:
    from monai_denoiseg.transforms.blindspot.struct_mask import read_struct_mask

    try:
        read_struct_mask(value, dims)
    except ValueError as error:
        raise RefusedError(str(error).removeprefix("`struct_mask` must be ").split(", got ")[0]) from None
    return value


STRUCT_MASK = Special("nested lists of 0 and 1, each of odd length", _struct_mask, '"[[1, 1, 1]]"')


def _boxes(value: Any, dims: int | None) -> Any:
    ends = (2 * dims,) if dims else (4, 6)

    def is_box(box: Any) -> bool:
        whole = isinstance(box, (list, tuple)) and all(isinstance(n, numbers.Integral) and not isinstance(n, bool) for n in box)
        return whole and len(box) in ends

    regions = isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(one, (list, tuple)) for one in value)
    if not regions or not all(one and all(is_box(box) for box in one) for one in value):
        raise RefusedError
    return value


BOXES = Special(
    "a list of boxes for each region, background first; a box is [first, end, ...] for each axis",
    _boxes,
    '"[[[0, 9, 0, 9]], [[20, 30, 20, 30]]]"',
)


def _experts(value: Any, dims: int | None) -> Any:
    from monai_denoiseg.checks import check_option
    from monai_denoiseg.self2seg.experts import EXPERTS

    if not isinstance(value, (list, tuple)) or len(value) < 2:
        raise RefusedError
    for name in value:
        if isinstance(name, str):
            try:
                check_option("experts", name, [*EXPERTS, "network"])
            except ValueError as error:
                raise RefusedError(str(error).removeprefix("`experts` must be ")) from None
        elif isinstance(name, (bool, numbers.Number, list, tuple, dict, type(None))):
            raise RefusedError
    return list(value)


EXPERTS_LIST = Special(
    "a list of experts, one expert for each of at least two regions, background first", _experts, "\"['constant', 'noise2fast']\""
)
