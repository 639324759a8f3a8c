"""The heads there are, and which of them a user's keys ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

from monai_denoiseg.checks import check_int, check_option
from monai_denoiseg.constants import CLASSES
from monai_denoiseg.heads.border import BorderHead
from monai_denoiseg.heads.classes import ClassHead, check_classes
from monai_denoiseg.heads.head import Head
from monai_denoiseg.heads.none import NoHead
from monai_denoiseg.heads.stars import StarHead

HEADS: dict[str, type[Head]] = {head.kind: head for head in (BorderHead, ClassHead, StarHead, NoHead)}
"""Every head by the kind it writes into files. A further one is added here, with ``HEADS["mine"] = MyHead``."""


class _UserHeads(Sequence[str]):
    """Values of the user's key ``head``, as :data:`HEADS` is now; the head of borders goes by that of classes."""

    def __len__(self) -> int:
        return len(HEADS) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return [kind for kind in HEADS if kind != BorderHead.kind][index]


USER_HEADS: Sequence[str] = _UserHeads()
"""Values of the user's key ``head``; see :func:`head_class`."""


def head_class(head: str = "classes", classes: Sequence[str] | None = None) -> type[Head]:
    """The class of head that the user's keys ``head`` and ``classes`` ask for.

    ``classes`` without names is the head of background, foreground, border; with names it is that of semantic classes.

    Args:
        head: ``"classes"``, ``"stardist"``, ``"none"`` or another kind in :data:`HEADS`.
        classes: names of semantic classes, or None.

    Raises:
        ValueError: for an unknown head.

    >>> head_class().kind, head_class("classes", ["background", "liver"]).kind
    ('border', 'classes')
    """
    check_option("head", head, USER_HEADS)
    return HEADS[BorderHead.kind if head == ClassHead.kind and not classes else head]


def build_head(
    head: str = "classes",
    classes: Sequence[str] | None = None,
    rays: Any = None,
    *,
    n_rays: int | None = None,
    spatial_dims: int = 2,
    spacing: Sequence[float] | None = None,
) -> Head:
    """Build the head that the user's keys ask for; see :func:`head_class`.

    Args:
        head: see there.
        classes: see there.
        rays: directions of a StarDist head; None takes those of ``n_rays``.
        n_rays: number of rays; None for the usual number.
        spatial_dims: 2 or 3.
        spacing: voxel size, for rays that are even in space.

    Raises:
        ValueError: for keys that contradict each other.

    >>> build_head("stardist", n_rays=16).channels
    17
    """
    kind = head_class(head, classes)
    rays = kind.directions(n_rays, spatial_dims, spacing) if rays is None else rays
    return kind.from_keys(check_classes(classes), rays)


def directions(head: str, n_rays: int | None, spatial_dims: int, spacing: Sequence[float] | None = None) -> Any:
    """Rays of the head a user asks for; None for a head without.

    Args:
        head: see :func:`head_class`.
        n_rays: see :func:`build_head`, as all that follow.
        spatial_dims: see there.
        spacing: see there.

    >>> directions("stardist", 8, 2).shape, directions("classes", None, 2)
    ((8, 2), None)
    """
    return head_class(head).directions(n_rays, spatial_dims, spacing)


def as_head(
    head: Head | str | None = None,
    *,
    classes: Sequence[str] | None = None,
    rays: Any = None,
    n_classes: int | None = None,
) -> Head:
    """Read a head from the arguments that stand for one: the one place that maps them.

    Args:
        head: a head, or a user's key for one. What follows, if given, takes its place.
        classes: names of semantic classes.
        rays: directions of a StarDist head.
        n_classes: number of class channels; 0 for a network that only denoises.

    Raises:
        ValueError: for arguments that contradict each other.

    >>> as_head().kind, as_head(classes=["background", "liver"]).kind, as_head(n_classes=0).kind
    ('border', 'classes', 'none')
    """
    rays = None if rays is None or not len(rays) else rays
    if isinstance(head, str):
        return build_head(head, classes, rays)
    names = check_classes(classes)
    if rays is not None:
        return StarHead.from_keys(names, rays)
    if head is not None and n_classes is None and not names:
        return head
    count = _count(n_classes, names)
    return ClassHead(names) if names else BorderHead(count) if count else NoHead()


def _count(n_classes: int | None, names: Sequence[str]) -> int:
    if n_classes is None:
        return len(names) or len(CLASSES)
    check_int("n_classes", n_classes, 0)
    if names and n_classes != len(names):
        raise ValueError(
            f"`n_classes` is {n_classes}, but `classes` names {len(names)}: {', '.join(names)}; leave `n_classes` out"
        )
    return n_classes


def head_from_state(state: Mapping[str, Any]) -> Head:
    """Build the head that a file describes.

    Args:
        state: what :meth:`Head.state` gave.

    Raises:
        ValueError: for a head this program does not have.

    >>> head_from_state(BorderHead().state()).kind
    'border'
    """
    kind = state.get("kind")
    if kind not in HEADS:
        raise ValueError(
            f"the file's network has the head {kind!r}, which is none of {', '.join(HEADS)}: update monai_denoiseg, or import "
            "the module that adds the head first"
        )
    return HEADS[str(kind)].from_state(state)


def described_head(head: str | None, classes: Sequence[str]) -> Head:
    """The head of a run that is long over, for the words about it; an unknown one counts as the usual one.

    Args:
        head: what the run's files say.
        classes: names of semantic classes, if there were any.

    >>> described_head("stardist", []).goal("it"), described_head(None, ["background", "liver"]).goal("it")
    ('to find the objects in it', 'to tell apart what is in it (liver)')
    """
    named = head is None or head == ClassHead.kind
    if not named:
        return build_head(str(head)) if head in HEADS and head != BorderHead.kind else BorderHead()
    return ClassHead(classes) if classes else BorderHead()
